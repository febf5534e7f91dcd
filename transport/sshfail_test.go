package transport

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const wantHint = "Unable to establish clean ssh connection.\n" +
	"Hint: Check that shell init files do not write to stdout when non-interactive."

func TestSSHHandshakeErrors(t *testing.T) {
	for _, tt := range []struct {
		mode, text string
		errno      uint8 // 0 for an end of file
	}{
		{"refuse", "ssh: connect to host h port 22:\nConnection refused", 0},
		{"silent", wantHint, 0},
		{"junk", wantHint, 'W'},
		{"junk and hang", wantHint, 'W'},
		{"flood", strings.Repeat("x", maxStderr), 0},
	} {
		t.Run(tt.mode, func(t *testing.T) {
			noLeaks(t)
			log := standInSSH(t, tt.mode)
			var err error
			within(t, "Dial", func() error {
				_, err = Dial(t.Context(), "ssh://h/a", Config{})
				return nil
			})
			if err == nil || err.Error() != tt.text {
				t.Errorf("Dial: %.200v, want %.200s", err, tt.text)
			}
			if he, ok := errors.AsType[*HandshakeError](err); tt.errno != 0 && (!ok || he.Errno != tt.errno) {
				t.Errorf("Dial: %#v does not match a HandshakeError of %d", err, tt.errno)
			}
			if tt.errno == 0 && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("Dial: %#v does not match ECONNRESET", err)
			}
			reaped(t, recorded(t, log).PID)
		})
	}
}

// A process that ssh leaves behind, such as a shared master connection, may
// hold its stderr for ever.
func TestSSHOrphan(t *testing.T) {
	noLeaks(t)
	log := standInSSH(t, "orphan")
	var err error
	within(t, "Dial", func() error {
		_, err = Dial(t.Context(), "ssh://h/a", Config{})
		return nil
	})
	if err == nil || err.Error() != "mux_client: gone" {
		t.Errorf("Dial: %v", err)
	}
	syscall.Kill(recorded(t, log).PID, syscall.SIGKILL)
}

func TestSSHProgramErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	noLeaks(t)
	for prog, want := range map[string]error{
		filepath.Join(dir, "missing"): fs.ErrNotExist,
		"flux-no-such-program":        fs.ErrNotExist,
		"":                            fs.ErrNotExist,
		file:                          fs.ErrPermission,
		dir:                           fs.ErrPermission,
	} {
		t.Setenv(SSHEnv, prog)
		_, err := Dial(t.Context(), "ssh://h/a", Config{})
		text := map[error]string{fs.ErrNotExist: "No such file or directory", fs.ErrPermission: "Permission denied"}[want]
		text = "ssh-connector: " + prog + ": " + text + "\nHint: set FLUX_SSH in environment to override"
		if !errors.Is(err, want) || err.Error() != text {
			t.Errorf("%q: %q, want %q", prog, err, text)
		}
	}
}

func TestSSHCtx(t *testing.T) {
	noLeaks(t)
	log := standInSSH(t, "hang")
	mark := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	dialed := make(chan error, 1)
	go func() {
		_, err := Dial(ctx, "ssh://h/a", Config{})
		dialed <- err
	}()
	pid := recorded(t, log).PID
	start := time.Now()
	cancel(mark)
	if err := within(t, "Dial after its ctx ended", func() error { return <-dialed }); err != mark {
		t.Errorf("Dial: %v, want the cause", err)
	}
	if d := time.Since(start); d >= sshGrace {
		t.Errorf("Dial took %v to return", d)
	}
	reaped(t, pid)
}

func TestSSHCtxAlreadyEnded(t *testing.T) {
	log := standInSSH(t, "echo")
	mark := errors.New("enough")
	if _, err := Dial(ended(mark), "ssh://h/a", Config{}); err != mark {
		t.Errorf("Dial: %v, want the cause", err)
	}
	if _, err := os.Stat(log); !errors.Is(err, fs.ErrNotExist) {
		t.Error("something was run")
	}
}

// The ctx of Dial means nothing to the connection.
func TestSSHOutlivesDial(t *testing.T) {
	noLeaks(t)
	standInSSH(t, "echo")
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Dial(ctx, "ssh://h/a", Config{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	echoes(t, c)
	c.Close()
}
