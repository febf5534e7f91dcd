package transport

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// pollIO is a UNIX socket that is waited for in poll(2), on a thread of its own,
// and not by the runtime's poller. To a broker in another process that costs less
// and answers sooner: a reply that wakes the thread needs no trip through the
// poller and the scheduler. To a peer in this process the runtime's poller is the
// better way, because there the thread would have to give way to the peer's
// goroutines first.
//
// The descriptor never blocks: a read(2) that waits on a UNIX socket is also
// woken each time the peer takes some of what was written to it, and poll(2) is
// not.
//
// A wait is ended by shutdown(2), not by close(2), and the descriptor is closed
// only when nobody is in a system call on it, so that a number that is in use
// again is never touched.
type pollIO struct {
	fd int

	mu     sync.Mutex
	users  int
	closed bool
}

// connectLocal connects to the socket at path. The descriptor is never given to
// the poller unless the broker is in this process.
func connectLocal(_ context.Context, path string) (localStream, error) {
	fd, err := connectSocket(path)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "unix", Addr: socketAddr(path), Err: err}
	}
	if elsewhere(fd) {
		return &pollIO{fd: fd}, nil
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close() // what follows is another descriptor
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return newUnixIO(c.(*net.UnixConn))
}

// connectSocket returns the descriptor of a connected socket. A broker whose
// backlog is full is EAGAIN, and no wait.
func connectSocket(path string) (int, error) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	for {
		switch err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: socketAddr(path).Name}); err {
		case nil:
			return fd, nil
		case syscall.EINTR:
		default:
			syscall.Close(fd)
			return -1, os.NewSyscallError("connect", err)
		}
	}
}

// enter keeps the descriptor open until leave.
func (b *pollIO) enter() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return net.ErrClosed
	}
	b.users++
	return nil
}

func (b *pollIO) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.users--; b.users == 0 && b.closed {
		b.release()
	}
}

// release closes the descriptor. Called with mu held and without users.
func (b *pollIO) release() error { return syscall.Close(b.fd) }

// Events of poll(2).
const (
	pollIn  = 0x1
	pollOut = 0x4
)

// wait waits, in poll(2), until the socket is ready or shut down.
func (b *pollIO) wait(events int16) error {
	p := struct {
		fd              int32
		events, revents int16
	}{int32(b.fd), events, 0}
	for {
		// Every Linux has ppoll; not every one has poll.
		_, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, 0, 0, 0, 0)
		switch errno {
		case 0:
			return nil
		case syscall.EINTR:
		default:
			return os.NewSyscallError("poll", errno)
		}
	}
}

func (b *pollIO) Read(p []byte) (int, error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	defer b.leave()
	for {
		n, err := syscall.Read(b.fd, p)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			if err := b.wait(pollIn); err != nil {
				return 0, err
			}
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (b *pollIO) Write(p []byte) (done int, err error) {
	for {
		n, err := b.TryWrite(p[done:])
		if done += n; err != nil || done == len(p) {
			return done, err
		}
		if err := b.waitToWrite(); err != nil {
			return done, err
		}
	}
}

func (b *pollIO) waitToWrite() error {
	if err := b.enter(); err != nil {
		return err
	}
	defer b.leave()
	return b.wait(pollOut)
}

// TryWrite writes what is taken at once.
func (b *pollIO) TryWrite(p []byte) (done int, err error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	defer b.leave()
	for done < len(p) {
		n, err := syscall.SendmsgN(b.fd, p[done:], nil, nil, syscall.MSG_NOSIGNAL|syscall.MSG_DONTWAIT)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return done, nil
		case err != nil:
			return done, os.NewSyscallError("write", err)
		default:
			done += n
		}
	}
	return done, nil
}

// WakesThread marks it as a threadIO.
func (*pollIO) WakesThread() {}

func (b *pollIO) Abort() {
	if b.enter() == nil {
		defer b.leave()
		syscall.Shutdown(b.fd, syscall.SHUT_RD)
	}
}

func (b *pollIO) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	if b.users == 0 {
		return b.release()
	}
	return syscall.Shutdown(b.fd, syscall.SHUT_RDWR)
}

// SetReadDeadline cuts reading short at once, whatever the time is: it is there
// for the handshake, which is given up in no other way.
func (b *pollIO) SetReadDeadline(time.Time) error {
	b.Abort()
	return nil
}

// elsewhere reports whether the process at the other end is known to be another
// one.
func elsewhere(fd int) bool {
	cred, err := syscall.GetsockoptUcred(fd, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	return err == nil && cred.Pid != 0 && int(cred.Pid) != os.Getpid()
}
