package flux

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
	"github.com/flux-sdk/flux/internal/peertest"
)

// publishing starts a Publish and returns what it will return.
func publishing(c *Client, ctx context.Context, topic string, payload any, opts ...PublishOption) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := c.Publish(ctx, topic, payload, opts...)
		done <- err
	}()
	return done
}

func TestPublishOnTheWire(t *testing.T) {
	c, p := newPeer(t)
	for _, tt := range []struct {
		name    string
		payload any
		opts    []PublishOption
		want    string // of the request's payload
	}{
		{"nil", nil, nil, `{"topic":"a.b","flags":0}`},
		{"no bytes", []byte{}, nil, `{"topic":"a.b","flags":0}`},
		{"bytes", []byte{0xfb, 0xff}, nil, `{"topic":"a.b","flags":0,"payload":"+/8="}`},
		{"empty text", "", nil, `{"topic":"a.b","flags":0,"payload":"AA=="}`},
		{"text", "hi", nil, `{"topic":"a.b","flags":0,"payload":"aGkA"}`},
		{"empty object", struct{}{}, nil, `{"topic":"a.b","flags":0,"payload":"e30A"}`},
		{"JSON", point{X: 1}, nil, `{"topic":"a.b","flags":0,"payload":"eyJ4IjoxfQA="}`},
		{"raw JSON", json.RawMessage(`{ }`), nil, `{"topic":"a.b","flags":0,"payload":"eyB9AA=="}`},
		{"private", nil, []PublishOption{Private()}, `{"topic":"a.b","flags":32}`},
		{"private with payload", "hi", []PublishOption{Private(), Private()}, `{"topic":"a.b","flags":32,"payload":"aGkA"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			done := publishing(c, t.Context(), "a.b", tt.payload, tt.opts...)
			m := p.Recv()
			want := wireRequest("event.publish", tt.want+"\x00")
			want.NodeID = 0 // from every rank
			wantMessage(t, m, want)
			p.Respond(m, json.RawMessage(`{"seq":1}`))
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// What libflux publishes for the same input has the same bytes.
func TestPublishAsRecorded(t *testing.T) {
	seen := 0
	for _, name := range golden.Names() {
		recs, err := golden.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range recs {
			r := &recs[i]
			if !r.IsFrame() || r.Dir != capture.ClientToServer || r.Msg.Topic != "event.publish" {
				continue
			}
			seen++
			want, err := message(r)
			if err != nil {
				t.Fatal(err)
			}
			var in publishRequest
			b, err := codec.JSONPayload(want.Payload)
			if err == nil {
				err = json.Unmarshal(b, &in)
			}
			if err != nil {
				t.Fatal(err)
			}
			var opts []PublishOption
			if in.Flags != 0 {
				opts = append(opts, Private())
			}
			c, p := newPeer(t, WithUserID(want.UserID), WithRoles(Role(want.Rolemask)))
			publishing(c, t.Context(), in.Topic, in.Payload, opts...)
			got := p.Recv()
			got.Matchtag = want.Matchtag
			frame, err := codec.Append(nil, got)
			if err == nil {
				err = r.CheckFrame(frame)
			}
			if err != nil {
				t.Errorf("%s, frame %d: %v", name, i, err)
			}
			p.Close()
		}
	}
	if seen < 10 {
		t.Errorf("%d publish requests recorded, want some", seen)
	}
}

func TestPublishUnconfirmed(t *testing.T) {
	c, p := newPeer(t)
	for name, tt := range map[string]struct {
		payload any
		opts    []PublishOption
		want    string
		flags   codec.Flags
	}{
		"nil":     {nil, nil, "", 0},
		"bytes":   {[]byte{0, 1}, nil, "\x00\x01", 0},
		"text":    {"hi", nil, "hi\x00", 0},
		"JSON":    {point{X: 1}, nil, "{\"x\":1}\x00", 0},
		"private": {"hi", []PublishOption{Private()}, "hi\x00", codec.FlagPrivate},
	} {
		seq, err := c.Publish(t.Context(), "a.b", tt.payload, append(tt.opts, Unconfirmed())...)
		if seq != 0 || err != nil {
			t.Errorf("%s: %d, %v, want 0", name, seq, err)
		}
		m := p.Recv()
		want := *codec.NewEvent("a.b")
		want.Flags |= tt.flags
		if tt.want != "" {
			want.SetPayload([]byte(tt.want))
		}
		if m.Matchtag != 0 {
			t.Errorf("%s: the event has matchtag %d", name, m.Matchtag)
		}
		want.Flags |= codec.FlagNoResponse // keeps wantMessage from asking for a tag
		m.Flags |= codec.FlagNoResponse
		wantMessage(t, m, want)
	}
	wantStats(t, c, 0, 0)
}

func TestPublishRefused(t *testing.T) {
	c, p := newPeer(t)
	ended, end := context.WithCancel(t.Context())
	end()
	for name, tt := range map[string]struct {
		ctx     context.Context
		topic   string
		payload any
		opts    []PublishOption
		want    error
	}{
		"payload is no object": {t.Context(), "a.b", []int{1}, nil, codec.ErrPayload},
		"text with a NUL":      {t.Context(), "a.b", "a\x00b", nil, codec.ErrPayload},
		"topic is not UTF-8":   {t.Context(), "a.\xff", nil, nil, nil},
		"ctx has ended":        {ended, "a.b", nil, nil, context.Canceled},
		"direct, NUL in topic": {t.Context(), "a\x00b", nil, []PublishOption{Unconfirmed()}, codec.ErrUnsendable},
		"direct, ctx ended":    {ended, "a.b", nil, []PublishOption{Unconfirmed()}, context.Canceled},
		"direct, payload":      {t.Context(), "a.b", []int{1}, []PublishOption{Unconfirmed()}, codec.ErrPayload},
	} {
		seq, err := c.Publish(tt.ctx, tt.topic, tt.payload, tt.opts...)
		switch {
		case err == nil || seq != 0:
			t.Errorf("%s: %d, %v, want an error", name, seq, err)
		case tt.want != nil && !errors.Is(err, tt.want):
			t.Errorf("%s: error is %v, want %v", name, err, tt.want)
		case SafeToRetry(err) != (tt.want == context.Canceled):
			t.Errorf("%s: %v is safe to retry: %t", name, err, SafeToRetry(err))
		}
	}
	p.WantNothing(c)
	wantStats(t, c, 0, 0)
}

// What the broker says about a publish keeps its errno and text.
func TestPublishErrors(t *testing.T) {
	c, p := newPeer(t)
	done := publishing(c, t.Context(), "a.b", nil)
	p.Refuse(p.Recv(), uint32(EPERM), "not for guests")
	err := <-done
	wantRemote(t, err, Error{"event.publish", EPERM, "not for guests"})
	if !strings.Contains(err.Error(), "a.b") {
		t.Errorf("error %q does not name the event", err)
	}
	for name, reply := range map[string]any{
		"none": nil, "text": "seq", "without seq": json.RawMessage(`{}`), "no number": json.RawMessage(`{"seq":"x"}`),
		"too large": json.RawMessage(`{"seq":4294967296}`),
	} {
		done := publishing(c, t.Context(), "a.b", nil)
		p.Respond(p.Recv(), reply)
		if err := <-done; err == nil || !strings.Contains(err.Error(), "a.b") || SafeToRetry(err) {
			t.Errorf("response %s: error is %v, want one that names the event and is not safe to retry", name, err)
		}
	}
}

// A broker that knows publishing by its old name is asked by that from then on.
func TestPublishOldName(t *testing.T) {
	c, p := newPeer(t)
	step := func(done <-chan error, want error, answers ...any) {
		t.Helper()
		for i := 0; i < len(answers); i += 2 {
			m := p.Want(answers[i].(string))
			if m.NodeID != 0 {
				t.Errorf("%s went to %d, want rank 0", m.Topic, m.NodeID)
			}
			if errno, ok := answers[i+1].(Errno); ok {
				p.Refuse(m, uint32(errno), "")
			} else {
				p.Respond(m, answers[i+1])
			}
		}
		if err := <-done; want != nil {
			wantErr(t, err, want)
		} else if err != nil {
			t.Error(err)
		}
	}
	seq := json.RawMessage(`{"seq":3}`)
	publish := func() <-chan error { return publishing(c, t.Context(), "a.b", nil) }
	// Neither name: the first refusal counts, nothing is remembered.
	step(publish(), ENOSYS, publishTopic, ENOSYS, publishTopicOld, ENOSYS)
	// Another refusal is no reason to try again.
	step(publish(), EPERM, publishTopic, EPERM)
	step(publish(), nil, publishTopic, ENOSYS, publishTopicOld, seq)
	step(publish(), nil, publishTopicOld, seq)
	step(publish(), EPERM, publishTopicOld, EPERM)
	// After a reconnect it may be another broker.
	step(publish(), nil, publishTopicOld, ENOSYS, publishTopic, seq)
	step(publish(), nil, publishTopic, seq)
	// The old name refuses the event itself: it is the right name all the same.
	step(publish(), EPERM, publishTopic, ENOSYS, publishTopicOld, EPERM)
	step(publish(), nil, publishTopicOld, seq)
	p.WantNothing(c)
}

// A local failure of the second try teaches nothing.
func TestPublishOldNameInterrupted(t *testing.T) {
	c, p := newPeer(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := publishing(c, ctx, "a.b", nil)
	p.Refuse(p.Want(publishTopic), uint32(ENOSYS), "")
	p.Want(publishTopicOld)
	cancel()
	wantErr(t, <-done, context.Canceled)
	publishing(c, t.Context(), "a.b", nil)
	p.Want(publishTopic)
}

// shoutingCodec is no JSON codec at all.
type shoutingCodec struct{ t *testing.T }

func (s shoutingCodec) Marshal(v any) ([]byte, error) {
	if p, ok := v.(point); ok && p.X == 7 {
		return []byte(`{"seven":true}`), nil
	}
	s.t.Errorf("the payload codec got %T", v)
	return nil, errors.New("no")
}

func (s shoutingCodec) Unmarshal(data []byte, v any) error {
	if p, ok := v.(*point); ok {
		p.X = 7
		return nil
	}
	s.t.Errorf("the payload codec got %T", v)
	return errors.New("no")
}

// The user's codec is for the user's values, not for the library's messages.
func TestEventsWithPayloadCodec(t *testing.T) {
	c, p := servePeer(t, peertest.NewEventBroker().Handle, WithPayloadCodec(shoutingCodec{t}))
	_ = p
	events := mustSubscribe(t, c, t.Context(), "a")
	if seq, err := c.Publish(t.Context(), "a.b", point{X: 7}); err != nil || seq != 1 {
		t.Errorf("published %d, %v", seq, err)
	}
	e := at(t, events)
	if s, err := e.Text(); err != nil || s != `{"seven":true}` {
		t.Errorf("payload is %q, %v", s, err)
	}
	var got point
	if err := e.Decode(&got); err != nil || got.X != 7 {
		t.Errorf("decoded %+v, %v", got, err)
	}
}

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
	for _, s := range c.c.matched[:cap(c.c.matched)] {
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
		m := p.Recv()
		wantMessage(t, m, wireRequest("event.subscribe", "{\"topic\":\"a\"}\x00"))
		second := subscribing(c, ctx, "a") // shares the request
		synctest.Wait()
		if len(first)+len(second) > 0 {
			t.Fatal("Subscribe returned before the broker answered")
		}
		p.Event("a.early", 1, nil, 0) // not promised
		p.Respond(m, nil)
		p.Event("a.b", 2, nil, 0)
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
		p.WantNothing(c)
		cancel()
		wantMessage(t, p.Recv(), wireRequest("event.unsubscribe", "{\"topic\":\"a\"}\x00"))
		for _, s := range []subscribed{one, two, third} {
			if e, ok := <-s.events; ok {
				t.Errorf("received %q, %v, want the end", e.Topic(), e.Err())
			}
		}
		p.WantNothing(c)
	})
}

// Any number of subscribers of a prefix cost one subscription, which the last
// one gives back; prefixes that overlap are different ones.
func TestSubscribeCountsOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := peertest.NewEventBroker()
		c, _ := servePeer(t, b.Handle)
		var cancels []context.CancelFunc
		open := func(prefix string) <-chan Event {
			ctx, cancel := context.WithCancel(t.Context())
			cancels = append(cancels, cancel)
			return mustSubscribe(t, c, ctx, prefix)
		}
		all := []<-chan Event{open("job"), open("job"), open("job"), open("job.x"), open(""), open("")}
		wantItems(t, b.TakeRequests(), []string{"+job", "+job.x", "+"})
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
			wantItems(t, b.TakeRequests(), [][]string{nil, nil, {"-job"}, {"-job.x"}, nil, {"-"}}[i])
		}
		wantEmpty(t, c)
	})
}

// Subscribing and unsubscribing keep their order on the wire.
func TestResubscribe(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := peertest.NewEventBroker()
		c, _ := servePeer(t, b.Handle)
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
		wantItems(t, b.TakeRequests(), strings.Fields("+a -a +a -a +a -a +a -a +a -a"))
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
	p.WantNothing(c)
	wantEmpty(t, c)
}

// The broker's refusal fails all that wait for it and nobody who comes later.
func TestSubscribeError(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t)
		first := subscribing(c, t.Context(), "a")
		m := p.Want("event.subscribe")
		second := subscribing(c, t.Context(), "a")
		other := subscribing(c, t.Context(), "b")
		otherReq := p.Want("event.subscribe")
		synctest.Wait()
		p.Refuse(m, uint32(EPERM), "not today")
		for _, done := range []<-chan subscribed{first, second} {
			s := <-done
			wantRemote(t, s.err, Error{"event.subscribe", EPERM, "not today"})
			if s.events != nil {
				t.Error("a channel comes with the error")
			}
		}
		p.Respond(otherReq, nil)
		if s := <-other; s.err != nil {
			t.Errorf("the other prefix failed, too: %v", s.err)
		}
		again := subscribing(c, t.Context(), "a")
		p.Respond(p.Want("event.subscribe"), nil)
		s := <-again
		if s.err != nil {
			t.Fatal(s.err)
		}
		p.Event("a.b", 1, nil, 0)
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
		m := p.Want("event.subscribe")
		s := <-gone
		wantErr(t, s.err, context.DeadlineExceeded, errBored)
		p.WantNothing(c)
		p.Respond(m, nil)
		p.Respond(p.Want("event.unsubscribe"), nil)
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
		m := p.Want("event.subscribe")
		cancel()
		wantErr(t, (<-gone).err, context.Canceled)
		late := subscribing(c, t.Context(), "a")
		synctest.Wait()
		p.Respond(m, nil)
		s := <-late
		if s.err != nil {
			t.Fatal(s.err)
		}
		p.Event("a", 1, nil, 0)
		if e := <-s.events; e.Seq() != 1 {
			t.Errorf("received %v", e.Err())
		}
		p.WantNothing(c)
	})
}

// Whether the connection is closed or lost, those that wait learn it.
func TestSubscribeConnectionEndsInWait(t *testing.T) {
	for want, end := range map[error]func(c *Client, p *peertest.Peer){
		ErrClosed:   func(c *Client, p *peertest.Peer) { c.Close() },
		ErrConnLost: func(c *Client, p *peertest.Peer) { p.Close() },
	} {
		inBubble(t, func(t *testing.T) {
			c, p := newPeer(t)
			one, two := subscribing(c, t.Context(), "a"), subscribing(c, t.Context(), "a")
			p.Want("event.subscribe")
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
		p.Event("b", 1, nil, 0)
		p.Event("a.b", 2, nil, 0)
		if e := <-events; e.Seq() != 2 {
			t.Errorf("received number %d, %v, want 2", e.Seq(), e.Err())
		}
		cancel()
		if e, ok := <-events; ok {
			t.Errorf("received %q, want the end", e.Topic())
		}
		p.WantNothing(c)
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
	b := peertest.NewEventBroker()
	c, _ := servePeer(t, b.Handle)
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
	if subs, seq := b.Subscriptions(), b.Seq(); len(subs) != 1 || subs["churn.5"] != 1 || last != seq {
		t.Errorf("the broker has %v and number %d, want churn.5 once and %d", subs, seq, last)
	}
	c.c.mu.Lock()
	if ts := c.c.subs.topics["churn.5"]; len(c.c.subs.topics) != 1 || len(c.c.subs.sizes) != 1 ||
		len(ts.subscribers) != 1 || len(ts.waiting) != 0 {
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
