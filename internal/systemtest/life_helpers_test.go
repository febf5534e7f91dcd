package systemtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

// quick is a policy whose pauses are the same in every run.
var quick = flux.ReconnectPolicy{MinBackoff: 2 * time.Nanosecond, MaxBackoff: 2 * time.Nanosecond}

// inBroker runs a test in a bubble with an embedded broker and a client of it
// that reconnects.
func inBroker(t *testing.T, f func(t *testing.T, b *fluxtest.Broker, c *flux.Client), opts ...flux.DialOption) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess())
		f(t, b, b.Client(append([]flux.DialOption{flux.WithReconnect(quick)}, opts...)...))
	})
}

// lifeDialers are what the URIs of the scheme lifetest dial.
var lifeDialers struct {
	sync.Mutex
	list []func(context.Context) (transport.Conn, error)
}

func init() {
	transport.Register("lifetest", func(ctx context.Context, uri transport.URI,
		_ transport.Config) (transport.Conn, error) {
		n, err := strconv.Atoi(uri.Path)
		if err != nil {
			return nil, err
		}
		lifeDialers.Lock()
		dial := lifeDialers.list[n]
		lifeDialers.Unlock()
		return dial(ctx)
	})
}

// dialWith dials a URI that stands for a function.
func dialWith(t testing.TB, dial func(context.Context) (transport.Conn, error), opts ...flux.DialOption) *flux.Client {
	t.Helper()
	lifeDialers.Lock()
	uri := fmt.Sprintf("lifetest://%d", len(lifeDialers.list))
	lifeDialers.list = append(lifeDialers.list, dial)
	lifeDialers.Unlock()
	c, err := flux.Dial(t.Context(), uri, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// wire is a byte stream that stops to deliver once something was written.
type wire struct {
	io.ReadWriteCloser
	until string
	once  sync.Once
	held  chan struct{} // closed when until was written
	over  chan struct{}
}

func newWire(s io.ReadWriteCloser, until string) *wire {
	return &wire{ReadWriteCloser: s, until: until, held: make(chan struct{}), over: make(chan struct{})}
}

func (w *wire) Write(p []byte) (int, error) {
	if w.until != "" && bytes.Contains(p, []byte(w.until)) {
		w.until = ""
		close(w.held)
	}
	return w.ReadWriteCloser.Write(p)
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.ReadWriteCloser.Read(p)
	select {
	case <-w.held:
		<-w.over
		return 0, io.ErrClosedPipe
	default:
	}
	return n, err
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.over) })
	return w.ReadWriteCloser.Close()
}

// never is a service that answers nothing.
func never(*fluxtest.Request) {}

// operation is something that a client does and that ends with an error or
// without.
type operation func(ctx context.Context, c *flux.Client) error

// operations are all that send a request; those that stay open after it give
// back what they end with. Their service is "svc".
func operations() map[string]operation {
	return map[string]operation{
		"Call": func(ctx context.Context, c *flux.Client) error {
			_, err := c.Call(ctx, "svc.call", nil)
			return err
		},
		"Go": func(ctx context.Context, c *flux.Client) error {
			r := <-c.Go(ctx, "svc.call", nil)
			return r.Err()
		},
		"Do": func(ctx context.Context, c *flux.Client) error {
			_, err := c.Do(ctx, codec.NewRequest("svc.call"))
			return err
		},
		"Stream": func(ctx context.Context, c *flux.Client) error {
			ch, err := c.Stream(ctx, "svc.watch", nil)
			if err != nil {
				return err
			}
			return streamEnd(ch)
		},
		"Publish": func(ctx context.Context, c *flux.Client) error {
			_, err := c.Publish(ctx, "svc.event", nil)
			return err
		},
		"Attr": func(ctx context.Context, c *flux.Client) error {
			_, err := c.Attr(ctx, "version")
			return err
		},
		"Notify": func(ctx context.Context, c *flux.Client) error { return c.Notify(ctx, "svc.notify", nil) },
	}
}

// streamEnd receives a stream to its end and returns the error of its last
// item.
func streamEnd(ch <-chan flux.Response) (err error) {
	for r := range ch {
		if err != nil {
			return fmt.Errorf("an item after the end %v", err)
		}
		err = r.Err()
	}
	return err
}

// begin runs f on a goroutine and returns its result on a channel.
func begin(f func() error) <-chan error {
	ch := make(chan error, 1)
	go func() { ch <- f() }()
	return ch
}

// pendingYet fails the test if ch has something by the time all rests.
func pendingYet(t testing.TB, what string, ch <-chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-ch:
		t.Fatalf("%s has ended: %v", what, err)
	default:
	}
}

func mustMatch(t testing.TB, what string, err error, targets ...error) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s: no error, want one that matches %v", what, targets)
	}
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Fatalf("%s: error %q does not match %v", what, err, target)
		}
	}
}

func mustBeIdle(t testing.TB, c *flux.Client) {
	t.Helper()
	if s := c.Stats(); s.Live+s.Retired != 0 {
		t.Fatalf("matchtags are in use: %+v", s)
	}
}

// mustServe runs a service until the test ends and waits until it stands.
func mustServe(t testing.TB, c *flux.Client, name string, h flux.Handler) (done <-chan error, cancel func()) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(stop)
	ready := make(chan struct{})
	done = begin(func() error {
		return c.Serve(ctx, name, h, flux.OnReady(func() { close(ready) }))
	})
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("Serve %s: %v", name, err)
	}
	return done, stop
}

// mustSubscribe subscribes until the test ends.
func mustSubscribe(t testing.TB, c *flux.Client, prefix string,
	opts ...flux.SubscribeOption) (<-chan flux.Event, func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(cancel)
	events, err := c.Subscribe(ctx, prefix, opts...)
	if err != nil {
		t.Fatalf("subscribe %q: %v", prefix, err)
	}
	return events, cancel
}

// mustGap receives the gap that a reconnect leaves.
func mustGap(t testing.TB, events <-chan flux.Event) {
	t.Helper()
	e, ok := <-events
	var gap *flux.GapError
	if !ok || !errors.As(e.Err(), &gap) || gap.Dropped != -1 || !errors.Is(gap, flux.ErrConnLost) {
		t.Fatalf("received %q, %v, open %t, want a gap of -1", e.Topic(), e.Err(), ok)
	}
}

// mustEvents receives events with the given topics.
func mustEvents(t testing.TB, events <-chan flux.Event, topics ...string) {
	t.Helper()
	for _, topic := range topics {
		e, ok := <-events
		if !ok || e.Err() != nil || e.Topic() != topic {
			t.Fatalf("received %q, %v, open %t, want %q", e.Topic(), e.Err(), ok, topic)
		}
	}
}

// topicsOf lists the requests that a connection sent, in order.
func topicsOf(b *fluxtest.Broker, conn int) (topics []string) {
	for _, r := range b.Requests() {
		if r.Conn == conn {
			topics = append(topics, r.Message.Topic)
		}
	}
	return topics
}

// onlyConn is the broker's one connection.
func onlyConn(t testing.TB, b *fluxtest.Broker) *fluxtest.Conn {
	t.Helper()
	conns := b.Conns()
	if len(conns) != 1 {
		t.Fatalf("%d connections, want 1", len(conns))
	}
	return conns[0]
}

func mustEqual[T comparable](t testing.TB, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

// dialHeld dials a broker; the nth connection stops to deliver once the nth text
// was written on it.
func dialHeld(b *fluxtest.Broker, wires *[]*wire, until ...string) func(context.Context) (transport.Conn, error) {
	return func(ctx context.Context) (transport.Conn, error) {
		s, err := b.DialBytes(ctx)
		if err != nil {
			return nil, err
		}
		text := ""
		if n := len(*wires); n < len(until) {
			text = until[n]
		}
		w := newWire(s, text)
		*wires = append(*wires, w)
		return transport.NewConn(w, transport.Config{}), nil
	}
}
