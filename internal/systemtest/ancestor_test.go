package systemtest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

// nest makes brokers that look nested, the outermost first, and makes the
// innermost the default.
func nest(t *testing.T, depth int, opts ...fluxtest.Option) (list []*fluxtest.Broker) {
	t.Helper()
	for i := range depth {
		own := append([]fluxtest.Option{
			fluxtest.Attr("test.name", fmt.Sprint("level-", i)), fluxtest.Attr("instance-level", fmt.Sprint(i)),
		}, opts...)
		if i > 0 {
			own = append(own, fluxtest.Attr("parent-uri", list[i-1].URI()))
		}
		list = append(list, fluxtest.New(t, own...))
	}
	t.Setenv("FLUX_URI", list[depth-1].URI())
	return list
}

func TestAncestors(t *testing.T) {
	list := nest(t, 4)
	for _, tt := range []struct {
		uri   string
		level int
	}{
		{"", 3}, {".", 3}, {"./", 3}, {"./.", 3}, {".//.", 3},
		{"..", 2}, {"../", 2}, {"./..", 2}, {"../.", 2}, {".././", 2},
		{"../..", 1}, {"..//..", 1}, {".././../.", 1},
		{"../../..", 0}, {"../../../..", 0}, {"../../../../../..", 0}, {"/", 0},
	} {
		c, err := flux.Dial(t.Context(), tt.uri)
		if err != nil {
			t.Errorf("%q: %v", tt.uri, err)
			continue
		}
		if name, err := c.Attr(t.Context(), "test.name"); err != nil || name != fmt.Sprint("level-", tt.level) {
			t.Errorf("%q leads to %q, %v, want level %d", tt.uri, name, err, tt.level)
		}
		c.Close()
	}
	// FLUX_URI may hold such a path only if there is something it could start
	// from, and there is not.
	t.Setenv("FLUX_URI", "..")
	if _, err := flux.Dial(t.Context(), ""); err == nil {
		t.Error("FLUX_URI=.. leads somewhere")
	}
	t.Setenv("FLUX_URI", list[0].URI())
	c, err := flux.Dial(t.Context(), "..") // of the root: the root
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestAncestorErrors(t *testing.T) {
	list := nest(t, 3)
	for _, tt := range []struct{ uri, text string }{
		{"/foo", "/foo: invalid URI"},
		{"//", "//: invalid URI"},
		{"/..", "/..: invalid URI"},
		{"../foo", "../foo: invalid URI path element 'foo'"},
		{"...", "...: invalid URI path element '...'"},
		{".foo", ".foo: invalid URI path element '.foo'"},
		{"../.. ", "../.. : invalid URI path element '.. '"},
	} {
		_, err := flux.Dial(t.Context(), tt.uri)
		mustMatch(t, tt.uri, err, flux.EINVAL, transport.ErrInvalidURI)
		if !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%q: error %q does not have %q", tt.uri, err, tt.text)
		}
	}

	// No parent is to be found where there should be one.
	for _, r := range list[1:] {
		r.SetAttr("instance-level", "7")
	}
	list[2].SetAttr("parent-uri", list[1].URI())
	list[1].Handle("attr.get", func(r *fluxtest.Request) { r.Fail(flux.ENOENT) })
	_, err := flux.Dial(t.Context(), "../..")
	mustMatch(t, "an instance that does not know its level", err, flux.ENOENT)
	if !strings.Contains(err.Error(), list[1].URI()) || !strings.Contains(err.Error(), "../..") ||
		!strings.Contains(err.Error(), "FLUX_URI") {
		t.Errorf("error %q does not say where it came to, and from where", err)
	}
	list[1].Handle("attr.get", nil)
	list[2].SetAttr("instance-level", "one")
	if _, err := flux.Dial(t.Context(), ".."); err == nil || !strings.Contains(err.Error(), "one") {
		t.Errorf("a level that is no number: %v", err)
	}
	list[2].SetAttr("instance-level", "2")

	// The parent is down, or the default instance is.
	t.Setenv("FLUX_LOCAL_CONNECTOR_RETRY_COUNT", "0")
	list[1].Down()
	_, err = flux.Dial(t.Context(), "..")
	mustMatch(t, "a parent that is down", err, os.ErrNotExist)
	if !strings.Contains(err.Error(), list[1].URI()) {
		t.Errorf("error %q does not say what was dialed", err)
	}
	list[2].Down()
	_, err = flux.Dial(t.Context(), "..")
	mustMatch(t, "a default that is down", err, os.ErrNotExist)
	if !strings.Contains(err.Error(), list[2].URI()) {
		t.Errorf("error %q does not say what was dialed", err)
	}
}

// Behind flux-proxy the parent's socket is on the remote host, and so on.
func TestAncestorBehindProxy(t *testing.T) {
	list := nest(t, 2)
	ssh := filepath.Join(t.TempDir(), "ssh")
	if err := os.WriteFile(ssh, []byte("#!/bin/sh\necho \"ran: $*\" >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FLUX_SSH", ssh)
	t.Setenv("FLUX_SSH_RCMD", "/opt/flux")
	os.Unsetenv("LD_LIBRARY_PATH")
	t.Setenv("FLUX_PROXY_REMOTE", "me@login:2222")
	path := strings.TrimPrefix(list[0].URI(), "local://")
	for _, uri := range []string{"..", "/"} {
		_, err := flux.Dial(t.Context(), uri)
		if err == nil || !strings.Contains(err.Error(), "ran: -p 2222 me@login /opt/flux relay "+path) {
			t.Errorf("%q: error %v does not show what ssh was run with", uri, err)
		}
	}
	for _, uri := range []string{"", "."} { // is reached without ssh
		c, err := flux.Dial(t.Context(), uri)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	// A parent that is not local is as it is.
	list[1].SetAttr("parent-uri", "ssh://other/run/flux/local")
	_, err := flux.Dial(t.Context(), "..")
	if err == nil || !strings.Contains(err.Error(), "ran: other /opt/flux relay /run/flux/local") {
		t.Errorf("a parent elsewhere: %v", err)
	}
}

// In a job of a real instance that is an instance of its own.
func TestAncestorReal(t *testing.T) {
	r := fluxtest.Real(t, 1)
	if r == nil {
		return
	}
	cmd := exec.Command("flux", "run", "-n1", "flux", "start", "sh", "-c", `echo "$FLUX_URI"; exec cat >/dev/null`)
	cmd.Env = append(os.Environ(), "FLUX_URI="+r.URI())
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	inner, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the job gave no URI: %v", err)
	}
	t.Setenv("FLUX_URI", strings.TrimSpace(inner))
	for uri, level := range map[string]string{"": "1", ".": "1", "..": "0", "../..": "0", "/": "0"} {
		c, err := flux.Dial(t.Context(), uri)
		if err != nil {
			t.Errorf("%q: %v", uri, err)
			continue
		}
		if got, err := c.Attr(t.Context(), "instance-level"); err != nil || got != level {
			t.Errorf("%q leads to level %q, %v, want %s", uri, got, err, level)
		}
		got, err := c.Attr(t.Context(), "parent-uri")
		switch {
		case level == "1" && (err != nil || got != r.URI()):
			t.Errorf("%q: the parent is %q, %v, want %s", uri, got, err, r.URI())
		case level == "0" && !errors.Is(err, flux.ENOENT):
			t.Errorf("%q: the root has the parent %q, %v", uri, got, err)
		}
		c.Close()
	}
}
