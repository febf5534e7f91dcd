package systemtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

func subscribeTo(t testing.TB, c *flux.Client, ctx context.Context, prefix string,
	opts ...flux.SubscribeOption) <-chan flux.Event {
	t.Helper()
	events, err := c.Subscribe(ctx, prefix, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestBrokerOwnEvents(t *testing.T) {
	both(t, 2, func(t *testing.T, b instance) {
		for rank := range uint32(2) {
			c := dialAt(t, b, rank)
			// Of the other rank's, some may still be on their way.
			prefix := fmt.Sprintf("own%d", rank)
			events := subscribeTo(t, c, t.Context(), prefix)
			other := subscribeTo(t, c, t.Context(), prefix+".even")
			last := uint32(0)
			for i := range 50 {
				topic := prefix + [2]string{".even", ".odd"}[i%2]
				seq, err := c.Publish(soon(t), topic, map[string]int{"i": i})
				if err != nil {
					t.Fatal(err)
				}
				var e flux.Event
				select { // it is here before the publish is answered
				case e = <-events:
				default:
					t.Fatalf("rank %d: event %d is not there when Publish returns", rank, i)
				}
				var got struct{ I int }
				if err := e.DecodeStrict(&got); err != nil || got.I != i || e.Seq() != seq || e.Topic() != topic || seq <= last {
					t.Errorf("rank %d: received %d %q %+v, %v, want %d %q", rank, e.Seq(), e.Topic(), got, err, seq, topic)
				}
				if len(other) != 1-i%2 {
					t.Errorf("rank %d: %d events of the longer prefix", rank, len(other))
				} else if i%2 == 0 {
					<-other
				}
				last = seq
			}
		}
	})
}

func TestBrokerEventPayloads(t *testing.T) {
	both(t, 2, func(t *testing.T, b instance) {
		c := dialAt(t, b, 1)
		events := subscribeTo(t, c, t.Context(), "payload")
		raw := make([]byte, 70000)
		for i := range raw {
			raw[i] = byte(31*i + 7)
		}
		for _, tt := range []struct {
			payload any
			want    string
		}{
			{nil, ""}, {[]byte{}, ""}, {"", "\x00"}, {"text", "text\x00"}, {[]byte{0}, "\x00"},
			{[]byte("abc"), "abc"}, {raw, string(raw)}, {struct{}{}, "{}\x00"},
			{map[string]string{"ü": "<"}, "{\"ü\":\"\\u003c\"}\x00"},
		} {
			for _, private := range []bool{false, true} {
				for _, confirmed := range []bool{false, true} {
					var opts []flux.PublishOption
					if private {
						opts = append(opts, flux.Private())
					}
					if !confirmed {
						opts = append(opts, flux.Unconfirmed())
					}
					seq, err := c.Publish(soon(t), "payload.x", tt.payload, opts...)
					if err != nil {
						t.Fatal(err)
					}
					e := <-events
					got, err := e.Bytes()
					if err != nil || string(got) != tt.want || e.Private() != private || e.Roles()&flux.RoleOwner == 0 {
						t.Errorf("published %.40q, private %t, received %.40q, %t, %s, %v", tt.want, private, got, e.Private(),
							e.Roles(), err)
					}
					if confirmed != (seq != 0) || confirmed && seq != e.Seq() {
						t.Errorf("published number %d, received %d", seq, e.Seq())
					}
				}
			}
		}
	})
}

// eventsEnv makes TestBrokerEventsAcross send so many each way.
const eventsEnv = "FLUX_TEST_EVENTS"

func manyEvents(t *testing.T) int {
	if s := os.Getenv(eventsEnv); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("%s: %v", eventsEnv, err)
		}
		return n
	}
	if testing.Short() {
		return 300
	}
	return 3000
}

// Events from one end of the instance arrive at the other, all of them, in
// order. That holds for either way of publishing, not for both mixed: a real
// broker lets a confirmed event overtake an unconfirmed one.
func TestBrokerEventsAcross(t *testing.T) {
	both(t, 4, func(t *testing.T, b instance) {
		n := manyEvents(t)
		for name, opts := range map[string][]flux.PublishOption{"confirmed": nil, "unconfirmed": {flux.Unconfirmed()}} {
			for _, tt := range []struct{ from, to uint32 }{{3, 0}, {0, 3}} {
				t.Run(fmt.Sprint(name, " ", tt.from, " to ", tt.to), func(t *testing.T) {
					publisher, subscriber := dialAt(t, b, tt.from), dialAt(t, b, tt.to)
					topic := fmt.Sprint("across.", name, tt.from) // the others' may still be on their way
					events := subscribeTo(t, subscriber, t.Context(), topic)
					ctx := soon(t)
					var wg sync.WaitGroup
					defer wg.Wait()
					wg.Go(func() {
						for i := range n {
							if _, err := publisher.Publish(ctx, topic, map[string]int{"i": i}, opts...); err != nil {
								t.Error(err)
								return
							}
						}
					})
					last := uint32(0)
					for i := range n {
						e := <-events
						var got struct{ I int }
						if err := e.Decode(&got); err != nil || got.I != i || e.Seq() <= last {
							t.Fatalf("received event %d, number %d, %v, want event %d", got.I, e.Seq(), err, i)
						}
						last = e.Seq()
					}
				})
			}
		}
	})
}

// subscriber is one subscriber of the property test, and what it is to receive.
type subscriber struct {
	prefix string
	events <-chan flux.Event
	cancel context.CancelFunc
	since  uint32 // the last number published before it was there
	want   []uint32
}

// receive receives the next event that was published while it was there. What
// was on its way to its client before may come, too.
func (s *subscriber) receive() flux.Event {
	for {
		if e := <-s.events; e.Err() != nil || e.Seq() > s.since {
			return e
		}
	}
}

// Subscribers come and go at all ranks; each receives exactly what is published
// while it is there.
func TestBrokerEventProperty(t *testing.T) {
	both(t, 3, func(t *testing.T, b instance) {
		steps := 1500
		if testing.Short() {
			steps = 200
		}
		r := rand.New(rand.NewPCG(13, 14))
		ctx := soon(t)
		var clients []*flux.Client
		for rank := range uint32(3) {
			clients = append(clients, dialAt(t, b, rank), dialAt(t, b, rank))
		}
		prefixes := []string{"p", "p.a", "p.a.b", "p.b", "p.ab"}
		topics := []string{"p", "p.a", "p.a.b", "p.a.b.c", "p.ab", "p.b", "p.x"}
		var subs []*subscriber
		last := uint32(0)
		publish := func(topic string) {
			seq, err := clients[r.IntN(len(clients))].Publish(ctx, topic, nil)
			if err != nil {
				t.Fatal(err)
			}
			last = seq
			for _, s := range subs {
				if strings.HasPrefix(topic, s.prefix) {
					s.want = append(s.want, seq)
				}
			}
		}
		end := func(i int) {
			s := subs[i]
			publish(s.prefix) // the last that it can see
			for _, want := range s.want {
				if e := s.receive(); e.Err() != nil || e.Seq() != want {
					t.Fatalf("prefix %q: received number %d, %v, want %d", s.prefix, e.Seq(), e.Err(), want)
				}
			}
			s.cancel()
			for e := range s.events {
				t.Fatalf("prefix %q: received number %d, %v, want nothing", s.prefix, e.Seq(), e.Err())
			}
			subs = append(subs[:i], subs[i+1:]...)
		}
		for range steps {
			switch n := r.IntN(100); {
			case n < 20 || len(subs) == 0:
				s := &subscriber{prefix: prefixes[r.IntN(len(prefixes))], since: last}
				var subCtx context.Context
				subCtx, s.cancel = context.WithCancel(ctx)
				s.events = subscribeTo(t, clients[r.IntN(len(clients))], subCtx, s.prefix)
				subs = append(subs, s)
			case n < 38:
				end(r.IntN(len(subs)))
			default:
				publish(topics[r.IntN(len(topics))])
			}
		}
		for len(subs) > 0 {
			end(0)
		}
		for _, c := range clients {
			noTags(t, c)
		}
	})
}

// localClients asks the local connector of a rank who is connected.
func localClients(t *testing.T, c *flux.Client) int {
	t.Helper()
	stats, err := flux.CallAs[struct {
		Server struct{ Clients []struct{} }
	}](soon(t), c, "connector-local.stats-get", nil)
	if err != nil {
		t.Fatal(err)
	}
	return len(stats.Server.Clients)
}

// Subscriptions that come and go leave nothing behind, and Close no connection.
func TestBrokerEventChurn(t *testing.T) {
	both(t, 1, func(t *testing.T, b instance) {
		cycles := 10000
		if testing.Short() {
			cycles = 500
		}
		observer := dialAt(t, b, 0)
		before := localClients(t, observer)
		c := dialAt(t, b, 0)
		stream, err := c.Stream(context.Background(), "log.dmesg", dmesgQuery{Follow: true})
		if err != nil {
			t.Fatal(err)
		}
		for i := range cycles {
			ctx, cancel := context.WithCancel(soon(t))
			events := subscribeTo(t, c, ctx, fmt.Sprint("churn.", i%10))
			cancel()
			for range events {
			}
		}
		// What is not subscribed to any more cannot be unsubscribed.
		for i := range 10 {
			_, err := c.Call(soon(t), "event.unsubscribe", map[string]string{"topic": fmt.Sprint("churn.", i)})
			if !errors.Is(err, flux.ENOENT) {
				t.Errorf("churn.%d is still subscribed: %v", i, err)
			}
		}
		if s := c.Stats(); s.Live != 1 || s.Retired != 0 {
			t.Errorf("%+v, want the log's tag alone", s)
		}
		if fb, ok := b.(*fluxtest.Broker); ok {
			for _, conn := range fb.Conns() {
				if subs := conn.Subscriptions(); len(subs) > 0 {
					t.Errorf("connection %d is still subscribed to %q", conn.Number(), subs)
				}
			}
		}
		subscribeTo(t, c, context.Background(), "kept")
		c.Close()
		for range stream {
		}
		await(t, observer, "the connection is gone", func() bool { return localClients(t, observer) == before })
	})
}

// The tools see our events and we see theirs.
func TestRealEventTools(t *testing.T) {
	b := fluxtest.Real(t, 2)
	c := dialAt(t, b, 1)
	events := subscribeTo(t, c, t.Context(), "tool")
	tool := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(soon(t), "flux", args...)
		cmd.Env = append(cmd.Environ(), "FLUX_URI="+b.URI())
		return cmd
	}
	if out, err := tool("event", "pub", "tool.hello", `{"a":1}`).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got struct{ A int }
	if e := <-events; e.Decode(&got) != nil || got.A != 1 || e.Topic() != "tool.hello" {
		t.Errorf("received %q %+v, %v", e.Topic(), got, e.Err())
	}
	sub := tool("event", "sub", "--count=1", "ours")
	out, err := sub.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sub.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(soon(t))
	defer cancel()
	go func() { // it does not say when it has subscribed
		for ctx.Err() == nil {
			c.Publish(ctx, "ours.hello", map[string]int{"b": 2})
		}
	}()
	line := make([]byte, 200)
	n, _ := out.Read(line)
	if s := string(line[:n]); !strings.Contains(s, "ours.hello") || !strings.Contains(s, `"b"`) {
		t.Errorf("flux event sub printed %q", s)
	}
	cancel()
	if err := sub.Wait(); err != nil {
		t.Error(err)
	}
}

// A private event of another user does not arrive.
func TestBrokerPrivateEvents(t *testing.T) {
	b := fluxtest.New(t, fluxtest.AllowGuests())
	owner := b.Client()
	guest := b.ClientAs([]fluxtest.DialOption{fluxtest.AsGuest(1234)})
	other := b.ClientAs([]fluxtest.DialOption{fluxtest.AsGuest(1235)})
	clients := []*flux.Client{owner, guest, other}
	var subs []<-chan flux.Event
	for _, c := range clients {
		subs = append(subs, subscribeTo(t, c, t.Context(), "p"))
	}
	for i, c := range clients {
		for _, topic := range []string{"p.private", "p.open"} {
			var opts []flux.PublishOption
			if topic == "p.private" {
				opts = append(opts, flux.Private())
			}
			seq, err := c.Publish(soon(t), topic, nil, opts...)
			if err != nil {
				t.Fatal(err)
			}
			for j, events := range subs {
				if topic == "p.private" && j != i && j != 0 {
					continue // neither its own nor the owner
				}
				if e := <-events; e.Seq() != seq || e.Private() != (topic == "p.private") ||
					e.Roles()&flux.RoleOwner != 0 != (i == 0) {
					t.Errorf("client %d received %d %q of %s, want %d of client %d", j, e.Seq(), e.Topic(), e.Roles(), seq, i)
				}
			}
		}
	}
}
