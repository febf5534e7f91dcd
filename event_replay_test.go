package flux

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
)

// wantedEvent is what an event must be.
type wantedEvent struct {
	topic   string
	seq     uint32
	payload string
	private bool
	userid  uint32
	roles   Role
}

// at receives an event that must have been delivered already.
func at(t testing.TB, events <-chan Event) Event {
	t.Helper()
	select {
	case e, ok := <-events:
		if !ok {
			t.Fatal("the subscription has ended")
		}
		return e
	default:
		t.Fatal("no event is there")
	}
	return Event{}
}

func (w wantedEvent) check(t testing.TB, e Event) {
	t.Helper()
	b, err := e.Bytes()
	got := wantedEvent{e.Topic(), e.Seq(), string(b), e.Private(), e.UserID(), e.Roles()}
	if err != nil || got != w {
		t.Errorf("event is %+v, %v, want %+v", got, err, w)
	}
	if has := e.Message().HasPayload(); has != (w.payload != "") {
		t.Errorf("the payload part is %t with payload %q", has, w.payload)
	}
}

func mustSubscribe(t testing.TB, c *Client, ctx context.Context, prefix string, opts ...SubscribeOption) <-chan Event {
	t.Helper()
	events, err := c.Subscribe(ctx, prefix, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// wantPublish publishes and compares the number.
func wantPublish(t testing.TB, c *Client, seq uint32, topic string, payload any, opts ...PublishOption) {
	t.Helper()
	if got, err := c.Publish(t.Context(), topic, payload, opts...); got != seq || err != nil {
		t.Errorf("publishing %s gives %d, %v, want %d", topic, got, err, seq)
	}
}

// wantNoEvent fails the test if there is anything to receive.
func wantNoEvent(t testing.TB, events <-chan Event) {
	t.Helper()
	synctest.Wait()
	select {
	case e, ok := <-events:
		t.Errorf("received %q, %v, %t, want nothing", e.Topic(), e.Err(), ok)
	default:
	}
}

// wantUnsubscribed ends a subscription and waits until the broker has answered.
func wantUnsubscribed(t testing.TB, c *Client, cancel func(), events <-chan Event) {
	t.Helper()
	cancel()
	for e := range events {
		t.Errorf("received %q, %v, want a clean end", e.Topic(), e.Err())
	}
	synctest.Wait()
	wantStats(t, c, 0, 0)
}

type hello struct {
	Hello string `json:"hello"`
	N     int    `json:"n"`
}

func TestReplayEventJSON(t *testing.T) {
	replay{file: "event-json"}.run(t, func(t *testing.T, c *Client) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		events := mustSubscribe(t, c, ctx, "scn.json")
		wantPublish(t, c, 6, "scn.json.a", hello{"world", 42})
		e := at(t, events) // before Publish returned
		wantedEvent{"scn.json.a", 6, "{\"hello\":\"world\",\"n\":42}\x00", false, 0, RoleOwner | RoleLocal}.check(t, e)
		var got hello
		if err := e.DecodeStrict(&got); err != nil || got != (hello{"world", 42}) {
			t.Errorf("payload is %+v, %v", got, err)
		}
		wantUnsubscribed(t, c, cancel, events)
		wantPublish(t, c, 7, "scn.json.b", struct{}{})
		_, err := c.Call(t.Context(), "event.unsubscribe", subscribeRequest{"scn.json"})
		wantRemote(t, err, Error{"event.unsubscribe", ENOENT, ""})
	})
}

// The same over ssh, which changes nothing.
func TestReplayEventOverRelay(t *testing.T) {
	replay{file: "ssh-relay"}.run(t, func(t *testing.T, c *Client) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		events := mustSubscribe(t, c, ctx, "scn.json")
		seq, err := c.Publish(t.Context(), "scn.json.a", hello{"world", 42})
		if e := at(t, events); err != nil || e.Seq() != seq || e.Topic() != "scn.json.a" {
			t.Errorf("published %d, %v, received %d %q", seq, err, e.Seq(), e.Topic())
		}
		wantUnsubscribed(t, c, cancel, events)
		wantPublish(t, c, seq+1, "scn.json.b", struct{}{})
		_, err = c.Call(t.Context(), "event.unsubscribe", subscribeRequest{"scn.json"})
		wantErr(t, err, ENOENT)
	})
}

func TestReplayEventRaw(t *testing.T) {
	replay{file: "event-raw"}.run(t, func(t *testing.T, c *Client) {
		raw := make([]byte, 256)
		for i := range raw {
			raw[i] = byte(i)
		}
		events := mustSubscribe(t, c, t.Context(), "scn.raw")
		wantPublish(t, c, 9, "scn.raw", raw)
		e := at(t, events)
		if b, err := e.Bytes(); err != nil || !bytes.Equal(b, raw) {
			t.Errorf("payload is %q, %v", b, err)
		}
		if _, err := e.Text(); err == nil {
			t.Error("raw bytes without a NUL pass for text")
		}
		wantPublish(t, c, 10, "scn.raw", []byte{0})
		if s, err := at(t, events).Text(); s != "" || err != nil {
			t.Errorf("one NUL is the text %q, %v, want an empty one", s, err)
		}
	})
	// An empty text is that one NUL.
	replay{file: "event-raw"}.run(t, func(t *testing.T, c *Client) {
		mustSubscribe(t, c, t.Context(), "scn.raw")
		raw := make([]byte, 256)
		for i := range raw {
			raw[i] = byte(i)
		}
		wantPublish(t, c, 9, "scn.raw", raw)
		wantPublish(t, c, 10, "scn.raw", "")
	})
}

func TestReplayEventNoPayload(t *testing.T) {
	for name, payload := range map[string]any{"nil": nil, "empty bytes": []byte{}} {
		t.Run(name, func(t *testing.T) {
			replay{file: "event-nopayload"}.run(t, func(t *testing.T, c *Client) {
				events := mustSubscribe(t, c, t.Context(), "scn.none")
				wantPublish(t, c, 11, "scn.none", payload)
				e := at(t, events)
				wantedEvent{"scn.none", 11, "", false, 0, RoleOwner | RoleLocal}.check(t, e)
				wantErr(t, e.Decode(new(hello)), ErrNoPayload)
			})
		})
	}
}

func TestReplayEventPrivate(t *testing.T) {
	replay{file: "event-private"}.run(t, func(t *testing.T, c *Client) {
		events := mustSubscribe(t, c, t.Context(), "scn.priv")
		wantPublish(t, c, 12, "scn.priv", map[string]int{"secret": 1}, Private())
		wantedEvent{"scn.priv", 12, "{\"secret\":1}\x00", true, 0, RoleOwner | RoleLocal}.check(t, at(t, events))
	})
}

func TestReplayEventDirect(t *testing.T) {
	for file, roles := range map[string]Role{"event-direct": RoleOwner | RoleLocal, "event-direct-rank3": RoleOwner} {
		t.Run(file, func(t *testing.T) {
			replay{file: file}.run(t, func(t *testing.T, c *Client) {
				events := mustSubscribe(t, c, t.Context(), "scn.direct")
				seq := uint32(13)
				if file != "event-direct" {
					seq = 15
				}
				wantPublish(t, c, 0, "scn.direct", map[string]int{"d": 1}, Unconfirmed())
				wantedEvent{"scn.direct", seq, "{\"d\":1}\x00", false, 0, roles}.check(t, <-events)
				wantPublish(t, c, 0, "scn.direct.priv", map[string]int{"d": 2}, Unconfirmed(), Private())
				wantedEvent{"scn.direct.priv", seq + 1, "{\"d\":2}\x00", true, 0, roles}.check(t, <-events)
				wantStats(t, c, 0, 0)
			})
		})
	}
}

func TestReplayEventHeartbeat(t *testing.T) {
	replay{file: "event-heartbeat"}.run(t, func(t *testing.T, c *Client) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		events := mustSubscribe(t, c, ctx, "heartbeat")
		wantedEvent{"heartbeat.pulse", 87, "", false, 0, RoleOwner | RoleLocal}.check(t, <-events)
		wantUnsubscribed(t, c, cancel, events)
	})
}

// The broker counts what is subscribed twice. This client asks once for a
// prefix; the rest of the recorded requests are made by hand.
func TestReplayEventUseCount(t *testing.T) {
	replay{file: "event-usecount"}.run(t, func(t *testing.T, c *Client) {
		byHand := func(topic, prefix string) error {
			_, err := c.Call(t.Context(), topic, subscribeRequest{prefix})
			return err
		}
		dupCtx, dupCancel := context.WithCancel(t.Context())
		defer dupCancel()
		scnCtx, scnCancel := context.WithCancel(t.Context())
		defer scnCancel()
		dup := mustSubscribe(t, c, dupCtx, "scn.dup")
		if err := byHand("event.subscribe", "scn.dup"); err != nil {
			t.Error(err)
		}
		scn := mustSubscribe(t, c, scnCtx, "scn")
		wantPublish(t, c, 17, "scn.dup.1", nil)
		for _, events := range []<-chan Event{dup, scn} {
			wantedEvent{"scn.dup.1", 17, "", false, 0, RoleOwner | RoleLocal}.check(t, at(t, events))
			wantNoEvent(t, events) // once each
		}
		wantUnsubscribed(t, c, scnCancel, scn)
		if err := byHand("event.unsubscribe", "scn.dup"); err != nil {
			t.Error(err)
		}
		wantPublish(t, c, 18, "scn.dup.2", nil)
		wantedEvent{"scn.dup.2", 18, "", false, 0, RoleOwner | RoleLocal}.check(t, at(t, dup))
		wantUnsubscribed(t, c, dupCancel, dup)
		wantPublish(t, c, 19, "scn.dup.3", nil)
		if _, err := c.Rank(t.Context()); err != nil {
			t.Error(err)
		}
		wantErr(t, byHand("event.unsubscribe", "scn.dup"), ENOENT)
		allCtx, allCancel := context.WithCancel(t.Context())
		defer allCancel()
		all := mustSubscribe(t, c, allCtx, "")
		wantPublish(t, c, 20, "zzz", nil)
		wantedEvent{"zzz", 20, "", false, 0, RoleOwner | RoleLocal}.check(t, at(t, all))
		wantUnsubscribed(t, c, allCancel, all)
	})
}

func TestReplayEventCLI(t *testing.T) {
	for conn, ops := range map[int]func(t *testing.T, c *Client){
		1: func(t *testing.T, c *Client) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			events := mustSubscribe(t, c, ctx, "cli")
			wantedEvent{"cli.x", 88, "{\"a\":1}\x00", false, 0, RoleOwner | RoleLocal}.check(t, <-events)
			wantedEvent{"cli.priv", 89, "", true, 0, RoleOwner | RoleLocal}.check(t, <-events)
			wantedEvent{"cli.raw", 90, "abc", false, 0, RoleOwner | RoleLocal}.check(t, <-events)
			wantUnsubscribed(t, c, cancel, events)
		},
		2: func(t *testing.T, c *Client) { wantPublish(t, c, 88, "cli.x", map[string]int{"a": 1}) },
		3: func(t *testing.T, c *Client) { wantPublish(t, c, 0, "cli.priv", nil, Unconfirmed(), Private()) },
		4: func(t *testing.T, c *Client) { wantPublish(t, c, 0, "cli.raw", []byte("abc"), Unconfirmed()) },
	} {
		t.Run(fmt.Sprint(conn), func(t *testing.T) { replay{file: "event-cli", conn: conn}.run(t, ops) })
	}
}

// guestRefusals are the requests of guest*.jsonl in front of the events.
func guestRefusals(t *testing.T, c *Client, attr, value string) {
	t.Helper()
	const ownerOnly = "Request requires owner credentials"
	err := c.SetAttr(t.Context(), attr, value)
	wantRemote(t, err, Error{"attr.set", EPERM, ownerOnly})
}

func guestServices(t *testing.T, c *Client) {
	t.Helper()
	call := func(topic, service string) error {
		_, err := c.Call(t.Context(), topic, map[string]string{"service": service})
		return err
	}
	wantRemote(t, call("service.add", "scnguest"), Error{"service.add", EPERM, ""})
	for _, topic := range []string{"service.add", "service.remove"} {
		if err := call(topic, "1234-svc"); err != nil {
			t.Error(err)
		}
	}
}

func TestReplayGuest(t *testing.T) {
	guest := []DialOption{WithUserID(1234), WithRoles(RoleUser)}
	replay{file: "guest", opts: guest}.run(t, func(t *testing.T, c *Client) {
		guestRefusals(t, c, "log-level", "6")
		if rank, err := c.Rank(t.Context()); rank != 0 || err != nil {
			t.Errorf("rank is %d, %v", rank, err)
		}
		_, err := c.Call(t.Context(), "broker.getenv", map[string][]string{"names": {"X"}})
		wantErr(t, err, EPERM)
		guestServices(t, c)
		if err := c.Notify(t.Context(), "attr.set", map[string]string{"name": "a", "value": "b"}); err != nil {
			t.Error(err)
		}
		if _, err := c.Call(t.Context(), "broker.ping", map[string]int{"seq": 0}); err != nil {
			t.Error(err)
		}
		events := mustSubscribe(t, c, t.Context(), "scn.gpriv")
		wantPublish(t, c, 22, "scn.gpriv", struct{}{}, Private())
		wantedEvent{"scn.gpriv", 22, "{}\x00", true, 1234, RoleUser}.check(t, at(t, events))
	})
}

func TestReplayGuestReal(t *testing.T) {
	replay{file: "guest-real"}.run(t, func(t *testing.T, c *Client) {
		if _, err := c.Call(t.Context(), "broker.ping", map[string]int{"seq": 0}); err != nil {
			t.Error(err)
		}
		guestRefusals(t, c, "log-stderr-level", "3")
		stream, err := c.Stream(t.Context(), "log.dmesg", dmesgRequest{})
		if err != nil {
			t.Fatal(err)
		}
		r := <-stream
		wantRemote(t, r.Err(), Error{"log.dmesg", EPERM, "Request requires owner credentials"})
		wantClean(t, stream)
		guestServices(t, c)
		events := mustSubscribe(t, c, t.Context(), "scn.gp")
		wantPublish(t, c, 5, "scn.gp.mine", struct{}{}, Private())
		wantedEvent{"scn.gp.mine", 5, "{}\x00", true, 1234, RoleUser | RoleLocal}.check(t, at(t, events))
		// Number 6 is the owner's private one, which does not come.
		wantedEvent{"scn.gp.end", 7, "", false, 0, RoleOwner | RoleLocal}.check(t, <-events)
		m := codec.NewRequest("broker.ping")
		m.UserID, m.Rolemask = 0, uint32(RoleOwner)
		m.SetPayload([]byte("{\"spoof\":1}\x00"))
		if _, err := c.Do(t.Context(), m); err != nil {
			t.Error(err)
		}
	})
}
