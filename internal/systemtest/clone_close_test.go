package systemtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

// usage is everything that one client has under way.
type usage struct {
	c      *flux.Client
	name   string
	calls  []<-chan error
	events <-chan flux.Event
	served <-chan error
}

// use starts a call, a Go, a stream, a subscription and a service.
func use(t testing.TB, c *flux.Client, name string) *usage {
	t.Helper()
	u := &usage{c: c, name: name}
	for _, op := range []string{"Call", "Go", "Stream"} {
		u.calls = append(u.calls, begin(func() error { return operations()[op](context.Background(), c) }))
	}
	u.events, _ = mustSubscribe(t, c, name)
	u.served, _ = mustServe(t, c, name, echo)
	return u
}

// over checks that all of it has ended with ErrClosed.
func (u *usage) over(t testing.TB) {
	t.Helper()
	for _, ch := range u.calls {
		mustMatch(t, u.name, <-ch, flux.ErrClosed)
	}
	var last error
	for e := range u.events {
		if last != nil {
			t.Errorf("%s: an event after the end %v", u.name, last)
		}
		last = e.Err()
	}
	mustMatch(t, u.name+"'s subscription", last, flux.ErrClosed)
	mustMatch(t, u.name+"'s Serve", <-u.served, flux.ErrClosed)
	select {
	case <-u.c.Done():
	default:
		t.Errorf("%s: Done is not closed", u.name)
	}
	mustMatch(t, u.name, u.c.Err(), flux.ErrClosed)
	for op, f := range operations() {
		if err := f(context.Background(), u.c); !errors.Is(err, flux.ErrClosed) || !flux.SafeToRetry(err) {
			t.Errorf("%s: %s after Close: %v", u.name, op, err)
		}
	}
	if _, err := u.c.Subscribe(context.Background(), "a"); !errors.Is(err, flux.ErrClosed) {
		t.Errorf("%s: Subscribe after Close: %v", u.name, err)
	}
	mustMatch(t, u.name, u.c.Serve(context.Background(), "a", echo), flux.ErrClosed)
	mustMatch(t, u.name, u.c.Clone().Err(), flux.ErrClosed)
}

// works checks that all of it goes on.
func (u *usage) works(t testing.TB, b *fluxtest.Broker, by *flux.Client) {
	t.Helper()
	for _, ch := range u.calls {
		pendingYet(t, u.name+"'s call", ch)
	}
	b.Emit(u.name, nil)
	mustEvents(t, u.events, u.name)
	if s, err := flux.CallAs[string](t.Context(), by, u.name+".x", "hello"); err != nil || s != "hello" {
		t.Errorf("%s's service: %q, %v", u.name, s, err)
	}
	if u.c.Err() != nil {
		t.Errorf("%s: %v", u.name, u.c.Err())
	}
}

// A Close ends what its client has started and nothing else, in whatever order,
// and the last one closes the connection.
func TestCloneCloseOrder(t *testing.T) {
	for _, seed := range seeds(t, 20) {
		synctest.Test(t, func(t *testing.T) {
			b := fluxtest.New(t, fluxtest.InProcess())
			b.Handle("svc.*", never)
			rng := rand.New(rand.NewPCG(seed, 2))
			c := b.Client()
			synctest.Wait()
			mine := onlyConn(t, b)
			by := b.Client()
			list := []*usage{use(t, c, "u-0")}
			for i := range 5 {
				from := list[rng.IntN(len(list))].c
				list = append(list, use(t, from.Clone(), fmt.Sprint("u-", i+1)))
			}
			rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			for i, u := range list {
				select {
				case <-mine.Done():
					t.Fatalf("the connection is closed before the last %d clients are", len(list)-i)
				default:
				}
				if err := u.c.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
				u.c.Close()
				u.over(t)
				for _, u := range list[i+1:] {
					u.works(t, b, by)
				}
				if rest := len(list) - i - 1; rest > 0 {
					if got := len(mine.Subscriptions()); got != rest {
						t.Errorf("%d subscriptions, want %d", got, rest)
					}
					if got := len(mine.Services()); got != rest {
						t.Errorf("%d services, want %d", got, rest)
					}
				}
			}
			<-mine.Done()
			mustBeIdle(t, c)
		})
	}
}

// Closes from many goroutines at once, with clones being made meanwhile.
func TestCloneCloseAtOnce(t *testing.T) {
	rounds := 100
	if raceEnabled || testing.Short() {
		rounds = 20
	}
	for range rounds {
		synctest.Test(t, func(t *testing.T) {
			b := fluxtest.New(t, fluxtest.InProcess())
			b.Handle("svc.*", never)
			c := b.Client()
			var list []*usage
			for i := range 4 {
				list = append(list, use(t, c.Clone(), fmt.Sprint("u-", i)))
			}
			list = append(list, use(t, c, "u-c"))
			var wg sync.WaitGroup
			for _, u := range list {
				for range 2 {
					wg.Go(func() { u.c.Close() })
				}
				wg.Go(func() {
					clone := u.c.Clone()
					clone.Call(context.Background(), "svc.none", nil, flux.Rank(99))
					clone.Close()
					mustMatch(t, "a clone", clone.Err(), flux.ErrClosed)
				})
			}
			wg.Wait()
			for _, u := range list {
				u.over(t)
			}
			synctest.Wait()
			if conns := b.Conns(); len(conns) != 0 {
				t.Errorf("%d connections are left", len(conns))
			}
		})
	}
}

// The broker is told of what a clone leaves: its streams, its subscriptions and
// its services.
func TestCloneCloseTellsTheBroker(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		b.Handle("svc.*", never)
		streams := make(chan *fluxtest.Request, 1)
		b.Handle("svc.watch", func(r *fluxtest.Request) { streams <- r })
		clone := c.Clone()
		u := use(t, clone, "mine")
		stream := <-streams
		synctest.Wait()
		clone.Close()
		u.over(t)
		<-stream.Context().Done()
		mustMatch(t, "the stream", context.Cause(stream.Context()), fluxtest.ErrCancelled)
		synctest.Wait()
		asked := make(map[string]int)
		for _, r := range b.Requests() {
			asked[r.Message.Topic]++
		}
		for _, topic := range []string{"svc.cancel", "event.unsubscribe", "service.remove"} {
			if asked[topic] != 1 {
				t.Errorf("%d requests %s, want 1: %v", asked[topic], topic, asked)
			}
		}
		if s := c.Stats(); s.Live != 0 || s.Retired != 2 { // of the calls, which nobody will answer
			t.Errorf("%+v, want two retired tags", s)
		}
	})
}

// A stream that is being opened when its client closes does not go on at its
// service, unseen.
func TestCloneCloseRacesStreams(t *testing.T) {
	var active sync.Map
	b := fluxtest.New(t, fluxtest.InProcess())
	b.Handle("svc.watch", func(r *fluxtest.Request) {
		active.Store(r, true)
		<-r.Context().Done()
		active.Delete(r)
	})
	c := b.Client()
	for range 300 {
		clone := c.Clone()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					if err := operations()["Stream"](context.Background(), clone); err != nil {
						mustMatch(t, "stream", err, flux.ErrClosed)
						return
					}
				}
			})
		}
		wg.Go(func() {
			for range rand.IntN(200) {
				runtime.Gosched()
			}
			clone.Close()
		})
		wg.Wait()
	}
	// What the broker has yet to hear comes before the answer to this.
	if _, err := c.Attr(t.Context(), "version"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; {
		left := 0
		active.Range(func(any, any) bool { left++; return true })
		if left == 0 && c.Stats().Retired == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d streams go on, %+v", left, c.Stats())
		}
		c.Attr(t.Context(), "log-stderr-level")
	}
}

// foreign is a connection from elsewhere that can do no more than it must, and
// whose Send takes its time.
type foreign struct {
	transport.Conn
	slow time.Duration
}

func (f foreign) Send(ctx context.Context, m *codec.Message) error {
	if f.slow > 0 {
		<-time.After(f.slow)
	}
	return f.Conn.Send(ctx, m)
}

// Answers that were accepted before the Close are written, with a transport that
// can only Send as well.
func TestCloseWritesAnswers(t *testing.T) {
	for name, wrap := range map[string]func(transport.Conn) transport.Conn{
		"own":     func(c transport.Conn) transport.Conn { return c },
		"foreign": func(c transport.Conn) transport.Conn { return foreign{c, time.Millisecond} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := fluxtest.New(t, fluxtest.InProcess())
				conn, err := b.Dial(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				c := flux.NewClient(wrap(conn))
				by := b.Client()
				mustServe(t, c, "calc", flux.HandlerFunc(func(ctx context.Context, _ flux.Responder, _ *flux.Request) error {
					<-ctx.Done()
					return context.Cause(ctx)
				}))
				var calls []<-chan flux.Response
				for range 10 {
					calls = append(calls, by.Go(t.Context(), "calc.hang", nil))
				}
				synctest.Wait()
				c.Close()
				for _, ch := range calls {
					r := <-ch
					mustMatch(t, "a call at Close", r.Err(), flux.ECANCELED)
				}
			})
		})
	}
}

// Close does not wait for a broker that takes nothing.
func TestCloseWithAStalledBroker(t *testing.T) {
	for name, wrap := range map[string]func(transport.Conn) transport.Conn{
		"own":     func(c transport.Conn) transport.Conn { return c },
		"foreign": func(c transport.Conn) transport.Conn { return foreign{c, 0} },
	} {
		for _, clones := range []int{0, 2} {
			t.Run(fmt.Sprint(name, " ", clones), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := fluxtest.New(t, fluxtest.InProcess())
					b.Handle("svc.*", never)
					conn, err := b.Dial(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					c := flux.NewClient(wrap(conn))
					list := []*usage{use(t, c, "u-0")}
					for i := range clones {
						list = append(list, use(t, c.Clone(), fmt.Sprint("u-", i+1)))
					}
					synctest.Wait()
					b.Stall()
					for _, u := range list { // fill the way, and wait for room
						for range 10 {
							u.calls = append(u.calls, begin(func() error {
								_, err := u.c.Call(context.Background(), "svc.call", make([]byte, 1<<20))
								return err
							}))
						}
					}
					synctest.Wait()
					for _, u := range list {
						began := time.Now()
						u.c.Close()
						if d := time.Since(began); d > 2500*time.Millisecond {
							t.Errorf("Close took %v", d)
						}
						u.over(t)
					}
				})
			})
		}
	}
}
