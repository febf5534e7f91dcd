package transport

import (
	"context"
	"net"
	"os"
	"syscall"

	"github.com/flux-sdk/flux/internal/framing"
)

// connectLocal connects to the socket at path. The descriptor is never given to
// the poller unless the broker is in this process.
func connectLocal(_ context.Context, path string) (deadliner, error) {
	fd, err := connectSocket(path)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "unix", Addr: socketAddr(path), Err: err}
	}
	if inOtherProcess(fd) {
		s, err := framing.NewPollStream(fd)
		if err != nil {
			syscall.Close(fd)
			return nil, err
		}
		return s, nil
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close() // what follows is another descriptor
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
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

// inOtherProcess reports whether the process at the other end is known to be another
// one.
func inOtherProcess(fd int) bool {
	cred, err := syscall.GetsockoptUcred(fd, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	return err == nil && cred.Pid != 0 && int(cred.Pid) != os.Getpid()
}
