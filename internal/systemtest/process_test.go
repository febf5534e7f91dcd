package systemtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

// brokerProcessEnv makes a run of the tests a broker, until its input ends.
const brokerProcessEnv = "FLUX_TEST_BROKER_PROCESS"

func TestBrokerProcess(t *testing.T) {
	if os.Getenv(brokerProcessEnv) == "" {
		t.Skip("it is for other tests, in a process of its own")
	}
	b := fluxtest.New(t, fluxtest.Record(0))
	b.Handle("x.echo", func(r *fluxtest.Request) { r.Respond(r.Message().Payload) })
	b.Handle("x.never", func(*fluxtest.Request) {})
	fmt.Println("URI", b.URI())
	io.Copy(io.Discard, os.Stdin)
}

// otherProcess returns the URI of an embedded broker in another process.
func otherProcess(t *testing.T) string {
	t.Helper()
	uri, _ := stoppableProcess(t)
	return uri
}

// stoppableProcess is otherProcess with a way to end it.
func stoppableProcess(t *testing.T) (uri string, stop func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestBrokerProcess$")
	cmd.Env = append(os.Environ(), brokerProcessEnv+"=1")
	cmd.Stderr = os.Stderr
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
	stop = sync.OnceFunc(func() {
		in.Close()
		io.Copy(io.Discard, out)
		cmd.Wait()
	})
	t.Cleanup(stop)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if uri, ok := strings.CutPrefix(lines.Text(), "URI "); ok {
			return uri, stop
		}
	}
	t.Fatal("the other process has no broker")
	return "", nil
}

// A broker in another process answers calls one after the other, many at once,
// and whatever comes in between.
func TestOtherProcess(t *testing.T) {
	c, err := flux.Dial(t.Context(), otherProcess(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	echo := func(g int) {
		for i := range 200 {
			want := fmt.Sprint(g, i, strings.Repeat("x", rand.IntN(100)))
			if i%50 == g {
				want += strings.Repeat("y", 100_000)
			}
			r, err := c.Call(t.Context(), "x.echo", want)
			if text, e := r.Text(); err != nil || e != nil || text != want {
				t.Errorf("%.20q came in place of %.20q: %v, %v", text, want, err, e)
				return
			}
		}
	}
	for round := range 3 {
		echo(0) // alone
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if _, err := c.Call(ctx, "x.never", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a call without an answer ended with %v", err)
		}
		cancel()
		var wg sync.WaitGroup
		for g := range 1 + round {
			wg.Go(func() { echo(g) })
		}
		wg.Wait()
	}
	echo(0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sub, err := c.Subscribe(ctx, "some")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Publish(t.Context(), "some.event", nil); err != nil {
		t.Fatal(err)
	}
	if e := <-sub; e.Err() != nil || e.Topic() != "some.event" {
		t.Errorf("the event is %q, %v", e.Topic(), e.Err())
	}
	echo(0)
}

// Close ends a call that reads for itself.
func TestOtherProcessClose(t *testing.T) {
	c, err := flux.Dial(t.Context(), otherProcess(t))
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := c.Call(t.Context(), "x.echo", nil); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error)
	go func() {
		_, err := c.Call(t.Context(), "x.never", nil)
		ended <- err
	}()
	until(t, "the call has begun", func() bool { return c.Stats().Live > 0 })
	c.Close()
	if err := <-ended; !errors.Is(err, flux.ErrClosed) {
		t.Errorf("the call ended with %v, want ErrClosed", err)
	}
}
