package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// runChild runs a command with FLUX_URI set and this program's standard files.
// Its exit status becomes this program's: the error says which. A signal to this
// program is for the command to act on.
func runChild(ctx context.Context, argv []string, uri string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "FLUX_URI="+uri)
	// A second signal must not end this program before the command.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return err
	}
	// Ctrl-C in a terminal reaches the command by itself.
	terminal := term.IsTerminal(int(os.Stdin.Fd()))
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case err := <-done:
			return childStatus(err)
		case sig := <-signals:
			if sig != os.Interrupt || !terminal {
				// It may have ended just now.
				_ = cmd.Process.Signal(sig)
			}
		}
	}
}

func childStatus(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return statusError(exitSignal + int(ws.Signal()))
	}
	return statusError(exit.ExitCode())
}
