package transport

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	ossignal "os/signal"
	"strings"
	"syscall"
	"time"
)

const (
	standInEnv = "FLUX_TEST_STANDIN"     // what the test binary plays
	recordEnv  = "FLUX_TEST_STANDIN_LOG" // the file to record in
)

// record is what a stand-in ssh tells of itself.
type record struct {
	PID  int
	Argv []string
	Env  []string
}

// hang never returns. A select without cases is a deadlock to a runtime without cgo.
func hang() {
	for {
		time.Sleep(time.Hour)
	}
}

// standIn plays an ssh program. The modes that end at once return the exit
// code.
func standIn(mode string) int {
	writeRecord(os.Getpid())
	switch mode {
	case "echo": // flux relay, with the same words in both directions
		os.Stdout.Write([]byte{0})
		io.Copy(os.Stdout, os.Stdin)
	case "noisy echo": // more on stderr than a pipe holds
		os.Stdout.Write([]byte{0})
		os.Stderr.Write([]byte(strings.Repeat("debug1: noise\n", 100_000)))
		io.Copy(os.Stdout, os.Stdin)
	case "drop": // the network goes away
		os.Stdout.Write([]byte{0})
		io.ReadFull(os.Stdin, make([]byte, 1))
	case "stubborn": // does not end with its stdin, nor on request
		ossignal.Ignore(syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGPIPE)
		os.Stdout.Write([]byte{0})
		hang()
	case "hang":
		ossignal.Ignore(syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGPIPE)
		hang()
	case "refuse":
		fmt.Fprint(os.Stderr, "\nssh: connect to host h port 22:\nConnection refused\r\n\n")
		return 255
	case "flood":
		os.Stderr.Write([]byte(strings.Repeat("x", 10*maxStderr)))
		return 1
	case "junk":
		fmt.Println("Welcome to this host")
	case "junk and hang":
		ossignal.Ignore(syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGPIPE)
		fmt.Println("Welcome to this host")
		hang()
	case "silent":
		return 1
	case "orphan": // leaves a process behind that holds its stderr, and nothing else
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), standInEnv+"=hang", recordEnv+"=")
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			return 2
		}
		writeRecord(cmd.Process.Pid)
		fmt.Fprintln(os.Stderr, "mux_client: gone")
		return 1
	case "exec": // what a remote shell would run, here
		args := os.Args[1:]
		if args[0] == "-p" {
			args = args[2:]
		}
		err := syscall.Exec("/bin/sh", []string{"sh", "-c", strings.Join(args[1:], " ")}, os.Environ())
		fmt.Fprintln(os.Stderr, err)
		return 127
	}
	return 0
}

// writeRecord puts the record in its place in one step.
func writeRecord(pid int) {
	path := os.Getenv(recordEnv)
	if path == "" {
		return
	}
	b, _ := json.Marshal(record{PID: pid, Argv: os.Args, Env: os.Environ()})
	os.WriteFile(fmt.Sprintf("%s.%d.tmp", path, os.Getpid()), b, 0o600)
	os.Rename(fmt.Sprintf("%s.%d.tmp", path, os.Getpid()), path)
}
