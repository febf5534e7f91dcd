package transport

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// realFlux finds the installed flux command or skips the test.
func realFlux(t *testing.T) string {
	t.Helper()
	flux, err := exec.LookPath("flux")
	if err != nil {
		t.Skip("NO FLUX ON PATH: this test compares with a real one and has NOT been run")
	}
	return flux
}

// instance starts a real broker and returns the path of its socket.
func instance(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(realFlux(t), "start", "--test-size=1", "sh", "-c", `echo "$FLUX_URI"; read line`)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "FLUX_") })
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		io.Copy(io.Discard, stdout)
		cmd.Wait()
	})
	var uri string
	within(t, "flux start", func() error {
		uri, err = bufio.NewReader(stdout).ReadString('\n')
		return nil
	})
	path, ok := strings.CutPrefix(strings.TrimSpace(uri), "local://")
	if err != nil || !ok {
		t.Fatalf("flux start: %q, %v\n%s", uri, err, &stderr)
	}
	return path
}

// attrGet asks the broker for an attribute over c.
func attrGet(t *testing.T, c Conn, name string) *codec.Message {
	t.Helper()
	send(t, c, request("attr.get", 77, []byte(`{"name":"`+name+`"}`+"\x00")))
	var m *codec.Message
	within(t, "attr.get", func() error { m = recv(t, c); return nil })
	return m
}

func rankIsZero(t *testing.T, c Conn) {
	t.Helper()
	if m := attrGet(t, c, "rank"); m.Errnum != 0 || m.Matchtag != 77 || !bytes.HasPrefix(m.Payload, []byte(`{"value":"0"`)) {
		t.Errorf("attr.get rank: errnum %d, tag %d, %q", m.Errnum, m.Matchtag, m.Payload)
	}
	if m := attrGet(t, c, "no-such-attribute"); m.Errnum != 2 || m.Matchtag != 77 {
		t.Errorf("attr.get of nothing: errnum %d, tag %d", m.Errnum, m.Matchtag)
	}
}

func TestRealLocal(t *testing.T) {
	path := instance(t)
	c, err := Dial(t.Context(), "local://"+path, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	rankIsZero(t, c)
}

func TestRealRelay(t *testing.T) {
	path := instance(t)
	noLeaks(t)
	log := standInSSH(t, "exec")
	unsetenv(t, SSHRemoteEnv)
	c, err := Dial(t.Context(), "ssh://localhost"+path, Config{})
	if err != nil {
		t.Fatal(err)
	}
	rankIsZero(t, c)
	if err := within(t, "Close", c.Close); err != nil {
		t.Error(err)
	}
	reaped(t, recorded(t, log).PID)

	t.Setenv(RetryCountEnv, "0")
	missing := filepath.Join(filepath.Dir(path), "missing")
	_, err = Dial(t.Context(), "ssh://localhost"+missing, Config{})
	if err == nil || !strings.HasSuffix(err.Error(), "local://"+missing+": No such file or directory") {
		t.Errorf("Dial of a missing socket: %v", err)
	}
}

// The command line is that of the C client, to the letter.
func TestRealSSHCommand(t *testing.T) {
	flux := realFlux(t)
	for _, env := range [][]string{
		nil,
		{"LD_LIBRARY_PATH="},
		{"FLUX_SSH_RCMD=/x/flux"},
		{"FLUX_SSH_RCMD=/x/flux", "LD_LIBRARY_PATH=/x/lib"},
	} {
		for _, path := range []string{
			"h/a/b", "h/", "h/x", "u@h:22/a/b/", "u:p@h/a", "h:0/a/b", "h//a//b", "h/a/../b", "h/a@b:3/d", "a@b@c/d",
		} {
			log := standInSSH(t, "silent")
			unsetenv(t, SSHRemoteEnv)
			unsetenv(t, "LD_LIBRARY_PATH")
			for _, v := range env {
				name, value, _ := strings.Cut(v, "=")
				t.Setenv(name, value)
			}
			cmd := exec.Command(flux, "getattr", "rank")
			cmd.Env = append(os.Environ(), "FLUX_URI=ssh://"+path)
			cmd.Run() // fails, as the stand-in does
			want := recorded(t, log).Argv
			got, err := sshCommand(URI{"ssh", path})
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("ssh://%s with %q: %q, %v, want %q", path, env, got, err, want)
			}
		}
	}
}
