package systemtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

// cutter is a byte stream that is cut once so many bytes have gone one way.
type cutter struct {
	io.ReadWriteCloser
	mu   sync.Mutex
	sent int
	got  int
	up   int // bytes to send before the cut; -1 means no cut
	down int // bytes to receive
}

// take allows for up to n bytes more, and reports whether the cut comes there.
func take(count *int, limit, n int) (allowed int, cut bool) {
	if limit >= 0 && *count+n >= limit {
		n, cut = limit-*count, true
	}
	*count += n
	return n, cut
}

func (c *cutter) Write(p []byte) (int, error) {
	c.mu.Lock()
	n, cut := take(&c.sent, c.up, len(p))
	c.mu.Unlock()
	n, err := c.ReadWriteCloser.Write(p[:n])
	if cut {
		c.Close()
		return n, io.ErrClosedPipe
	}
	return n, err
}

func (c *cutter) Read(p []byte) (int, error) {
	n, err := c.ReadWriteCloser.Read(p)
	c.mu.Lock()
	n, cut := take(&c.got, c.down, n)
	c.mu.Unlock()
	if cut {
		c.Close()
		if n == 0 {
			return 0, io.EOF
		}
	}
	return n, err
}

// cutDial dials a broker; the first connections are cut as told.
func cutDial(b *fluxtest.Broker, cuts ...*cutter) func(context.Context) (transport.Conn, error) {
	dials := 0
	return func(ctx context.Context) (transport.Conn, error) {
		s, err := b.DialBytes(ctx)
		if err != nil {
			return nil, err
		}
		if dials++; dials > len(cuts) {
			return transport.NewConn(s, transport.Config{}), nil
		}
		cuts[dials-1].ReadWriteCloser = s
		return transport.NewConn(cuts[dials-1], transport.Config{}), nil
	}
}

// outcome is how a request ended.
type outcome struct {
	topic string
	err   error
}

// talk is a short conversation with everything in it. It returns when all of it
// has ended.
func talk(t *testing.T, b *fluxtest.Broker, c *flux.Client, reconnects bool) (ends []outcome) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	end := func(topic string, err error) {
		mu.Lock()
		defer mu.Unlock()
		ends = append(ends, outcome{topic, err})
	}
	serving, stopServing := context.WithCancel(ctx)
	wg.Go(func() {
		err := c.Serve(serving, "calc", handleAll(t))
		if err != nil && !errors.Is(err, flux.ErrConnLost) || err != nil && reconnects {
			t.Errorf("Serve: %v", err)
		}
	})
	watching, stopWatching := context.WithCancel(ctx)
	wg.Go(func() { watch(t, c, watching, reconnects) })
	<-time.After(time.Second)

	var work sync.WaitGroup
	for i := range 2 {
		work.Go(func() {
			topic := fmt.Sprint("svc.c", i)
			_, err := c.Call(ctx, topic, nil)
			end(topic, err)
		})
		work.Go(func() {
			topic := fmt.Sprint("calc.c", i)
			r := <-c.Go(ctx, topic, "x")
			end(topic, r.Err())
		})
		work.Go(func() {
			topic := fmt.Sprint("calc.s", i)
			end(topic, readStream(t, c, ctx, topic))
		})
	}
	work.Go(func() {
		brief, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		_, err := c.Call(brief, "svc.never", nil)
		end("svc.never", err)
	})
	work.Go(func() {
		brief, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		ch, err := c.Stream(brief, "svc.never-ending", nil)
		if err == nil {
			err = streamEnd(ch)
		}
		end("svc.never-ending", err)
	})
	work.Go(func() {
		_, err := c.Publish(ctx, "a.b", nil)
		end("event.publish", err)
	})
	work.Wait()
	stopServing()
	stopWatching()
	wg.Wait()
	return ends
}

// item is one of a stream.
type item struct{ I int }

// handleAll is a service whose streams have five items.
func handleAll(t testing.TB) flux.Handler {
	mux := flux.NewServeMux()
	mux.Handle("calc.c*", echo)
	mux.Handle("calc.s*", flux.ServerStream(func(ctx context.Context, _ struct{}) iter.Seq2[item, error] {
		return func(yield func(item, error) bool) {
			for i := range 5 {
				if !yield(item{i}, nil) {
					return
				}
			}
		}
	}))
	return mux
}

// readStream checks that the items of a stream come in order and that it ends
// once; a clean end comes after all of them.
func readStream(t testing.TB, c *flux.Client, ctx context.Context, topic string) error {
	ch, err := c.Stream(ctx, topic, nil)
	if err != nil {
		return err
	}
	next := 0
	for r := range ch {
		if err != nil {
			t.Errorf("%s: item %d after the end", topic, next)
		}
		var got item
		if err = r.Err(); err != nil {
			continue
		}
		if err := r.Decode(&got); err != nil || got.I != next {
			t.Errorf("%s: item %d, %v, want %d", topic, got.I, err, next)
		}
		next++
	}
	if err == nil && next != 5 {
		t.Errorf("%s: a clean end after %d of 5 items", topic, next)
	}
	return err
}

// watch checks that a subscription's events come in order, with a gap at each
// loss, and that it ends once.
func watch(t testing.TB, c *flux.Client, ctx context.Context, reconnects bool) {
	var events <-chan flux.Event
	for {
		var err error
		if events, err = c.Subscribe(ctx, "a"); err == nil {
			break
		}
		if ctx.Err() != nil || !reconnects && errors.Is(err, flux.ErrConnLost) {
			return
		}
		if !reconnects || !errors.Is(err, flux.ErrConnLost) {
			t.Errorf("Subscribe: %v", err)
			return
		}
	}
	var end error
	seq := uint32(0)
	for e := range events {
		var gap *flux.GapError
		switch err := e.Err(); {
		case end != nil:
			t.Errorf("an item after the end %v", end)
		case errors.As(err, &gap):
			if gap.Dropped != -1 || !reconnects {
				t.Errorf("gap %v", gap)
			}
			seq = 0
		case err != nil:
			end = err
		case e.Seq() <= seq:
			t.Errorf("event %d after %d", e.Seq(), seq)
		default:
			seq = e.Seq()
		}
	}
	if end != nil && (reconnects || !errors.Is(end, flux.ErrConnLost)) {
		t.Errorf("the subscription ended with %v", end)
	}
}

// checkEnds checks what the requests ended with: only in the ways there are, and
// safe to retry only if the broker has not seen them.
func checkEnds(t testing.TB, b *fluxtest.Broker, ends []outcome) (lost int) {
	seen := make(map[string]bool)
	for _, r := range b.Requests() {
		seen[r.Message.Topic] = true
	}
	for _, end := range ends {
		switch {
		case end.err == nil, errors.Is(end.err, context.DeadlineExceeded):
		case errors.Is(end.err, flux.ErrConnLost):
			lost++
		case errors.Is(end.err, flux.ENOSYS): // its service was not there yet
		default:
			t.Errorf("%s: unexpected end %v", end.topic, end.err)
		}
		if flux.SafeToRetry(end.err) && seen[end.topic] {
			t.Errorf("%s: %v is safe to retry, though the broker has received it", end.topic, end.err)
		}
	}
	return lost
}

// cutRun has the conversation over a connection that is cut.
func cutRun(t *testing.T, up, down int, opts ...flux.DialOption) (sent, got, lost int) {
	reconnects := len(opts) > 0
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess())
		b.Handle("svc.c*", func(r *fluxtest.Request) { r.Respond(nil) })
		b.Handle("svc.never*", never)
		cut := &cutter{up: up, down: down}
		c := dialWith(t, cutDial(b, cut), opts...)
		lost = checkEnds(t, b, talk(t, b, c, reconnects))
		synctest.Wait()
		if s := c.Stats(); s.Live != 0 || s.Retired > 1 { // the call that is never answered
			t.Errorf("after the conversation: %+v", s)
		}
		if reconnects {
			_, err := c.Call(t.Context(), "svc.c9", nil)
			if errors.Is(err, flux.ErrConnLost) { // the cut was in this very call
				_, err = c.Call(t.Context(), "svc.c9", nil)
			}
			if err != nil {
				t.Errorf("a call after all: %v", err)
			}
			if s := c.Stats(); s.Reconnects > 1 {
				t.Errorf("%d reconnects, want one at most", s.Reconnects)
			}
		}
		c.Close()
		synctest.Wait()
		sent, got = cut.sent, cut.got
	})
	if t.Failed() {
		t.Fatalf("the connection was cut after %d bytes sent or %d received", up, down)
	}
	return sent, got, lost
}

// The connection is cut at every byte of a conversation, in each direction, with
// everything in flight.
func TestCutAtEveryByte(t *testing.T) {
	for name, opts := range map[string][]flux.DialOption{
		"reconnect": {flux.WithReconnect(quick)}, "no reconnect": nil,
	} {
		t.Run(name, func(t *testing.T) {
			sent, got, lost := cutRun(t, -1, -1, opts...)
			if lost != 0 || sent == 0 || got == 0 {
				t.Fatalf("an uncut conversation: %d bytes sent, %d received, %d requests lost", sent, got, lost)
			}
			step := 1
			if testing.Short() || raceEnabled {
				step = 13
			}
			t.Logf("%d bytes sent, %d received", sent, got)
			total := 0
			for n := 0; n < sent; n += step {
				_, _, lost := cutRun(t, n, -1, opts...)
				total += lost
			}
			for n := 0; n < got; n += step {
				_, _, lost := cutRun(t, -1, n, opts...)
				total += lost
			}
			if total == 0 {
				t.Error("no request was ever lost")
			}
		})
	}
}
