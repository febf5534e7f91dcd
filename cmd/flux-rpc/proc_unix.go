//go:build unix

package main

import (
	"net"
	"os/exec"
	"syscall"
)

// ownGroup puts a command into a process group of its own, which Ctrl-C in a
// terminal does not reach and which is killed as a whole.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// listenPrivate makes a socket that no other user can connect to.
func listenPrivate(path string) (*net.UnixListener, error) {
	old := syscall.Umask(0o177) // there is no moment in which others may
	defer syscall.Umask(old)
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}
