package framing

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// PollStream is a UNIX socket that is waited for in poll(2), on a thread of its own,
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
type PollStream struct {
	fd          int
	interrupted atomic.Bool // ReadOr is to end

	mu     sync.Mutex
	users  int
	closed bool
	event  int      // an eventfd that interrupts ReadOr; noEvent until there is one
	hangup *os.File // an epoll that waits for the peer's close; nil until there is one
}

const noEvent = -1

// NewPollStream takes over fd, a connected socket.
func NewPollStream(fd int) (*PollStream, error) {
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return &PollStream{fd: fd, event: noEvent}, nil
}

// enter keeps the descriptor open until leave.
func (s *PollStream) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.users++
	return nil
}

func (s *PollStream) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users == 0 && s.closed {
		s.releaseLocked()
	}
}

// releaseLocked closes the descriptors, when nobody uses them any more.
func (s *PollStream) releaseLocked() error {
	if s.event != noEvent {
		syscall.Close(s.event)
	}
	return syscall.Close(s.fd)
}

// Events of poll(2).
const (
	pollIn  = 0x1
	pollOut = 0x4
)

type pollFD struct {
	fd              int32
	events, revents int16
}

// poll waits, in poll(2), until one of the descriptors is ready or shut down.
func poll(fds []pollFD) error {
	for {
		// Every Linux has ppoll; not every one has poll.
		_, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)), 0, 0, 0, 0)
		switch errno {
		case 0:
			return nil
		case syscall.EINTR:
		default:
			return os.NewSyscallError("poll", errno)
		}
	}
}

// wait waits until the socket is ready.
func (s *PollStream) wait(events int16) error { return poll([]pollFD{{int32(s.fd), events, 0}}) }

func (s *PollStream) Read(p []byte) (int, error) {
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	for {
		n, err := s.tryRead(p)
		if err != syscall.EAGAIN {
			return n, err
		}
		if err := s.wait(pollIn); err != nil {
			return 0, err
		}
	}
}

// tryRead reads what is there; EAGAIN says that nothing is.
func (s *PollStream) tryRead(p []byte) (int, error) {
	for {
		n, err := syscall.Read(s.fd, p)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return 0, err
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (s *PollStream) Write(p []byte) (done int, err error) {
	for {
		n, err := s.TryWrite(p[done:])
		if done += n; err != nil || done == len(p) {
			return done, err
		}
		if err := s.waitToWrite(); err != nil {
			return done, err
		}
	}
}

func (s *PollStream) waitToWrite() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.wait(pollOut)
}

// TryWrite writes what is taken at once.
func (s *PollStream) TryWrite(p []byte) (done int, err error) {
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	for done < len(p) {
		n, err := syscall.SendmsgN(s.fd, p[done:], nil, nil, syscall.MSG_NOSIGNAL|syscall.MSG_DONTWAIT)
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

// WakesThread marks it as a threadStream.
func (*PollStream) WakesThread() {}

func (s *PollStream) EndRead() {
	if s.enter() == nil {
		defer s.leave()
		syscall.Shutdown(s.fd, syscall.SHUT_RD)
	}
}

func (s *PollStream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.hangup != nil {
		s.hangup.Close()
	}
	if s.users == 0 {
		return s.releaseLocked()
	}
	return syscall.Shutdown(s.fd, syscall.SHUT_RDWR)
}

// SetReadDeadline cuts reading short at once, whatever the time is: it is there
// for the handshake, which is given up in no other way.
func (s *PollStream) SetReadDeadline(time.Time) error {
	s.EndRead()
	return nil
}
