package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts and tests run flux-rpc as a process: a copy of the test binary.
// Flux runs it under the name of the subcommand, "rpc".
func TestMain(m *testing.M) {
	commands := map[string]func(){"flux-rpc": main, "rpc": main, "interrupt": interrupt}
	// Under a name that is no command it would run all tests, and so on.
	const running = "FLUX_RPC_TESTS_RUNNING"
	worker := slices.Contains(os.Args, "-test.fuzzworker") // which the tests do start
	if commands[filepath.Base(os.Args[0])] == nil && os.Getenv(running) != "" && !worker {
		panic("the tests started themselves as " + os.Args[0])
	}
	os.Setenv(running, "yes")
	testscript.Main(m, commands)
}

// interrupt runs a command, sends it a signal when it has said something, or
// after a while, and exits with its status: interrupt INT|TERM COMMAND...
func interrupt() {
	sig := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}[os.Args[1]]
	cmd := exec.Command(os.Args[2], os.Args[3:]...)
	cmd.Stdin = os.Stdin
	said := make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	copyLines := func(dst io.Writer, src io.Reader) {
		lines := bufio.NewScanner(src)
		for lines.Scan() {
			fmt.Fprintln(dst, lines.Text())
			once.Do(func() { close(said) })
		}
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		panic(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		panic(err)
	}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	wg.Go(func() { copyLines(os.Stdout, stdout) })
	wg.Go(func() { copyLines(os.Stderr, stderr) })
	select {
	case <-said:
	case <-time.After(700 * time.Millisecond):
	}
	time.Sleep(50 * time.Millisecond) // it goes on after its first words
	cmd.Process.Signal(sig)
	wg.Wait()
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() < 0:
		os.Exit(99) // the signal itself ended it
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	}
}
