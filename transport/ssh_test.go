package transport

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// fluxDir puts a program named flux in a directory of its own and makes that
// and the system's the PATH.
func fluxDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "flux"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/nonexistent")
	return dir
}

func TestSSHCommand(t *testing.T) {
	dir := fluxDir(t)
	rest := ":" + dir + ":/bin:/usr/bin"
	unsetenv(t, SSHRemoteEnv)
	unsetenv(t, "LD_LIBRARY_PATH")
	unsetenv(t, SSHEnv)
	for path, want := range map[string][]string{
		"host/run/flux/local": {"host", "env", "PATH=/run/flux/bin" + rest, "flux", "relay", "/run/flux/local"},
		"me@somehost:2222/run/user/1000/flux/local-0": {"-p", "2222", "me@somehost", "env",
			"PATH=/run/user/1000/flux/bin" + rest, "flux", "relay", "/run/user/1000/flux/local-0"},
		"host/x":        {"host", "env", "PATH=/./bin" + rest, "flux", "relay", "/x"},
		"host/":         {"host", "env", "PATH=/./bin" + rest, "flux", "relay", "/"},
		"host/a/b/":     {"host", "env", "PATH=/a/bin" + rest, "flux", "relay", "/a/b/"},
		"host//a//b":    {"host", "env", "PATH=/a/bin" + rest, "flux", "relay", "//a//b"},
		"host/a/../b":   {"host", "env", "PATH=/a/../bin" + rest, "flux", "relay", "/a/../b"},
		"host/a b/c":    {"host", "env", "PATH=/a b/bin" + rest, "flux", "relay", "/a b/c"},
		"host/a@b:3/c":  {"host", "env", "PATH=/a@b:3/bin" + rest, "flux", "relay", "/a@b:3/c"},
		"host:0/a/b":    {"host", "env", "PATH=/a/bin" + rest, "flux", "relay", "/a/b"},
		"u:pw@host/a/b": {"u@host", "env", "PATH=/a/bin" + rest, "flux", "relay", "/a/b"},
		"a@b@c/d/e":     {"a@b@c", "env", "PATH=/d/bin" + rest, "flux", "relay", "/d/e"},
		"[::1]:22/d/e":  {"-p", "22", "::1", "env", "PATH=/d/bin" + rest, "flux", "relay", "/d/e"},
		"u@[fe80::1]/d": {"u@fe80::1", "env", "PATH=/./bin" + rest, "flux", "relay", "/d"},
	} {
		got, err := sshCommand(URI{"ssh", path})
		if want = append([]string{"/usr/bin/ssh"}, want...); err != nil || !slices.Equal(got, want) {
			t.Errorf("ssh://%s: %q, %v, want %q", path, got, err, want)
		}
	}
}

func TestSSHCommandEnvironment(t *testing.T) {
	dir := fluxDir(t)
	const unset = "\x00"
	path := "PATH=/a/bin:" + dir + ":/bin:/usr/bin"
	for _, tt := range []struct {
		ssh, rcmd, lib string
		want           []string
	}{
		{unset, unset, unset, []string{"/usr/bin/ssh", "h", "env", path, "flux", "relay", "/a/b"}},
		{"my-ssh", unset, unset, []string{"my-ssh", "h", "env", path, "flux", "relay", "/a/b"}},
		{"", unset, unset, []string{"", "h", "env", path, "flux", "relay", "/a/b"}},
		{unset, "/x/flux", unset, []string{"/usr/bin/ssh", "h", "/x/flux", "relay", "/a/b"}},
		{unset, "", unset, []string{"/usr/bin/ssh", "h", "", "relay", "/a/b"}},
		{unset, unset, "/l:/m", []string{"/usr/bin/ssh", "h", "env", path, "LD_LIBRARY_PATH=/l:/m", "flux", "relay", "/a/b"}},
		{unset, unset, "", []string{"/usr/bin/ssh", "h", "env", path, "LD_LIBRARY_PATH=", "flux", "relay", "/a/b"}},
		{unset, "/x/flux", "/l", []string{"/usr/bin/ssh", "h", "env", "LD_LIBRARY_PATH=/l", "/x/flux", "relay", "/a/b"}},
	} {
		for name, value := range map[string]string{SSHEnv: tt.ssh, SSHRemoteEnv: tt.rcmd, "LD_LIBRARY_PATH": tt.lib} {
			if value == unset {
				unsetenv(t, name)
			} else {
				t.Setenv(name, value)
			}
		}
		if got, err := sshCommand(URI{"ssh", "h/a/b"}); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q, %v, want %q", got, err, tt.want)
		}
	}
}

func TestSSHCommandWithoutFlux(t *testing.T) {
	unsetenv(t, SSHRemoteEnv)
	t.Setenv("PATH", "/nonexistent")
	argv, err := sshCommand(URI{"ssh", "h/a/b"})
	if err != nil || !slices.Contains(argv, "PATH=/a/bin:/bin:/usr/bin") {
		t.Errorf("%q, %v", argv, err)
	}
}

func TestSSHInvalid(t *testing.T) {
	log := standInSSH(t, "echo")
	for _, path := range []string{
		"", "host", "/a", "@h/a", ":p@h/a", "h/a?q", "h/a#f", "h?q/a", "h:/a", "h:x/a", "h:-1/a", "h:65536/a", "h:22:33/a",
		"::1/a", "[::1/a", "[::1]x/a", "[]/a", "-oProxyCommand=id/a", "-l@h/a", ":22/a", "u@/a", "u@:22/a",
	} {
		if _, err := Dial(t.Context(), "ssh://"+path, Config{}); !errors.Is(err, ErrInvalidURI) {
			t.Errorf("ssh://%s: %v, want ErrInvalidURI", path, err)
		}
	}
	if _, err := os.Stat(log); !errors.Is(err, fs.ErrNotExist) {
		t.Error("something was run")
	}
}

// standInSSH makes this test binary the ssh program, in the given mode, and
// returns the file it records in.
func standInSSH(t *testing.T, mode string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "record")
	t.Setenv(SSHEnv, self)
	t.Setenv(standInEnv, mode)
	t.Setenv(recordEnv, log)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // or it takes a second to end
	return log
}

// recorded reads what the stand-in told of itself, waiting until it has.
func recorded(t *testing.T, log string) (r record) {
	t.Helper()
	within(t, "the stand-in's start", func() error {
		for {
			if b, err := os.ReadFile(log); err == nil {
				return json.Unmarshal(b, &r)
			}
		}
	})
	return r
}

// reaped fails the test if the process exists, be it as a zombie.
func reaped(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
}

func TestSSHConn(t *testing.T) {
	for _, mode := range []string{"echo", "noisy echo"} {
		t.Run(mode, func(t *testing.T) {
			noLeaks(t)
			log := standInSSH(t, mode)
			unsetenv(t, SSHRemoteEnv)
			c, err := Dial(t.Context(), "ssh://me@host:2222/run/flux/local", Config{})
			if err != nil {
				t.Fatal(err)
			}
			r := recorded(t, log)
			want, err := sshCommand(URI{"ssh", "me@host:2222/run/flux/local"})
			if err != nil || !slices.Equal(r.Argv, want) {
				t.Errorf("argv %q, want %q, %v", r.Argv, want, err)
			}
			if env := os.Environ(); !slices.Equal(slices.Sorted(slices.Values(r.Env)), slices.Sorted(slices.Values(env))) {
				t.Errorf("environment %q, want %q", r.Env, env)
			}
			echoes(t, c)
			if err := within(t, "Close", c.Close); err != nil {
				t.Errorf("Close: %v", err)
			}
			reaped(t, r.PID)
			if err := c.Recv(new(codec.Message)); err != ErrClosed {
				t.Errorf("Recv after Close: %v", err)
			}
			if err := c.Close(); err != nil {
				t.Errorf("second Close: %v", err)
			}
		})
	}
}

// echoes sends messages of many sizes and wants them back.
func echoes(t *testing.T, c Conn) {
	t.Helper()
	sizes := []int{0, 1, 1000, 20_000, 100_000, 3 << 20}
	go func() {
		for i, n := range sizes {
			send(t, c, request("a.b", uint32(i), pattern(n)))
		}
	}()
	for i, n := range sizes {
		want(t, c, request("a.b", uint32(i), pattern(n)))
	}
}

// The end of ssh is the end of the connection, and leaves no zombie even if
// nobody calls Close.
func TestSSHDies(t *testing.T) {
	noLeaks(t)
	log := standInSSH(t, "drop")
	c, err := Dial(t.Context(), "ssh://h/a", Config{})
	if err != nil {
		t.Fatal(err)
	}
	pid := recorded(t, log).PID
	send(t, c, request("a.b", 1, nil))
	err = within(t, "Recv", func() error { return c.Recv(new(codec.Message)) })
	if err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Recv: %v", err)
	}
	within(t, "reaping", func() error {
		for syscall.Kill(pid, 0) == nil {
			runtime.Gosched()
		}
		return nil
	})
	reaped(t, pid)
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestSSHCloseKills(t *testing.T) {
	noLeaks(t)
	log := standInSSH(t, "stubborn")
	c, err := Dial(t.Context(), "ssh://h/a", Config{})
	if err != nil {
		t.Fatal(err)
	}
	pid := recorded(t, log).PID
	for range 2 {
		if err := within(t, "Close", c.Close); err != nil {
			t.Errorf("Close: %v", err)
		}
		reaped(t, pid)
	}
}
