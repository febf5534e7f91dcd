package systemtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
	"github.com/flux-sdk/flux/transport"
)

// alone makes calls one after the other until callers read their own responses.
func alone(t *testing.T, c *flux.Client) {
	t.Helper()
	for range 100 {
		if _, err := c.Call(t.Context(), "x.echo", "x"); err != nil {
			t.Fatal(err)
		}
	}
}

// closesSoon fails the test if done does not close in real time.
func closesSoon(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(returnPatience):
		t.Fatalf("%s: not after %v", what, returnPatience)
	}
}

// A broker that closes while nobody has anything to receive is noticed at once,
// without a call.
func TestClosingBrokerIsNoticed(t *testing.T) {
	uri, stop := stoppableProcess(t)
	c, err := flux.Dial(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	alone(t, c)
	stop()
	closesSoon(t, "Done after the broker has closed", c.Done())
	if err := c.Err(); !errors.Is(err, flux.ErrConnLost) {
		t.Errorf("the client ended with %v", err)
	}
}

// A call that reads for itself ends with its ctx, with its client and with the
// broker, at once.
func TestReadingCallEnds(t *testing.T) {
	cause := errors.New("enough")
	for _, tt := range []struct {
		name string
		end  func(c *flux.Client, cancel context.CancelCauseFunc, stop func())
		want error
	}{
		{"cancel", func(_ *flux.Client, cancel context.CancelCauseFunc, _ func()) { cancel(cause) }, cause},
		{"close", func(c *flux.Client, _ context.CancelCauseFunc, _ func()) { c.Close() }, flux.ErrClosed},
		{"broker", func(_ *flux.Client, _ context.CancelCauseFunc, stop func()) { stop() }, flux.ErrConnLost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			uri, stop := stoppableProcess(t)
			first, err := flux.Dial(t.Context(), uri)
			if err != nil {
				t.Fatal(err)
			}
			defer first.Close()
			c := first.Clone()
			defer c.Close()
			alone(t, c)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_, err = c.Call(ctx, "x.never", nil)
			}()
			until(t, "the call has begun", func() bool { return c.Stats().Live > 0 })
			tt.end(c, cancel, stop)
			closesSoon(t, "the call", ended)
			if !errors.Is(err, tt.want) {
				t.Errorf("the call ended with %v, want %v", err, tt.want)
			}
			if tt.name == "broker" {
				return
			}
			if _, err := first.Call(t.Context(), "x.echo", "x"); err != nil { // the connection goes on
				t.Error(err)
			}
		})
	}
}

// What else begins while callers read is received.
func TestReadingCallsGiveWay(t *testing.T) {
	c, err := flux.Dial(t.Context(), otherProcess(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 5 {
		alone(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		waits := make(chan struct{})
		go func() {
			defer close(waits)
			c.Call(ctx, "x.never", nil)
		}()
		until(t, "the call has begun", func() bool { return c.Stats().Live > 0 })
		for range 10 { // behind a call that reads
			r, err := c.Call(t.Context(), "x.echo", "x")
			if err != nil || r.Err() != nil {
				t.Fatal(err)
			}
			if r := <-c.Go(t.Context(), "x.echo", "x"); r.Err() != nil {
				t.Fatal(r.Err())
			}
		}
		events, err := c.Subscribe(ctx, "some")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Publish(t.Context(), "some.event", nil); err != nil {
			t.Fatal(err)
		}
		if e := <-events; e.Err() != nil {
			t.Fatal(e.Err())
		}
		cancel()
		closesSoon(t, "the call that waits", waits)
		for range events {
		}
	}
}

// peerProcessEnv makes a run of the tests a peer that asks its client, with the
// response to its call number askingCall in the same write.
const (
	peerProcessEnv = "FLUX_TEST_PEER_PROCESS"
	askingCall     = 50
)

func TestPeerProcess(t *testing.T) {
	path := os.Getenv(peerProcessEnv)
	if path == "" {
		t.Skip("it is for other tests, in a process of its own")
	}
	l, err := transport.Listen(path, transport.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fmt.Println("URI", "local://"+path)
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := in.Welcome()
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; ; n++ {
		var m codec.Message
		switch err := conn.Recv(&m); {
		case err == io.EOF:
			return
		case err != nil:
			t.Fatal(err)
		case m.Type == codec.TypeResponse:
			fmt.Println("REFUSED", m.Errnum)
			continue
		}
		if n == askingCall {
			r := codec.NewRequest("nobody.serves")
			r.Routes, r.Flags, r.Matchtag = codec.MakeRoutes("peer"), r.Flags|codec.FlagRoute, 7
			if err := conn.(*framing.Conn).Queue(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := conn.Send(t.Context(), codec.NewResponse(&m)); err != nil {
			t.Fatal(err)
		}
	}
}

// What a reading caller causes to be sent is sent, also when nobody reads after it.
func TestReadingCallFlushes(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestPeerProcess$")
	cmd.Env = append(os.Environ(), peerProcessEnv+"="+filepath.Join(t.TempDir(), "s"))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	defer func() {
		for lines.Scan() {
		}
		cmd.Wait()
	}()
	next := func(prefix string) (string, bool) {
		for lines.Scan() {
			if rest, ok := strings.CutPrefix(lines.Text(), prefix+" "); ok {
				return rest, true
			}
		}
		return "", false
	}
	uri, ok := next("URI")
	if !ok {
		t.Fatal("the other process does not listen")
	}
	c, err := flux.Dial(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range askingCall {
		if _, err := c.Call(t.Context(), "x.echo", nil); err != nil {
			t.Fatal(err)
		}
	}
	refused := make(chan struct{})
	go func() {
		defer close(refused)
		if errno, ok := next("REFUSED"); !ok || errno != fmt.Sprint(uint32(flux.ENOSYS)) {
			t.Errorf("the request was answered with %q, %v, want ENOSYS", errno, ok)
		}
	}()
	closesSoon(t, "the refusal", refused)
}
