package service_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/jansson"
	"github.com/flux-sdk/flux/fluxtest/internal/router"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
	"github.com/flux-sdk/flux/internal/framing"
	"github.com/flux-sdk/flux/transport"
)

// newHello is the service of the package's doc.
func newHello(b service.Broker) *service.Service {
	return &service.Service{Name: "hello", Module: true, Methods: map[string]service.Method{
		"greet": {Allow: flux.RoleUser, Serve: func(r *service.Request) {
			name, ok := r.Object().Str("name")
			if !ok {
				r.Fail(flux.EPROTO, "")
				return
			}
			r.Respond(map[string]any{"text": "hello " + name, "rank": r.Rank(), "size": b.Size()})
		}},
	}}
}

// watch is a service on rank 0 that answers later.
type watch struct {
	b service.Broker

	mu      sync.Mutex
	waiting service.Pending // guarded by mu
	lost    []uint32        // guarded by mu
	gone    int             // guarded by mu
}

func newWatch(b service.Broker) *watch { return &watch{b: b} }

func (w *watch) service() *service.Service {
	locked := func(serve func(r *service.Request)) service.Method {
		return service.Method{Allow: flux.RoleUser, Serve: func(r *service.Request) {
			w.mu.Lock()
			defer w.mu.Unlock()
			serve(r)
		}}
	}
	return &service.Service{
		Name: "watch", Module: true,
		Ranks:    func(rank uint32) bool { return rank == 0 },
		RankLost: w.rankLost,
		Methods: map[string]service.Method{
			"wait": locked(func(r *service.Request) { w.waiting.Add(r.Keep()) }),
			"set": locked(func(r *service.Request) {
				r.Publish(codec.NewEvent("watch.set"))
				for waiter := range w.waiting.All() {
					waiter.RespondBytes(r.Payload())
				}
				r.OK()
			}),
			"later": {Serve: func(r *service.Request) {
				kept := r.Keep()
				w.b.Go(func(ctx context.Context) {
					select {
					case <-time.After(time.Hour):
						kept.Respond(map[string]bool{"owner": kept.Owner()})
					case <-ctx.Done():
						kept.Fail(flux.ECANCELED, context.Cause(ctx).Error())
					}
				})
			}},
			"cancel": locked(func(r *service.Request) {
				if stream := w.waiting.Cancel(r); stream != nil {
					stream.End()
				}
			}),
			"disconnect": locked(func(r *service.Request) { w.gone += len(w.waiting.Disconnect(r)) }),
		},
	}
}

func (w *watch) rankLost(rank uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost = append(w.lost, rank)
}

type noScripts struct{}

func (noScripts) Take(*router.Rank, *codec.Message, *router.Batch) bool { return false }
func (noScripts) Any() bool                                             { return false }
func (noScripts) HasService(string, uint32) bool                        { return false }
func (noScripts) Services(uint32) []string                              { return nil }
func (noScripts) Notice(*codec.Message) bool                            { return false }

// start starts an instance of 3 ranks with both services.
func start(t *testing.T) (*router.Instance, *watch) {
	var wg sync.WaitGroup
	done := make(chan struct{})
	inst := router.New(router.Config{
		Size: 3, FanOut: 1, Scripts: noScripts{}, Done: done,
		Start: func(f func()) bool { wg.Go(f); return true },
	}).NewInstance()
	w := newWatch(inst)
	inst.Add(newHello(inst), w.service())
	if err := inst.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		inst.Stop()
		close(done)
		wg.Wait()
	})
	return inst, w
}

// client is a connection of a client.
type client struct {
	t    *testing.T
	conn transport.Conn
}

func connect(t *testing.T, inst *router.Instance, rank, roles uint32) *client {
	t.Helper()
	near, far := framing.BytePipe()
	go inst.Ranks()[rank].Welcome(far, router.Peer{UserID: 7, Roles: roles})
	if _, err := near.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	conn := transport.NewConn(near, transport.Config{})
	t.Cleanup(func() { conn.Close() })
	return &client{t, conn}
}

func (c *client) send(topic string, tag uint32, flags codec.Flags, payload string) {
	c.t.Helper()
	m := codec.NewRequest(topic)
	m.Matchtag = tag
	m.Flags |= flags
	if payload != "" {
		m.SetPayload([]byte(payload + "\x00"))
	}
	if err := c.conn.Send(c.t.Context(), m); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) want(tag uint32, errno flux.Errno, text string) {
	c.t.Helper()
	var m codec.Message
	if err := c.conn.Recv(&m); err != nil {
		c.t.Fatal(err)
	}
	if got := strings.TrimSuffix(string(m.Payload), "\x00"); m.Matchtag != tag || m.Errnum != uint32(errno) ||
		got != text {
		c.t.Errorf("%s %d: errno %d, %q, want %d: %d, %q", m.Topic, m.Matchtag, m.Errnum, got, tag, errno, text)
	}
}

func TestService(t *testing.T) {
	inst, _ := start(t)
	low := connect(t, inst, 2, uint32(flux.RoleUser))
	low.send("hello.greet", 1, 0, `{"name":"you"}`)
	low.want(1, 0, `{"rank":2,"size":3,"text":"hello you"}`)
	low.send("hello.greet", 2, 0, `{"name":1}`)
	low.want(2, flux.EPROTO, "")
	low.send("hello.greet", 3, codec.FlagNoResponse, `{"name":"you"}`)
	low.send("hello.nosuch", 4, 0, "")
	low.want(4, flux.ENOSYS, "Unknown service method 'hello.nosuch'")
	low.send("hello", 5, 0, "")
	low.want(5, flux.ENOSYS, "Unknown service method 'hello'")
	low.send("watch.later", 6, 0, "") // at rank 0, where alone the service is
	low.want(6, flux.EPERM, "Request requires owner credentials")
	stranger := connect(t, inst, 0, uint32(flux.RoleAdmin))
	stranger.send("hello.greet", 7, 0, `{"name":"you"}`)
	stranger.want(7, flux.EPERM, "Request rejected due to insufficient privilege")
	if modules := inst.Ranks()[1].Modules(); len(modules) != 1 || modules[0] != "hello" {
		t.Errorf("modules of rank 1: %q", modules)
	}
}

// A request that is kept is answered any number of times, from other goroutines
// and after its method has returned, until it is cancelled or its client goes.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inst, w := start(t)
		waiter, other := connect(t, inst, 2, uint32(flux.RoleUser)), connect(t, inst, 1, uint32(flux.RoleUser))
		setter := connect(t, inst, 0, uint32(flux.RoleOwner))
		for tag := range uint32(2) {
			waiter.send("watch.wait", tag+1, codec.FlagStreaming, "")
		}
		other.send("watch.wait", 1, codec.FlagStreaming, "")
		synctest.Wait()
		for n, text := range []string{`{"a":1}`, `{"a":2}`} {
			setter.send("watch.set", uint32(n+1), 0, text)
			setter.want(uint32(n+1), 0, "")
			waiter.want(1, 0, text)
			waiter.want(2, 0, text)
			other.want(1, 0, text)
		}
		// Nobody ends the requests of others, nor what there is not.
		other.send("watch.cancel", 0, codec.FlagNoResponse, `{"matchtag":2}`)
		waiter.send("watch.cancel", 0, codec.FlagNoResponse, `{"matchtag":3}`)
		waiter.send("watch.cancel", 0, codec.FlagNoResponse, `{"matchtag":2}`)
		waiter.want(2, flux.ENODATA, "")
		other.conn.Close()
		synctest.Wait()
		w.mu.Lock()
		if w.waiting.Len() != 1 || w.gone != 1 {
			t.Errorf("%d requests wait, %d went", w.waiting.Len(), w.gone)
		}
		w.mu.Unlock()

		setter.send("watch.later", 8, 0, "")
		setter.want(8, 0, `{"owner":true}`)
		setter.send("watch.later", 9, 0, "")
		synctest.Wait()
		inst.Stop()
		synctest.Wait() // the goroutine has ended with the instance
		if inst.Go(func(context.Context) { t.Error("a goroutine starts after the end") }) {
			t.Error("Go reports that it did")
		}
	})
}

func TestBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inst, w := start(t)
		listener := connect(t, inst, 2, uint32(flux.RoleUser))
		listener.send("event.subscribe", 1, 0, `{"topic":"watch"}`)
		listener.want(1, 0, "")
		if seq := inst.Publish(codec.NewEvent("watch.own")); seq != 1 {
			t.Errorf("event %d", seq)
		}
		connect(t, inst, 0, uint32(flux.RoleUser)).send("watch.set", 1, 0, "")
		for n, topic := range []string{"watch.own", "watch.set"} {
			var m codec.Message
			if err := listener.conn.Recv(&m); err != nil || m.Topic != topic || m.Sequence != uint32(n+1) ||
				m.Rolemask != uint32(flux.RoleOwner) {
				t.Errorf("event %s %d, rolemask %d, %v", m.Topic, m.Sequence, m.Rolemask, err)
			}
		}
		if o := inst.Config(); o == nil || len(o) != 0 {
			t.Errorf("configuration %v", o)
		}
		inst.SetConfig(jansson.Object{"a": []byte("1")})
		if n, ok := inst.Config().Int("a"); n != 1 || !ok {
			t.Errorf("configuration %v", inst.Config())
		}
		if !inst.Online(2) || inst.Online(3) {
			t.Error("ranks 0 to 2 are online")
		}
		inst.LoseRank(inst.Ranks()[1])
		if inst.Online(1) || inst.Online(2) || !inst.Online(0) || len(w.lost) != 2 || w.lost[0] != 1 ||
			w.lost[1] != 2 {
			t.Errorf("lost %v", w.lost)
		}
	})
}
