package systemtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

const realPatience = 30 * time.Second

// gocalc is a service for programs in other languages.
type gocalc struct{ ended chan error }

func (g *gocalc) mux(name string) *flux.ServeMux {
	type pair struct{ A, B int }
	m := flux.NewServeMux()
	m.Handle(name+".add", flux.Unary(func(_ context.Context, p pair) (map[string]int, error) {
		if p.A < 0 {
			return nil, &flux.Error{Errno: flux.EDOM, Message: "a is negative"}
		}
		return map[string]int{"sum": p.A + p.B}, nil
	}))
	m.HandleFunc(name+".watch", func(ctx context.Context, w flux.Responder, r *flux.Request) error {
		for i := range 3 {
			if err := w.Send(map[string]int{"i": i}); err != nil {
				return err
			}
		}
		if _, err := r.Text(); err == nil {
			return nil
		}
		<-ctx.Done()
		g.ended <- context.Cause(ctx)
		return ctx.Err()
	}, flux.Streaming())
	m.HandleFunc(name+".echo", func(_ context.Context, w flux.Responder, r *flux.Request) error {
		b, err := r.Bytes()
		if err != nil {
			return err
		}
		return w.Respond(b)
	})
	m.HandleFunc(name+".whoami", func(_ context.Context, w flux.Responder, r *flux.Request) error {
		return w.Respond(map[string]any{"userid": r.UserID(), "roles": r.Roles()})
	}, flux.AllowRoles(flux.RoleUser))
	return m
}

// realServe serves gocalc on a rank until the test ends.
func realServe(t *testing.T, uri, name string) (*gocalc, *flux.Client) {
	t.Helper()
	c := realDial(t, uri)
	g := &gocalc{ended: make(chan error, 100)}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- c.Serve(ctx, name, g.mux(name), flux.OnReady(func() { close(ready) }))
	}()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		c.Close()
	})
	return g, c
}

func realDial(t *testing.T, uri string, opts ...flux.DialOption) *flux.Client {
	t.Helper()
	c, err := flux.Dial(t.Context(), uri, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func realCtx(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), realPatience)
	t.Cleanup(cancel)
	return ctx
}

func TestServeReal(t *testing.T) {
	b := fluxtest.Real(t, 4)
	t.Run("between Go programs", func(t *testing.T) { servedAlike(t, b.URI(), b.URIOf(3)) })
	t.Run("flux ping", func(t *testing.T) { realPing(t, b) })
	t.Run("flux module stats", func(t *testing.T) { realStats(t, b) })
	t.Run("python", func(t *testing.T) { realPython(t, b) })
	t.Run("python killed", func(t *testing.T) { realKilled(t, b) })
	t.Run("guest", func(t *testing.T) { realGuest(t, b) })
}

// command runs a flux command against b and returns what it printed.
func command(t *testing.T, b *fluxtest.RealBroker, env []string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(realCtx(t), "flux", args...)
	cmd.Env = append(append(cmd.Environ(), "FLUX_URI="+b.URI()), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func realPing(t *testing.T, b *fluxtest.RealBroker) {
	realServe(t, b.URI(), "gocalc")
	realServe(t, b.URIOf(3), "gofar")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--count=2", "--interval=0.01", "gocalc"}, "gocalc.ping pad=0 seq=1 "},
		{[]string{"--count=1", "--userid", "gocalc"}, "rolemask=0x5"},
		{[]string{"--count=1", "--pad=10000", "gocalc"}, "gocalc.ping pad=10000 seq=0 "},
		{[]string{"--count=1", "--rank=3", "gofar"}, "3!gofar.ping pad=0 seq=0 "},
	} {
		out, err := command(t, b, nil, append([]string{"ping"}, tt.args...)...)
		if err != nil || !strings.Contains(out, tt.want) {
			t.Errorf("flux ping %q: %v, want %q in\n%s", tt.args, err, tt.want, out)
		}
	}
	if out, err := command(t, b, nil, "ping", "--count=1", "--rank=2", "gofar"); err == nil {
		t.Errorf("a service of rank 3 answers on rank 2: %s", out)
	}
}

func realStats(t *testing.T, b *fluxtest.RealBroker) {
	realServe(t, b.URI(), "gocalc")
	var stats struct{ TX, RX map[string]int }
	out, err := command(t, b, nil, "module", "stats", "gocalc")
	if jerr := json.Unmarshal([]byte(out), &stats); err != nil || jerr != nil || stats.TX["request"] < 1 ||
		stats.RX["response"] < 1 {
		t.Errorf("flux module stats: %v, %v\n%s", err, jerr, out)
	}
	for _, args := range [][]string{{"--clear"}, {"--rusage"}, {"--rusage=children"}, {"--parse=tx.response"}} {
		if out, err := command(t, b, nil, append(append([]string{"module", "stats"}, args...), "gocalc")...); err != nil {
			t.Errorf("flux module stats %q: %v\n%s", args, err, out)
		}
	}
	out, err = command(t, b, nil, "module", "stats", "--rusage=thread", "gocalc")
	if err == nil || !strings.Contains(out, "thread is unsupported") {
		t.Errorf("flux module stats --rusage=thread: %v\n%s", err, out)
	}
}

const pythonHead = `
import flux, sys, errno
from flux.constants import *
h = flux.Flux()
def items(f):
    try:
        while True:
            yield f.get()
            f.reset()
    except OSError as e:
        yield errno.errorcode[e.errno]
`

func python(t *testing.T, b *fluxtest.RealBroker, env []string, script, want string) {
	t.Helper()
	out, err := command(t, b, env, "python", "-c", pythonHead+script)
	if err != nil || strings.TrimSpace(out) != strings.TrimSpace(want) {
		t.Errorf("flux python: %v\n%s\nwant\n%s", err, out, want)
	}
}

func realPython(t *testing.T, b *fluxtest.RealBroker) {
	g, _ := realServe(t, b.URI(), "gocalc")
	python(t, b, nil, `
print(h.rpc("gocalc.add", {"a": 3, "b": 4}).get())
for bad in [("gocalc.add", {"a": -1}), ("gocalc.add", {"a": "x"}), ("gocalc.nope", {}), ("gocalc.watch", {})]:
    try: print(h.rpc(*bad).get())
    except OSError as e: print(bad[0], errno.errorcode[e.errno], str(e)[:60])
`, `
{'sum': 7}
gocalc.add EDOM [Errno 33] a is negative
gocalc.add EPROTO [Errno 71] invalid request: decode "{\"a\": \"x\"}" into *sy
gocalc.nope ENOSYS [Errno 38] Unknown service method 'gocalc.nope'
gocalc.watch EPROTO [Errno 71] Protocol error
`)
	// A stream that ends, and one that is canceled after its third item.
	python(t, b, nil, `
print(*items(h.rpc("gocalc.watch", {}, flags=FLUX_RPC_STREAMING)))
f = h.rpc("gocalc.watch", None, flags=FLUX_RPC_STREAMING)
for i, item in enumerate(items(f)):
    print(item)
    if i == 2:
        h.rpc("gocalc.cancel", {"matchtag": f.pimpl.get_matchtag()}, flags=FLUX_RPC_NORESPONSE)
`, `
{'i': 0} {'i': 1} {'i': 2} ENODATA
{'i': 0}
{'i': 1}
{'i': 2}
ENODATA
`)
	if err := <-g.ended; err != flux.ErrPeerCanceled {
		t.Errorf("cause is %v, want %v", err, flux.ErrPeerCanceled)
	}
}

// A client that is killed cannot say goodbye; its broker does.
func realKilled(t *testing.T, b *fluxtest.RealBroker) {
	near, _ := realServe(t, b.URI(), "gocalc")
	far, _ := realServe(t, b.URIOf(3), "gofar")
	cmd := exec.CommandContext(realCtx(t), "flux", "python", "-uc", pythonHead+`
a = [h.rpc("gocalc.watch", None, flags=FLUX_RPC_STREAMING) for i in range(10)]
f = h.rpc("gofar.watch", None, nodeid=3, flags=FLUX_RPC_STREAMING)
print(*[x.get() for x in a + [f]])
sys.stdin.read()
`)
	cmd.Env = append(cmd.Environ(), "FLUX_URI="+b.URI())
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || strings.Count(line, "{'i': 0}") != 11 {
		t.Errorf("python: %q, %v: %s", line, err, &stderr)
	}
	cmd.Process.Kill()
	io.Copy(io.Discard, stdout)
	cmd.Wait()
	for range 10 {
		if err := <-near.ended; err != flux.ErrPeerDisconnected {
			t.Errorf("cause is %v, want %v", err, flux.ErrPeerDisconnected)
		}
	}
	if err := <-far.ended; err != flux.ErrPeerDisconnected {
		t.Errorf("cause on rank 3 is %v, want %v", err, flux.ErrPeerDisconnected)
	}
}

func realGuest(t *testing.T, b *fluxtest.RealBroker) {
	realServe(t, b.URI(), "gocalc")
	guest := []string{"FLUX_HANDLE_ROLEMASK=2", "FLUX_HANDLE_USERID=1234"}
	python(t, b, guest, `
print(h.rpc("gocalc.whoami").get())
try: print(h.rpc("gocalc.add", {"a": 3, "b": 4}).get())
except OSError as e: print(e)
`, `
{'roles': 2, 'userid': 1234}
[Errno 1] Request requires owner credentials
`)
	out, err := command(t, b, guest, "ping", "--count=1", "--userid", "gocalc")
	if err != nil || !strings.Contains(out, "userid=1234 rolemask=0x2") {
		t.Errorf("flux ping of a guest: %v\n%s", err, out)
	}
	out, err = command(t, b, guest, "module", "stats", "--clear", "gocalc")
	if err == nil || !strings.Contains(out, "Operation not permitted") {
		t.Errorf("flux module stats --clear of a guest: %v\n%s", err, out)
	}
	// A guest's own service.
	c := realDial(t, b.URI(), flux.WithUserID(1234), flux.WithRoles(flux.RoleUser))
	if err := c.Serve(realCtx(t), "goguest", flux.NewServeMux()); !errors.Is(err, flux.EPERM) ||
		!strings.Contains(err.Error(), `"1234-goguest"`) {
		t.Errorf("Serve of a guest: %v", err)
	}
	ctx, cancel := context.WithCancel(realCtx(t))
	if err := c.Serve(ctx, "1234-goguest", flux.NewServeMux(), flux.OnReady(func() {
		defer cancel()
		if out, err := command(t, b, nil, "ping", "--count=1", "1234-goguest"); err != nil {
			t.Errorf("flux ping: %v\n%s", err, out)
		}
	})); err != nil {
		t.Errorf("Serve of a guest: %v", err)
	}
}
