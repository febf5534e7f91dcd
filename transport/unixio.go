package transport

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// asRawIO finds the best way to do I/O on rwc.
func asRawIO(rwc io.ReadWriteCloser) rawIO {
	switch c := rwc.(type) {
	case rawIO:
		return c
	case *net.UnixConn:
		if raw, err := newUnixIO(c); err == nil {
			return raw
		}
	}
	return &plainIO{ReadWriteCloser: rwc}
}

// unixIO is a UNIX socket on the runtime's poller, with writes that can be
// tried. Only the writer's current holder calls TryWrite, so the scratch
// fields need no lock.
type unixIO struct {
	*net.UnixConn
	rc syscall.RawConn

	try func(fd uintptr) bool
	p   []byte
	n   int
	err error
}

func newUnixIO(c *net.UnixConn) (*unixIO, error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	u := &unixIO{UnixConn: c, rc: rc}
	u.try = func(fd uintptr) bool {
		for {
			u.n, u.err = syscall.Write(int(fd), u.p)
			if u.err != syscall.EINTR {
				return true
			}
		}
	}
	return u, nil
}

func (u *unixIO) TryWrite(p []byte) (int, error) {
	u.p = p
	err := u.rc.Write(u.try)
	u.p = nil
	if err != nil {
		return 0, err
	}
	switch {
	case errors.Is(u.err, syscall.EAGAIN):
		return 0, nil
	case u.err != nil:
		return 0, u.err
	}
	return u.n, nil
}

func (u *unixIO) Abort() { u.CloseRead() }
