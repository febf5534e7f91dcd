//go:build unix

package framing

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// unixStream is a UNIX socket on the runtime's poller, with writes that can be
// tried. Only one goroutine at a time calls TryWrite, so the fields below need
// no lock.
type unixStream struct {
	*net.UnixConn
	rc syscall.RawConn

	try func(fd uintptr) bool
	p   []byte
	n   int
	err error
}

// NewUnixStream makes a stream of a UNIX socket whose writes can be tried.
func NewUnixStream(c *net.UnixConn) io.ReadWriteCloser {
	rc, err := c.SyscallConn()
	if err != nil {
		return c // closed: each use says so
	}
	u := &unixStream{UnixConn: c, rc: rc}
	u.try = func(fd uintptr) bool {
		for {
			u.n, u.err = syscall.Write(int(fd), u.p)
			if u.err != syscall.EINTR {
				return true
			}
		}
	}
	return u
}

func (u *unixStream) TryWrite(p []byte) (int, error) {
	u.p = p
	err := u.rc.Write(u.try)
	u.p = nil
	switch {
	case err != nil:
		return 0, err
	case errors.Is(u.err, syscall.EAGAIN):
		return 0, nil
	case u.err != nil:
		return 0, u.err
	}
	return u.n, nil
}

func (u *unixStream) EndRead() { u.CloseRead() }
