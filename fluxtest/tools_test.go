package fluxtest_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux/fluxtest"
)

// The tools of Flux take the embedded broker for a real one.
func TestFluxTools(t *testing.T) {
	path, err := exec.LookPath("flux")
	if err != nil {
		t.Skipf("NOT TESTED: the flux tools against the embedded broker: %v", err)
	}
	b := fluxtest.New(t, fluxtest.Size(3))
	b.Handle("calc.add", func(r *fluxtest.Request) { r.Respond(obj{"sum": 3}) })
	run := func(args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, path, args...)
		cmd.Env = append(cmd.Environ(), "FLUX_URI="+b.URI())
		out, err := cmd.CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatalf("flux %q: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"0", []string{"getattr", "rank"}},
		{"overlay", []string{"module", "list"}},
		{"tbon.maxlevel", []string{"lsattr"}},
		{"start: none->join", []string{"dmesg"}},
		{"seq=1", []string{"event", "pub", "-s", "a.b", `{"x":1}`}},
		{"seq=2", []string{"event", "pub", "-s", "-r", "a.b", "text"}},
		{"0!broker.ping pad=0 seq=1", []string{"ping", "-c2", "-i0.01", "broker"}},
		{"2!overlay.ping pad=0 seq=0", []string{"ping", "-c1", "2!overlay"}},
		{"nosuch.ping: Function not implemented", []string{"ping", "-c1", "nosuch"}},
		{"1 fluxtest: full", []string{"overlay", "status"}},
		{"{'sum': 3}", []string{"python", "-c", `import flux; print(flux.Flux().rpc("calc.add").get())`}},
		{"{'value': '0', 'flags': 1}", []string{"python", "-c", `import flux; print(flux.Flux().rpc("attr.get", {"name": "rank"}).get())`}},
		{"done", []string{"python", "-c", `
import flux
h = flux.Flux()
h.event_subscribe("sub")
assert h.event_send("sub.x", {"a": 1}) == 0
m = h.event_recv()
assert m.topic == "sub.x" and m.payload == {"a": 1}, m
print("done")
`}},
	} {
		if out := run(c.args...); !strings.Contains(out, c.want) {
			t.Errorf("flux %q:\n%s\nwant %q", c.args, out, c.want)
		}
	}
}
