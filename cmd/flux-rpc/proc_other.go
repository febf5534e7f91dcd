//go:build !unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// errNoWindowsPipe is what Windows says of a pipe that is being closed (ERROR_NO_DATA); it has no name in syscall.
const errNoWindowsPipe = syscall.Errno(232)

// unsupported says what a command needs that this system does not have.
func unsupported(what string) error {
	return fmt.Errorf("%s, which %s does not have: %w", what, runtime.GOOS, errors.ErrUnsupported)
}

func shellCommand(context.Context, string) (*exec.Cmd, error) {
	return nil, unsupported("serve needs /bin/sh and process groups")
}

func listenPrivate(string) (*net.UnixListener, error) {
	return nil, unsupported("record needs a socket that is for this user only")
}

func isBrokenPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || runtime.GOOS == "windows" && errors.Is(err, errNoWindowsPipe)
}

// watchReader does nothing here: that the reader of the output has gone is seen at the next write.
func watchReader(*os.File, func()) (stop func(), err error) { return func() {}, nil }
