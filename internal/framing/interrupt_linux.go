package framing

import (
	"os"
	"syscall"
	"time"
)

// ReadOr is Read that Interrupt ends with errInterrupted.
func (s *PollStream) ReadOr(p []byte) (int, error) {
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	if s.interrupted.Load() { // whatever has arrived: of a large body more may always have
		s.endInterrupt()
		return 0, errInterrupted
	}
	fds := [2]pollFD{{int32(s.fd), pollIn, 0}, {int32(s.event), pollIn, 0}}
	for {
		n, err := s.tryRead(p)
		if err != syscall.EAGAIN {
			return n, err
		}
		if err := poll(fds[:]); err != nil {
			return 0, err
		}
		if fds[1].revents != 0 {
			s.endInterrupt()
			return 0, errInterrupted
		}
	}
}

// endInterrupt takes back what Interrupt did. An Interrupt at the same time may
// interrupt once more, which does no harm.
func (s *PollStream) endInterrupt() {
	s.interrupted.Store(false)
	var count [8]byte
	syscall.Read(s.event, count[:])
}

// Interrupt ends the ReadOr that waits, or the next one. Before ArmHangup there is
// none.
func (s *PollStream) Interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock() // the write does not wait
	if !s.closed && s.event != noEvent {
		s.interrupted.Store(true)
		one := [8]byte{7: 1} // any number but 0 will do
		syscall.Write(s.event, one[:])
	}
}

const (
	// efdFlags are those of eventfd2(2), which package syscall does not have.
	efdFlags = syscall.O_CLOEXEC | syscall.O_NONBLOCK
	// epollRDHup is EPOLLRDHUP: the peer has closed its end.
	epollRDHup = 0x2000
)

// ArmHangup makes the descriptors that ReadOr and AwaitHangup need, the first time.
func (s *PollStream) ArmHangup() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return os.ErrClosed
	case s.hangup != nil:
		return s.hangup.SetReadDeadline(time.Time{})
	}
	event, _, errno := syscall.Syscall(syscall.SYS_EVENTFD2, 0, efdFlags, 0)
	if errno != 0 {
		return os.NewSyscallError("eventfd2", errno)
	}
	hangup, err := newHangup(s.fd)
	if err != nil {
		syscall.Close(int(event))
		return err
	}
	s.event, s.hangup = int(event), hangup
	return nil
}

// newHangup returns an epoll that becomes readable when the peer of fd closes. It
// is on the runtime's poller, so that waiting for it takes no thread; nothing that
// arrives at fd wakes it.
func newHangup(fd int) (*os.File, error) {
	ep, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: epollRDHup}); err != nil {
		syscall.Close(ep)
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	if err := syscall.SetNonblock(ep, true); err != nil {
		syscall.Close(ep)
		return nil, os.NewSyscallError("fcntl", err)
	}
	f := os.NewFile(uintptr(ep), "epoll")
	if err := f.SetReadDeadline(time.Time{}); err != nil { // it is not on the poller
		f.Close()
		return nil, err
	}
	return f, nil
}

// AwaitHangup returns when the peer has closed, or after WakeHangup.
func (s *PollStream) AwaitHangup() {
	rc, err := s.hangup.SyscallConn()
	if err != nil {
		return
	}
	var events [1]syscall.EpollEvent
	rc.Read(func(fd uintptr) bool {
		n, err := syscall.EpollWait(int(fd), events[:], 0)
		return n > 0 || err != nil && err != syscall.EINTR
	})
}

// WakeHangup ends AwaitHangup. The file is set before anybody is to wake it.
func (s *PollStream) WakeHangup() { s.hangup.SetReadDeadline(time.Unix(1, 0)) }
