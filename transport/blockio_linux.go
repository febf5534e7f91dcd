package transport

import (
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
)

// blockIO is a UNIX socket off the runtime's poller, on a blocking descriptor.
// To a broker in another process it costs less and answers sooner: a reply that
// wakes a blocked read needs no trip through the poller and the scheduler. It
// costs a thread for as long as a read waits. To a peer in this process the
// poller is the better way, because there the thread that would be woken has to
// give way to the peer's goroutines first.
//
// A blocked read is woken by shutdown(2), not by close(2), and the descriptor is
// closed only when nobody is in a system call on it, so that a number that is
// in use again is never touched.
type blockIO struct {
	fd int

	mu     sync.Mutex
	users  int
	closed bool
}

// newBlockIO takes over the descriptor of c, which is closed.
func newBlockIO(c *net.UnixConn) (*blockIO, error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	cerr := rc.Control(func(old uintptr) {
		syscall.ForkLock.RLock() // no fork before it is close-on-exec
		defer syscall.ForkLock.RUnlock()
		if fd, err = syscall.Dup(int(old)); err == nil {
			syscall.CloseOnExec(fd)
		}
	})
	if err == nil {
		err = cerr
	}
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	// Of the open file, so c could not be used any more in any case.
	if err := syscall.SetNonblock(fd, false); err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	c.Close()
	return &blockIO{fd: fd}, nil
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
		syscall.Close(b.fd)
	}
}

func (b *blockIO) Read(p []byte) (int, error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	defer b.leave()
	// Those whom the last batch woke go first: this thread may wait for long.
	runtime.Gosched()
	for {
		n, err := syscall.Read(b.fd, p)
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
		return syscall.Close(b.fd)
	}
	return syscall.Shutdown(b.fd, syscall.SHUT_RDWR)
}

// elsewhere reports whether the process at the other end of c is known to be
// another one.
func elsewhere(c *net.UnixConn) bool {
	cred, err := peerCred(c)
	return err == nil && cred.PID != 0 && cred.PID != os.Getpid()
}

// localIO picks the way to do I/O with a broker on this host.
func localIO(c *net.UnixConn) rawIO {
	if elsewhere(c) {
		if b, err := newBlockIO(c); err == nil {
			return b
		}
	}
	return asRawIO(c)
}

// wakesThread reports whether each read of raw that waits is the wake-up of a
// thread.
func wakesThread(raw rawIO) bool {
	_, ok := raw.(*blockIO)
	return ok
}
