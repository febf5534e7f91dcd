package transport

import (
	"net"
	"syscall"
)

func peerCred(c *net.UnixConn) (Cred, error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return Cred{}, err
	}
	var u *syscall.Ucred
	var serr error
	err = rc.Control(func(fd uintptr) {
		u, serr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err == nil {
		err = serr
	}
	if err != nil {
		return Cred{}, err
	}
	return Cred{UID: u.Uid, PID: int(u.Pid)}, nil
}
