package systemtest

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

var updateGolden = flag.Bool("update", false, "write the golden files anew")

// syncBuffer is a buffer for the goroutine of a trace and that of its test.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// The whole shape of a trace, in a file. What libflux 0.88 prints for the same
// messages was compared by hand, and is by TestTraceIsLikeLibflux.
func TestTraceGolden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess(), fluxtest.Seed(7), fluxtest.Owner(1000))
		b.Handle("svc.error", func(r *fluxtest.Request) { r.Fail(&flux.Error{Errno: flux.EPERM, Message: "not for you"}) })
		b.Handle("svc.count", func(r *fluxtest.Request) {
			r.Respond(json.RawMessage(`{"i":1}`))
			r.End()
		})
		b.Handle("svc.bytes", func(r *fluxtest.Request) { r.Respond([]byte{0, 1, 2, 0xfe, 0xff}) })
		var trace syncBuffer
		c := b.Client(flux.WithTrace(&trace))
		ctx := t.Context()
		<-time.After(time.Hour) // the clock starts with the first message
		call := func(topic string, req any, opts ...flux.CallOption) {
			c.Call(ctx, topic, req, opts...)
			<-time.After(1500 * time.Microsecond)
		}
		call("attr.get", json.RawMessage(`{"name":"rank"}`))
		call("svc.error", nil, flux.Rank(0))
		call("nosuch.method", "text\nof two lines")
		call("svc.bytes", bytes.Repeat([]byte{0xab}, 39))
		call("svc.bytes", bytes.Repeat([]byte{0xab}, 40))
		call("svc.bytes", []byte("text and\x00more\x00"))
		call("broker.ping", json.RawMessage(`{"seq":1}`), flux.Upstream())
		streamOf(c.Stream(ctx, "svc.count", nil))
		synctest.Wait()
		c.Notify(ctx, "svc.notify", nil)
		events, _ := mustSubscribe(t, c, "a")
		c.Publish(ctx, "a.private", "secret", flux.Private(), flux.Unconfirmed())
		mustEvents(t, events, "a.private")
		b.Emit("a.b", map[string]int{"x": 1})
		mustEvents(t, events, "a.b")
		served, stop := mustServe(t, c, "calc", echo)
		b.Client().Call(ctx, "calc.echo", "hi")
		synctest.Wait()
		stop()
		<-served
		m := codec.NewRequest("a.b")
		m.UserID, m.Rolemask = 1234, 0x13
		m.Flags |= codec.FlagUser1 | codec.FlagNoResponse
		c.Send(ctx, m)
		c.Send(ctx, &codec.Message{Type: codec.TypeControl, ControlType: 3, ControlStatus: 4, UserID: codec.UserIDUnknown})
		c.Close()
		synctest.Wait()
		const golden = "testdata/trace.txt"
		if *updateGolden {
			if err := os.WriteFile(golden, []byte(trace.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got := trace.String(); got != string(want) {
			t.Errorf("the trace is not that of %s:\n%s", golden, got)
		}
	})
}

func streamOf(ch <-chan flux.Response, err error) {
	if err == nil {
		streamEnd(ch)
	}
}

// traceVaries is what differs from run to run.
var traceVaries = regexp.MustCompile(`(?m)^(.) \d+\.\d{5}$|"seq":\d+|!?[0-9a-f]{8}[!|]`)

// The same messages look the same in libflux's trace.
func TestTraceIsLikeLibflux(t *testing.T) {
	r := fluxtest.Real(t, 1)
	if r == nil {
		return
	}
	for _, tt := range []struct {
		args []string
		same func(ctx context.Context, c *flux.Client)
	}{
		{[]string{"getattr", "rank"}, func(ctx context.Context, c *flux.Client) {
			c.Attr(ctx, "rank")
		}},
		{[]string{"event", "pub", "-s", "foo.bar", `{"a":1}`}, func(ctx context.Context, c *flux.Client) {
			c.Publish(ctx, "foo.bar", json.RawMessage(`{"a":1}`))
		}},
		{[]string{"event", "pub", "-p", "-r", "foo.bar", strings.Repeat("x", 40)}, func(ctx context.Context, c *flux.Client) {
			c.Publish(ctx, "foo.bar", []byte(strings.Repeat("x", 40)), flux.Private(), flux.Unconfirmed())
		}},
		{[]string{"getattr", "nosuch"}, func(ctx context.Context, c *flux.Client) {
			c.Attr(ctx, "nosuch")
		}},
	} {
		cmd := exec.Command("flux", tt.args...)
		cmd.Env = append(os.Environ(), "FLUX_URI="+r.URI(), "FLUX_HANDLE_TRACE=1")
		var theirs, ours syncBuffer
		cmd.Stderr = &theirs
		cmd.Run()
		c := r.Client(flux.WithTrace(&ours))
		tt.same(t.Context(), c)
		c.Close()
		want, _, _ := strings.Cut(theirs.String(), "flux-") // then comes the tool's own error
		got := traceVaries.ReplaceAllString(ours.String(), "$1")
		if want = traceVaries.ReplaceAllString(want, "$1"); got != want {
			t.Errorf("flux %s:\n%s\nwe print:\n%s", strings.Join(tt.args, " "), want, got)
		}
	}
}

// A writer that takes nothing delays nobody, and Close no longer than a second.
func TestTraceToASlowWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess(), fluxtest.Record(0))
		r, w := io.Pipe()
		c := b.Client(flux.WithTrace(w))
		b.Handle("svc.echo", func(r *fluxtest.Request) { r.Respond(nil) })
		text := strings.Repeat("x", 500_000)
		began := time.Now()
		const calls = 200 // 100 MB of trace
		for range calls {
			if _, err := c.Call(t.Context(), "svc.echo", text); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("the calls were delayed by %v", d)
		}
		read := begin(func() error {
			<-time.After(100 * time.Millisecond)
			_, err := io.CopyN(io.Discard, r, 1<<20)
			return err
		})
		if err := <-read; err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		c.Close()
		if d := time.Since(began); d > time.Second {
			t.Errorf("Close was delayed by %v", d)
		}
		rest := make(chan string)
		go func() {
			all, _ := io.ReadAll(r)
			rest <- string(all)
		}()
		synctest.Wait()
		w.Close()
		if got := strings.Count(<-rest, "svc.echo"); got > 2*calls*9/10 || got < 20 {
			t.Errorf("%d messages are in the trace, want as many as the backlog holds", got)
		}
	})
}

// What was left out is said once there is room again.
func TestTraceTellsOfWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess(), fluxtest.Record(0))
		r, w := io.Pipe()
		var got syncBuffer
		c := b.Client(flux.WithTrace(w))
		payload := strings.Repeat("x", 30<<20)
		for range 4 {
			c.Notify(t.Context(), "svc.big", payload)
		}
		go io.Copy(&got, r)
		synctest.Wait()
		c.Notify(t.Context(), "svc.last", nil)
		synctest.Wait()
		c.Close()
		w.Close()
		if !strings.Contains(got.String(), "-- 2 messages not traced: the writer is too slow\n---") ||
			!strings.Contains(got.String(), "\n> svc.last\n") {
			t.Errorf("%.200q ... %q", got.String(), got.String()[max(0, len(got.String())-300):])
		}
	})
}

// FLUX_HANDLE_TRACE traces to standard error, whatever its value.
func TestTraceFromTheEnvironment(t *testing.T) {
	b := fluxtest.New(t)
	dial := func() string {
		return onStderr(t, func() {
			c, err := flux.Dial(t.Context(), b.URI())
			if err != nil {
				t.Fatal(err)
			}
			c.Attr(t.Context(), "rank")
			c.Close()
		})
	}
	t.Setenv("FLUX_HANDLE_TRACE", "")
	if got := dial(); strings.Count(got, "attr.get\n") != 2 {
		t.Errorf("trace of a call: %q", got)
	}
	os.Unsetenv("FLUX_HANDLE_TRACE")
	if got := dial(); got != "" {
		t.Errorf("without the variable: %q", got)
	}
	// A client that is not dialed does not look.
	t.Setenv("FLUX_HANDLE_TRACE", "1")
	if got := onStderr(t, func() {
		near, far := transport.Pipe(transport.Config{})
		c := flux.NewClient(near)
		c.Notify(t.Context(), "a.b", nil)
		c.Close()
		far.Close()
	}); got != "" {
		t.Errorf("with NewClient: %q", got)
	}
}

// onStderr returns what f has written to standard error by its end.
func onStderr(t *testing.T, f func()) string {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	former := os.Stderr
	os.Stderr = file
	defer func() { os.Stderr = former }()
	f()
	b, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
