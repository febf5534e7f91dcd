package fluxtest_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

// tool is a program of Flux at work on a broker.
type tool struct {
	name  string // if the arguments do not say it
	args  []string
	env   []string
	relay bool // with a URI of ssh
	input string
	want  string // of what it prints, a regular expression
	fails bool   // it exits with an error
}

// asGuestEnv makes a program of the owner play a guest.
var asGuestEnv = []string{"FLUX_HANDLE_USERID=1234", "FLUX_HANDLE_ROLEMASK=2"}

// tools are run in this order, each of them on one broker after the other.
var tools = []tool{
	{args: []string{"getattr", "rank"}, want: `^0$`},
	{args: []string{"getattr", "size"}, want: `^4$`},
	{args: []string{"getattr", "nosuch"}, want: `flux-getattr: nosuch: No such file or directory`, fails: true},
	{args: []string{"setattr", "test.conform", "a b"}},
	{args: []string{"getattr", "test.conform"}, want: `^a b$`},
	{args: []string{"setattr", "rank", "9"}, want: `attribute may not be updated`, fails: true},
	{args: []string{"lsattr"}, want: `(?m)^tbon\.maxlevel$`},
	{args: []string{"lsattr", "-v"}, want: `(?m)^test\.conform +a b$`},
	{args: []string{"ping", "-c2", "-i0.01", "broker"},
		want: `(?s)^flux-ping any!broker\n0!broker\.ping pad=0 seq=0 time=.* \([0-9a-f]{8}(![0-9a-f]{8}){2}\)\n` +
			`0!broker\.ping pad=0 seq=1 `},
	{args: []string{"ping", "-c1", "-p8", "2!overlay"},
		want: `\n2!overlay\.ping pad=8 seq=0 .*\([0-9a-f]{8}(![0-9a-f]{8}){4}\)$`},
	{args: []string{"ping", "-c1", "-u", "--rank=3", "broker"},
		want: `\n3!broker\.ping pad=0 userid=[0-9]+ rolemask=0x1 seq=0 time=`},
	{args: []string{"ping", "-c1", "nosuch"}, want: `nosuch\.ping: Function not implemented`, fails: true},
	{args: []string{"ping", "-c1", "77!broker"}, want: `No route to host`, fails: true},
	{args: []string{"event", "pub", "-s", "a.b", `{"x":1}`}, want: `^seq=[0-9]+$`},
	{args: []string{"event", "pub", "-s", "-r", "a.b", "text"}, want: `^seq=[0-9]+$`},
	{args: []string{"event", "pub", "-l", "a.b"}},
	{args: []string{"event", "pub", "-p", "a.b"}},
	{args: []string{"logger", "--severity=info", "--appname=conform", "hello from conform"}},
	{args: []string{"dmesg"}, want: `(?m)conform\.info\[0\]: hello from conform$`},
	{args: []string{"dmesg", "-c"}, want: `hello from conform`},
	{args: []string{"dmesg", "-C"}},
	{args: []string{"module", "list"}, want: `(?m)^overlay +[0-9idle]+ +R +0 +0 *$`},
	{args: []string{"module", "stats", "config"}, want: `(?s)"tx".*"rx".*"request"`},
	{args: []string{"module", "stats", "--parse=child-count", "--type=int", "overlay"}, want: `^3$`},
	{args: []string{"module", "stats", "--rusage", "config"}, want: `"maxrss"`},
	{args: []string{"module", "stats", "--clear", "config"}},
	{args: []string{"module", "stats", "--clear-all", "config"}},
	{args: []string{"module", "stats", "nosuch"}, want: `No service matching nosuch\.stats-get is registered`,
		fails: true},
	{args: []string{"module", "debug", "--setbit=0x1", "config"}},
	{args: []string{"module", "debug", "config"}, want: `^0x1$`},
	{args: []string{"module", "debug", "--clear", "config"}},
	{args: []string{"module", "load", "conform-nosuch"}, want: `module not found in search path`, fails: true},
	{args: []string{"overlay", "status"}, want: `^0 .*: full`},
	{args: []string{"overlay", "lookup", "0"}, want: `.`},
	{args: []string{"config", "get"}, want: `^\{\}$`},
	{args: []string{"config", "load"}, input: "[conform]\nx = 42\n"},
	{args: []string{"config", "get", "conform.x"}, want: `^42$`},
	{args: []string{"config", "reload"}},
	{args: []string{"content", "store"}, input: "hello", want: `^sha1-aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d$`},
	{args: []string{"content", "load", "sha1-aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"}, want: `^hello$`},
	{name: "python: RPCs", args: []string{"python", "-c", pyRPC}, want: `^done$`},
	{name: "python: errors", args: []string{"python", "-c", pyErrors}, want: `^done$`},
	{name: "python: a stream", args: []string{"python", "-c", pyStream}, want: `^done$`},
	{name: "python: events", args: []string{"python", "-c", pyEvents}, want: `^done$`},
	{name: "python: a service", args: []string{"python", "-c", pyService}, want: `^done$`},
	{name: "python: a streaming service", args: []string{"python", "-c", pyStreamService}, want: `^done$`},
	{name: "setattr as a guest", env: asGuestEnv, args: []string{"setattr", "test.conform", "1"},
		want: `Request requires owner credentials`, fails: true},
	{name: "ping as a guest", env: asGuestEnv, args: []string{"ping", "-c1", "-u", "broker"},
		want: `userid=1234 rolemask=0x2 `},
	{name: "ping through ssh and flux relay", relay: true, args: []string{"ping", "-c1", "2!broker"},
		want: `\([0-9a-f]{8}(![0-9a-f]{8}){4}\)$`},
	{name: "event pub through ssh and flux relay", relay: true, args: []string{"event", "pub", "-s", "-l", "a.b"},
		want: `^seq=[0-9]+$`},
}

// fluxCommand is a program of Flux that takes uri for its broker.
func fluxCommand(ctx context.Context, uri string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "flux", args...)
	cmd.Env = append(cmd.Environ(), "FLUX_URI="+uri)
	return cmd
}

// run runs the program and checks what it prints.
func (p *tool) run(t *testing.T, uri string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if p.relay {
		uri = "ssh://host" + strings.TrimPrefix(uri, "local://")
	}
	cmd := fluxCommand(ctx, uri, p.args...)
	cmd.Env = append(append(cmd.Env, "FLUX_SSH="+sshStandIn(t)), p.env...)
	cmd.Stdin = strings.NewReader(p.input)
	out, err := cmd.CombinedOutput()
	out = bytes.TrimSpace(out)
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("flux %q: %v", p.args, err)
	}
	if (err != nil) != p.fails || !regexp.MustCompile(p.want).Match(out) {
		t.Errorf("flux %q: %v\n%s\nwant %q, error %v", p.args, err, out, p.want, p.fails)
	}
}

// The programs of Flux take the embedded broker for a real one: each of them
// prints there what it prints at a real one.
func TestFluxTools(t *testing.T) {
	if _, err := exec.LookPath("flux"); err != nil {
		t.Skipf("NOT TESTED: the programs of Flux against the embedded broker: %v", err)
	}
	brokers := map[string]instance{
		embeddedOne: fluxtest.New(t, fluxtest.Size(4), fluxtest.FanOut(32)),
		realOne:     fluxtest.Real(t, 4),
	}
	for _, name := range slices.Sorted(maps.Keys(brokers)) {
		uri := brokers[name].URIOf(0)
		t.Run(name, func(t *testing.T) {
			for _, p := range tools {
				title := p.title()
				t.Run(title, func(t *testing.T) { p.run(t, uri) })
			}
			t.Run("event sub", func(t *testing.T) { eventSub(t, uri) })
			t.Run("dmesg --follow", func(t *testing.T) { dmesgFollow(t, uri) })
		})
	}
}

// title names the program in the test's output.
func (p *tool) title() string {
	if p.name != "" {
		return p.name
	}
	return strings.Join(p.args, " ")
}

// sshStandIn is a program that takes itself for the remote host.
func sshStandIn(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ssh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nshift\nexec \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// eventSub publishes until flux event sub has seen it.
func eventSub(t *testing.T, uri string) {
	c, err := flux.Dial(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	out := until(t, fluxCommand(t.Context(), uri, "event", "sub", "--count=2", "conform.sub"), func() error {
		_, err := c.Publish(t.Context(), "conform.sub.x", obj{"a": 1})
		return err
	})
	if want := "conform.sub.x\t{\"a\":1}\nconform.sub.x\t{\"a\":1}"; out != want {
		t.Errorf("%q, want %q", out, want)
	}
}

// dmesgFollow logs until flux dmesg has seen it.
func dmesgFollow(t *testing.T, uri string) {
	c, err := flux.Dial(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := fluxCommand(ctx, uri, "dmesg", "--follow", "--new")
	cmd.Cancel = func() error { return cmd.Process.Kill() }
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make(chan string, 1)
	go func() {
		b := make([]byte, 4096)
		n, _ := pipe.Read(b)
		line <- string(b[:n])
	}()
	for limit := time.After(30 * time.Second); ; {
		if _, err := c.Call(t.Context(), "log.append",
			[]byte("<48>1 2026-01-02T03:04:05.678901Z 0 conform 1 - - followed")); err != nil {
			t.Fatal(err)
		}
		select {
		case text := <-line:
			if !strings.Contains(text, "conform.info[0]: followed") {
				t.Errorf("%q", text)
			}
			cancel()
			cmd.Wait()
			return
		case <-limit:
			t.Fatal("nothing followed")
		default:
		}
	}
}

// until does something over and over until a program has ended, and returns
// what that printed.
func until(t *testing.T, cmd *exec.Cmd, do func() error) string {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for limit := time.After(30 * time.Second); ; {
		if err := do(); err != nil {
			t.Error(err)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%v: %s", err, out.String())
			}
			return strings.TrimSpace(out.String())
		case <-limit:
			cmd.Process.Kill()
			t.Fatalf("%q does not end", cmd.Args)
		default:
		}
	}
}
