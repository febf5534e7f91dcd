package flux

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// subscribed is what a Subscribe returned.
type subscribed struct {
	events <-chan Event
	err    error
}

// subscribing starts a Subscribe and returns what it will return.
func subscribing(c *Client, ctx context.Context, prefix string, opts ...SubscribeOption) <-chan subscribed {
	done := make(chan subscribed, 1)
	go func() {
		events, err := c.Subscribe(ctx, prefix, opts...)
		done <- subscribed{events, err}
	}()
	return done
}

// wantEmpty fails the test if the client knows of any subscription or request.
func wantEmpty(t testing.TB, c *Client) {
	t.Helper()
	wantStats(t, c, 0, 0)
	c.c.mu.Lock()
	defer c.c.mu.Unlock()
	if s := &c.c.subs; len(s.topics)+len(s.sizes) > 0 {
		t.Errorf("%d topics, sizes %v are left", len(s.topics), s.sizes)
	}
	for _, s := range c.c.link.matched[:cap(c.c.link.matched)] {
		if s != nil {
			t.Error("the reader's scratch refers to a subscription")
		}
	}
}

// What is published after Subscribe returns is received, so it must not return
// before the broker's answer.
func TestSubscribeWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t)
		ctx, cancel := context.WithCancel(t.Context())
		first := subscribing(c, ctx, "a")
		m := p.recv()
		wantMessage(t, m, wireRequest("event.subscribe", "{\"topic\":\"a\"}\x00"))
		second := subscribing(c, ctx, "a") // shares the request
		synctest.Wait()
		if len(first)+len(second) > 0 {
			t.Fatal("Subscribe returned before the broker answered")
		}
		p.event("a.early", 1, nil, 0) // not promised
		p.respond(m, nil)
		p.event("a.b", 2, nil, 0)
		one, two := <-first, <-second
		for _, s := range []subscribed{one, two} {
			if s.err != nil {
				t.Fatal(s.err)
			}
			if e := <-s.events; e.Seq() != 2 {
				t.Errorf("received number %d, want 2", e.Seq())
			}
		}
		third := <-subscribing(c, ctx, "a") // costs the broker nothing
		if third.err != nil {
			t.Fatal(third.err)
		}
		p.wantNothing(c)
		cancel()
		wantMessage(t, p.recv(), wireRequest("event.unsubscribe", "{\"topic\":\"a\"}\x00"))
		for _, s := range []subscribed{one, two, third} {
			if e, ok := <-s.events; ok {
				t.Errorf("received %q, %v, want the end", e.Topic(), e.Err())
			}
		}
		p.wantNothing(c)
	})
}

// Any number of subscribers of a prefix cost one subscription, which the last
// one gives back; prefixes that overlap are different ones.
func TestSubscribeCountsOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newEventBroker()
		c, _ := servePeer(t, b.handle)
		var cancels []context.CancelFunc
		open := func(prefix string) <-chan Event {
			ctx, cancel := context.WithCancel(t.Context())
			cancels = append(cancels, cancel)
			return mustSubscribe(t, c, ctx, prefix)
		}
		all := []<-chan Event{open("job"), open("job"), open("job"), open("job.x"), open(""), open("")}
		wantItems(t, b.requests(), []string{"+job", "+job.x", "+"})
		wantPublish(t, c, 1, "job.x.y", nil)
		wantPublish(t, c, 2, "jobs", nil)
		wantPublish(t, c, 3, "other", nil)
		for i, want := range [][]uint32{{1, 2}, {1, 2}, {1, 2}, {1}, {1, 2, 3}, {1, 2, 3}} {
			for _, seq := range want {
				if got := at(t, all[i]).Seq(); got != seq {
					t.Errorf("subscriber %d received number %d, want %d", i, got, seq)
				}
			}
			wantNoEvent(t, all[i])
		}
		for i, cancel := range cancels {
			cancel()
			synctest.Wait()
			wantItems(t, b.requests(), [][]string{nil, nil, {"-job"}, {"-job.x"}, nil, {"-"}}[i])
		}
		wantEmpty(t, c)
	})
}

// Subscribing and unsubscribing keep their order on the wire.
func TestResubscribe(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newEventBroker()
		c, _ := servePeer(t, b.handle)
		for i := range 5 {
			ctx, cancel := context.WithCancel(t.Context())
			events := mustSubscribe(t, c, ctx, "a")
			wantPublish(t, c, uint32(i+1), "a", nil)
			at(t, events)
			cancel()
			for range events {
			}
		}
		synctest.Wait()
		wantItems(t, b.requests(), strings.Fields("+a -a +a -a +a -a +a -a +a -a"))
		wantEmpty(t, c)
	})
}

func TestSubscribeRefused(t *testing.T) {
	c, p := newPeer(t)
	ended, end := context.WithCancel(t.Context())
	end()
	for name, tt := range map[string]struct {
		ctx    context.Context
		prefix string
	}{"not UTF-8": {t.Context(), "a\xff"}, "ctx has ended": {ended, "a"}} {
		events, err := c.Subscribe(tt.ctx, tt.prefix)
		if err == nil || events != nil {
			t.Errorf("%s: %v, %v, want an error alone", name, events, err)
		}
		if SafeToRetry(err) != (tt.ctx == ended) {
			t.Errorf("%s: %v is safe to retry: %t", name, err, SafeToRetry(err))
		}
	}
	p.wantNothing(c)
	wantEmpty(t, c)
}

// The broker's refusal fails all that wait for it and nobody who comes later.
func TestSubscribeError(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t)
		first := subscribing(c, t.Context(), "a")
		m := p.want("event.subscribe")
		second := subscribing(c, t.Context(), "a")
		other := subscribing(c, t.Context(), "b")
		otherReq := p.want("event.subscribe")
		synctest.Wait()
		p.refuse(m, EPERM, "not today")
		for _, done := range []<-chan subscribed{first, second} {
			s := <-done
			wantRemote(t, s.err, Error{"event.subscribe", EPERM, "not today"})
			if s.events != nil {
				t.Error("a channel comes with the error")
			}
		}
		p.respond(otherReq, nil)
		if s := <-other; s.err != nil {
			t.Errorf("the other prefix failed, too: %v", s.err)
		}
		again := subscribing(c, t.Context(), "a")
		p.respond(p.want("event.subscribe"), nil)
		s := <-again
		if s.err != nil {
			t.Fatal(s.err)
		}
		p.event("a.b", 1, nil, 0)
		if e := <-s.events; e.Topic() != "a.b" {
			t.Errorf("received %q, %v", e.Topic(), e.Err())
		}
	})
}

// The end of ctx ends the wait. What the broker grants then is given back.
func TestSubscribeContextEndsInWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errBored)
		defer cancel()
		gone := subscribing(c, ctx, "a")
		m := p.want("event.subscribe")
		s := <-gone
		wantErr(t, s.err, context.DeadlineExceeded, errBored)
		p.wantNothing(c)
		p.respond(m, nil)
		p.respond(p.want("event.unsubscribe"), nil)
		synctest.Wait()
		wantEmpty(t, c)
	})
}

// One waiter's end leaves the others waiting, and one that comes meanwhile joins.
func TestSubscribeOneOfSeveralGivesUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t)
		ctx, cancel := context.WithCancel(t.Context())
		gone := subscribing(c, ctx, "a")
		m := p.want("event.subscribe")
		cancel()
		wantErr(t, (<-gone).err, context.Canceled)
		late := subscribing(c, t.Context(), "a")
		synctest.Wait()
		p.respond(m, nil)
		s := <-late
		if s.err != nil {
			t.Fatal(s.err)
		}
		p.event("a", 1, nil, 0)
		if e := <-s.events; e.Seq() != 1 {
			t.Errorf("received %v", e.Err())
		}
		p.wantNothing(c)
	})
}

// Whether the connection is closed or lost, those that wait learn it.
func TestSubscribeConnectionEndsInWait(t *testing.T) {
	for want, end := range map[error]func(c *Client, p *peer){
		ErrClosed:   func(c *Client, p *peer) { c.Close() },
		ErrConnLost: func(c *Client, p *peer) { p.close() },
	} {
		inBubble(t, func(t *testing.T) {
			c, p := newPeer(t)
			one, two := subscribing(c, t.Context(), "a"), subscribing(c, t.Context(), "a")
			p.want("event.subscribe")
			synctest.Wait()
			end(c, p)
			for _, done := range []<-chan subscribed{one, two} {
				s := <-done
				wantErr(t, s.err, want)
				if s.events != nil {
					t.Error("a channel comes with the error")
				}
			}
			synctest.Wait()
			wantEmpty(t, c)
			_, err := c.Subscribe(t.Context(), "a")
			wantErr(t, err, want)
			if !SafeToRetry(err) {
				t.Errorf("%v is not safe to retry, though nothing was sent", err)
			}
		})
	}
}

// Without asking the broker, what comes anyway is delivered.
func TestWithoutSubscribe(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t, WithoutSubscribe())
		ctx, cancel := context.WithCancel(t.Context())
		events := mustSubscribe(t, c, ctx, "a")
		p.event("b", 1, nil, 0)
		p.event("a.b", 2, nil, 0)
		if e := <-events; e.Seq() != 2 {
			t.Errorf("received number %d, %v, want 2", e.Seq(), e.Err())
		}
		cancel()
		if e, ok := <-events; ok {
			t.Errorf("received %q, want the end", e.Topic())
		}
		p.wantNothing(c)
		synctest.Wait()
		wantEmpty(t, c)
	})
}

// Ten thousand subscriptions that come and go leave nothing behind.
func TestSubscribeChurn(t *testing.T) {
	noLeaks(t)
	cycles := 10000
	if testing.Short() {
		cycles = 500
	}
	b := newEventBroker()
	c, _ := servePeer(t, b.handle)
	kept := mustSubscribe(t, c, t.Context(), "churn.5")
	for i := range cycles {
		ctx, cancel := context.WithCancel(t.Context())
		prefix := fmt.Sprint("churn.", i%7)
		events := mustSubscribe(t, c, ctx, prefix)
		if i%100 == 0 {
			if _, err := c.Publish(t.Context(), prefix, nil); err != nil {
				t.Fatal(err)
			}
			at(t, events)
		}
		cancel()
		for e := range events {
			t.Fatalf("received %q, %v, want the end", e.Topic(), e.Err())
		}
	}
	if _, err := c.Publish(t.Context(), "churn.5.last", nil); err != nil { // behind every unsubscribe
		t.Fatal(err)
	}
	last := uint32(0)
	for len(kept) > 0 {
		e := <-kept
		if e.Seq() <= last {
			t.Errorf("received number %d after %d", e.Seq(), last)
		}
		last = e.Seq()
	}
	b.mu.Lock()
	if len(b.subs) != 1 || b.subs["churn.5"] != 1 || last != b.seq {
		t.Errorf("the broker has %v and number %d, want churn.5 once and %d", b.subs, b.seq, last)
	}
	b.mu.Unlock()
	c.c.mu.Lock()
	if ts := c.c.subs.topics["churn.5"]; len(c.c.subs.topics) != 1 || len(c.c.subs.sizes) != 1 || len(ts.subs) != 1 || len(ts.waiting) != 0 {
		t.Errorf("the client has %v, %v", c.c.subs.topics, c.c.subs.sizes)
	}
	c.c.mu.Unlock()
	wantStats(t, c, 0, 0)
}

// The zero Event, as received from a closed channel, says so on every road.
func TestZeroEvent(t *testing.T) {
	var e Event
	_, bytesErr := e.Bytes()
	_, textErr := e.Text()
	for _, err := range []error{e.Err(), e.Decode(new(int)), e.DecodeStrict(new(int)), bytesErr, textErr} {
		wantErr(t, err, errNoEvent)
	}
	if e.Topic() != "" || e.Seq() != 0 || e.Private() || e.UserID() != 0 || e.Roles() != 0 || e.Message() != nil {
		t.Error("the zero Event has an identity")
	}
}

// So does one that stands for an error, with that error.
func TestFailedEvent(t *testing.T) {
	want := errors.New("gap")
	e := failedEvent(want)
	_, bytesErr := e.Bytes()
	_, textErr := e.Text()
	for _, err := range []error{e.Err(), e.Decode(new(int)), e.DecodeStrict(new(int)), bytesErr, textErr} {
		wantErr(t, err, want)
	}
	if e.Topic() != "" || e.Seq() != 0 || e.Private() || e.UserID() != 0 || e.Roles() != 0 || e.Message() != nil {
		t.Error("the failed Event has an identity")
	}
}
