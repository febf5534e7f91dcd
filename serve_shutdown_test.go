package flux

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// load is a service under random load, whose end comes at some moment.
type load struct {
	*front
	rng  *rand.Rand
	reqs map[string]*loaded
}

// loaded is a request of a load.
type loaded struct {
	m            *codec.Message
	canceled     bool
	disconnected bool
	replies      []string
	ended        int // terminal replies
}

// Whenever serving ends, every request that wants a reply gets one.
func TestServeShutdownAnyMoment(t *testing.T) {
	moments := 60
	if testing.Short() {
		moments = 10
	}
	for seed := range uint64(4) {
		for at := range moments {
			name := fmt.Sprintf("seed %d, end at %d ms", seed, at)
			synctest.Test(t, func(t *testing.T) {
				runLoad(t, name, seed, time.Duration(at)*time.Millisecond)
			})
			if t.Failed() {
				return
			}
		}
	}
}

func runLoad(t *testing.T, name string, seed uint64, end time.Duration) {
	rng := rand.New(rand.NewPCG(seed, 6))
	l := &load{front: newFront(t), rng: rng, reqs: make(map[string]*loaded)}
	ms := func(n int) time.Duration { return time.Duration(rng.IntN(n)) * time.Millisecond }
	timeout := ms(40)
	mux := NewServeMux()
	mux.HandleFunc("calc.work", l.work)
	mux.HandleFunc("calc.lane", l.work, Sequential())
	s := l.serve("calc", mux, MaxInFlight(1+rng.IntN(20)), DrainTimeout(timeout))

	const requests = 150
	go func() {
		for range requests {
			time.Sleep(ms(2))
			l.step()
		}
	}()
	time.Sleep(end)
	start := time.Now()
	err := s.stop()
	took := time.Since(start)
	switch {
	case errors.Is(err, ErrDrainTimeout) && took == timeout:
	case err == nil && took <= timeout:
	default:
		t.Errorf("%s: Serve returned %v after %v, timeout %v", name, err, took, timeout)
	}
	time.Sleep(time.Minute) // the handlers that do not look at their ctx
	l.check(t, name)
}

// work takes some time, looks at its ctx or does not, and sends some items.
func (l *load) work(ctx context.Context, w Responder, r *Request) error {
	rng := rand.New(rand.NewPCG(uint64(r.Message().Matchtag), 7))
	for range rng.IntN(4) {
		d := time.Duration(rng.IntN(10)) * time.Millisecond
		if rng.IntN(3) == 0 {
			time.Sleep(d)
		} else {
			select {
			case <-time.After(d):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if r.Streaming() {
			w.Send("item")
		}
	}
	switch rng.IntN(5) {
	case 0:
		return w.Respond("response")
	case 1:
		return EBUSY
	case 2:
		panic("at the disco")
	}
	return nil
}

// step sends a request, a cancel or a disconnect.
func (l *load) step() {
	client := from(fmt.Sprint("client-", l.rng.IntN(5)))
	switch {
	case l.rng.IntN(40) == 0:
		m := codec.NewRequest("calc.x")
		client(m)
		for _, r := range l.reqs {
			if r.m.Routes.Origin() == m.Routes.Origin() {
				r.disconnected = true
			}
		}
		l.disconnect("calc.disconnect", client)
	case l.rng.IntN(5) == 0 && l.tag > 0:
		for _, r := range l.reqs { // any
			r.canceled = true
			l.cancelOf(r.m, "calc.cancel")
			break
		}
	default:
		mods := []requestMod{client}
		if l.rng.IntN(2) == 0 {
			mods = append(mods, streaming)
		}
		topic := "calc.work"
		if l.rng.IntN(3) == 0 {
			topic = "calc.lane"
		}
		m := l.send(topic, mods...)
		l.reqs[endKey(m)] = &loaded{m: m}
	}
}

func (l *load) check(t *testing.T, name string) {
	for _, m := range l.replies() {
		r := l.reqs[endKey(m)]
		if r.ended > 0 {
			t.Errorf("%s: %s after the end of %s: %q", name, show(m), endKey(m), r.replies)
		}
		r.replies = append(r.replies, show(m))
		if m.Final() {
			r.ended++
		}
	}
	for key, r := range l.reqs {
		if r.ended > 1 || r.ended == 0 && !r.disconnected {
			t.Errorf("%s: %s got %q, streaming %v, canceled %v, disconnected %v",
				name, key, r.replies, r.m.Flags&codec.FlagStreaming != 0, r.canceled, r.disconnected)
		}
	}
}
