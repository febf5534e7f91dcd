package transport

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// blockIO is a UNIX socket off the runtime's poller, on a blocking descriptor.
// To a broker in another process it costs less and answers sooner: a reply that
// wakes a blocked read needs no trip through the poller and the scheduler. It
// costs a thread for as long as a read waits. To a peer in this process the
// poller is the better way, because there the thread that would be woken has to
// give way to the peer's goroutines first.
//
// It waits in epoll_wait(2), because a read that waits is also woken each time the
// peer takes some of what was written to it, and goes back to sleep: that is up to
// twice as many wake-ups, and each takes the processor from the peer at its work.
// Where there is mostly something to read, ReadSoon does without.
//
// Who waits is woken by shutdown(2), not by close(2), and the descriptors are
// closed only when nobody is in a system call on them, so that a number that is
// in use again is never touched.
type blockIO struct {
	fd int

	// Of whoever reads.
	ep     int // an epoll for what arrives at fd; noEpoll if there is none
	events [1]syscall.EpollEvent
	more   bool // the last read may have left something
	plain  int  // reads without ep that are still to come

	mu     sync.Mutex
	users  int
	closed bool
}

const (
	noEpoll = -1
	// plainReads is how many reads a connection begins with that wait by
	// themselves: many live for a call or two, and an epoll costs as much as one.
	plainReads = 8
	// forEver is the timeout of an epoll_wait that has none.
	forEver = -1
)

// newBlockIO takes over fd, a connected socket, but if it fails.
func newBlockIO(fd int) (*blockIO, error) {
	if err := syscall.SetNonblock(fd, false); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return &blockIO{fd: fd, ep: noEpoll, plain: plainReads}, nil
}

// watch makes the epoll. Where there can be none, reads wait by themselves.
func (b *blockIO) watch() {
	ep, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return
	}
	arrives := syscall.EpollEvent{Events: syscall.EPOLLIN}
	if err := syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, b.fd, &arrives); err != nil {
		syscall.Close(ep)
		return
	}
	b.ep = ep
}

// connectLocal connects to the socket at path. The descriptor is never given to
// the poller unless the broker is in this process.
func connectLocal(_ context.Context, path string) (localStream, error) {
	fd, err := connectSocket(path)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "unix", Addr: socketAddr(path), Err: err}
	}
	if elsewhere(fd) {
		b, err := newBlockIO(fd)
		if err != nil {
			syscall.Close(fd)
			return nil, err
		}
		return b, nil
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
func (b *blockIO) enter() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return net.ErrClosed
	}
	b.users++
	return nil
}

func (b *blockIO) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.users--; b.users == 0 && b.closed {
		b.release()
	}
}

// release closes the descriptors. Called with mu held and without users.
func (b *blockIO) release() error {
	if b.ep != noEpoll {
		syscall.Close(b.ep)
	}
	return syscall.Close(b.fd)
}

// ReadSoon is Read that waits by itself.
func (b *blockIO) ReadSoon(p []byte) (int, error) {
	b.more = true
	return b.Read(p)
}

func (b *blockIO) Read(p []byte) (int, error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	defer b.leave()
	if b.ep == noEpoll {
		if b.plain--; b.plain == 0 {
			b.watch()
		}
	}
	if b.ep == noEpoll {
		b.more = true // wait in the read
	}
	for !b.more {
		n, err := syscall.EpollWait(b.ep, b.events[:], forEver)
		switch {
		case n > 0:
			b.more = true
		case err != nil && err != syscall.EINTR:
			return 0, os.NewSyscallError("epoll_wait", err)
		}
	}
	for {
		n, err := syscall.Read(b.fd, p)
		b.more = n == len(p)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (b *blockIO) Write(p []byte) (int, error) { return b.write(p, 0) }

func (b *blockIO) TryWrite(p []byte) (int, error) {
	n, err := b.write(p, syscall.MSG_DONTWAIT)
	return n, err
}

// write writes all of p or, with MSG_DONTWAIT, what is taken at once.
func (b *blockIO) write(p []byte, flags int) (done int, err error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	defer b.leave()
	for done < len(p) {
		n, err := syscall.SendmsgN(b.fd, p[done:], nil, nil, flags|syscall.MSG_NOSIGNAL)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN && flags != 0:
			return done, nil
		case err != nil:
			return done, os.NewSyscallError("write", err)
		default:
			done += n
		}
	}
	return done, nil
}

func (b *blockIO) Abort() {
	if b.enter() == nil {
		defer b.leave()
		syscall.Shutdown(b.fd, syscall.SHUT_RD)
	}
}

func (b *blockIO) Close() error {
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
func (b *blockIO) SetReadDeadline(time.Time) error {
	b.Abort()
	return nil
}

// elsewhere reports whether the process at the other end is known to be another
// one.
func elsewhere(fd int) bool {
	cred, err := syscall.GetsockoptUcred(fd, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	return err == nil && cred.Pid != 0 && int(cred.Pid) != os.Getpid()
}
