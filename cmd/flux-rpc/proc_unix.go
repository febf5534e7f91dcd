//go:build unix

package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// shellCommand prepares a shell command that runs in a process group of its own. Ctrl-C in a terminal does not reach
// the group, and the end of ctx kills all of it.
func shellCommand(ctx context.Context, command string) (*exec.Cmd, error) {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd, nil
}

// listenPrivate makes a socket that no other user can connect to.
func listenPrivate(path string) (*net.UnixListener, error) {
	old := syscall.Umask(0o177) // there is no moment in which others may
	defer syscall.Umask(old)
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}

func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }

// watchReader calls gone when nobody can read any more what is written to f: the other end of a pipe or socket is
// closed, or a terminal has hung up. That is never so for a file. stop ends the watch. Writing tells the same, but
// only when there is something to write.
func watchReader(f *os.File, gone func()) (stop func(), err error) {
	wake, signal, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	fds := []unix.PollFd{{Fd: int32(f.Fd())}, {Fd: int32(wake.Fd())}}
	go func() {
		defer close(done)
		for {
			// No event is asked for: errors and hangups are always reported.
			_, err := unix.Poll(fds, -1)
			switch {
			case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
				continue
			case err == nil && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0:
				gone()
			}
			return
		}
	}()
	return func() {
		signal.Close() // which is a hangup for wake
		<-done
		wake.Close()
	}, nil
}
