package flux

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

func TestNotify(t *testing.T) {
	c, p := newPeer(t)
	if err := c.Notify(t.Context(), "log.append", "text"); err != nil {
		t.Fatal(err)
	}
	want := wireRequest("log.append", "text\x00")
	want.Flags |= codec.FlagNoResponse
	wantMessage(t, p.recv(), want)
	wantStats(t, c, 0, 0)
}

// The router answers these whatever their flags, so Notify must not be possible.
func TestNotifyRouterTopics(t *testing.T) {
	c, p := newPeer(t)
	for _, topic := range []string{"event.subscribe", "event.unsubscribe", "service.add", "service.remove"} {
		err := c.Notify(t.Context(), topic, struct{}{})
		if err == nil || !strings.Contains(err.Error(), topic) || SafeToRetry(err) {
			t.Errorf("%s: error is %v, want one that names the topic and is not safe to retry", topic, err)
		}
	}
	p.wantNothing(c)
	if err := c.Notify(t.Context(), "service.addition", nil); err != nil {
		t.Error(err)
	}
	p.want("service.addition")
}

func TestDo(t *testing.T) {
	c, p := newPeer(t, WithUserID(5))
	sent := codec.Message{
		Type: codec.TypeRequest, Flags: codec.FlagTopic | codec.FlagUser1 | codec.FlagUpstream,
		UserID: 99, Rolemask: 2, NodeID: 12, Matchtag: 4711,
		Routes: codec.MakeRoutes("me"), Topic: "a.b", Payload: []byte{1, 2},
	}
	before := sent
	go c.Do(t.Context(), &sent)
	got := p.recv()
	want := before
	want.Flags |= codec.FlagRoute | codec.FlagPayload
	want.Matchtag = 0
	wantMessage(t, got, want)
	if got.Matchtag == before.Matchtag {
		t.Error("the matchtag of the prepared message was used")
	}
}

// A response with routes is for somebody else, so Do of a message with routes
// gets none: the broker leaves the routes below its own in place.
func TestDoRefused(t *testing.T) {
	c, p := newPeer(t)
	quiet := codec.NewRequest("a.b")
	quiet.Flags |= codec.FlagNoResponse
	for name, m := range map[string]*codec.Message{
		"response": codec.NewResponse(codec.NewRequest("a.b")), "event": codec.NewEvent("a.b"),
		"no response wanted": quiet, "zero": {},
	} {
		r, err := c.Do(t.Context(), m)
		if err == nil || !errors.Is(r.Err(), err) || SafeToRetry(err) {
			t.Errorf("%s: error is %v, the response's %v, want one that is not safe to retry", name, err, r.Err())
		}
		if r.Message() != nil {
			t.Errorf("%s: a local error has a message", name)
		}
	}
	p.wantNothing(c)
	wantStats(t, c, 0, 0)
}

func TestSend(t *testing.T) {
	c, p := newPeer(t)
	for _, m := range []codec.Message{
		{Type: codec.TypeRequest, Flags: codec.FlagTopic | codec.FlagRoute, UserID: 1, NodeID: 2, Matchtag: 3, Topic: "a.b"},
		{Type: codec.TypeRequest, Flags: codec.FlagTopic | codec.FlagNoResponse | codec.FlagStreaming, UserID: 1, Topic: "x"},
		{Type: codec.TypeResponse, Flags: codec.FlagTopic | codec.FlagRoute | codec.FlagPayload, UserID: 1, Errnum: 38,
			Matchtag: 9, Routes: codec.MakeRoutes("one", "two"), Topic: "a.b", Payload: []byte("text\x00")},
		{Type: codec.TypeEvent, Flags: codec.FlagTopic | codec.FlagPrivate, UserID: 1, Sequence: 8, Topic: "a.b"},
		{Type: codec.TypeControl, UserID: 1, ControlType: 1, ControlStatus: 2},
	} {
		if err := c.Send(t.Context(), &m); err != nil {
			t.Fatal(err)
		}
		got := p.recv()
		if len(got.Routes) == 0 {
			got.Routes = nil
		}
		wantMessage(t, got, m)
	}
	wantStats(t, c, 0, 0)
	if got := c.Stats().Sent; got != 5 {
		t.Errorf("%d messages sent, want 5", got)
	}
}

func TestSendRefused(t *testing.T) {
	c, p := newPeer(t)
	ended, end := context.WithCancel(t.Context())
	end()
	err := c.Send(ended, codec.NewRequest("a.b"))
	wantErr(t, err, context.Canceled)
	if !SafeToRetry(err) {
		t.Errorf("%v is not safe to retry, though nothing was sent", err)
	}
	err = c.Send(t.Context(), &codec.Message{Type: 3, Topic: "a.b"})
	wantErr(t, err, codec.ErrUnsendable)
	if SafeToRetry(err) {
		t.Errorf("%v is said to be safe to retry", err)
	}
	p.wantNothing(c)
}

// The response to a request that went out by Send finds nobody.
func TestSendResponseIsStray(t *testing.T) {
	c, p := newPeer(t)
	if err := c.Send(t.Context(), codec.NewRequest("a.b")); err != nil {
		t.Fatal(err)
	}
	p.respond(p.recv(), nil)
	reply := c.Go(t.Context(), "a.c", nil)
	p.respond(p.recv(), nil)
	if err := (<-reply).Err(); err != nil {
		t.Error(err)
	}
	if s := c.Stats(); s.Stray != 1 || s.Responses != 1 {
		t.Errorf("%+v, want one stray response and one for the call", s)
	}
}
