package systemtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

// patterned is size bytes that only seed makes so.
func patterned(seed uint64, size int) []byte {
	b := make([]byte, size)
	for i := 0; i+8 <= size; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], seed<<32+uint64(i))
	}
	return b
}

// Released payloads are gone, everything else stays as it was.
func TestRelease(t *testing.T) {
	b := fluxtest.New(t)
	b.Handle("x.echo", func(r *fluxtest.Request) { r.Respond(r.Message().Payload) })
	b.Handle("x.fail", func(r *fluxtest.Request) { r.Fail(&flux.Error{Errno: flux.EPERM, Message: "no way"}) })
	c := b.Client()
	for _, size := range []int{10, 100_000} {
		r, err := c.Call(t.Context(), "x.echo", []byte(`{"v":"`+strings.Repeat("v", size)+"\"}\x00"))
		if err != nil {
			t.Fatal(err)
		}
		same := r
		r.Release()
		r.Release()
		var v any
		_, errBytes := same.Bytes()
		_, errText := same.Text()
		for _, err := range []error{errBytes, errText, same.Decode(&v), same.DecodeStrict(&v)} {
			if !errors.Is(err, flux.ErrReleased) {
				t.Errorf("size %d: %v, want ErrReleased", size, err)
			}
		}
		if same.Err() != nil || same.Message() != nil {
			t.Errorf("size %d: error %v, message %v", size, same.Err(), same.Message())
		}
	}
	r, err := c.Call(t.Context(), "x.fail", nil)
	r.Release()
	if _, errBytes := r.Bytes(); !errors.Is(errBytes, flux.EPERM) || r.Err() != err ||
		!strings.Contains(err.Error(), "no way") {
		t.Errorf("after Release the error is %v, %v; want %v", errBytes, r.Err(), err)
	}
	flux.Response{}.Release()
	flux.NewErrorResponse(errors.New("x")).Release()
	flux.NewResponse(codec.NewResponse(codec.NewRequest("a.b"))).Release()
}

// Whatever is released, nobody ever sees another's payload.
func TestReleaseIntegrity(t *testing.T) {
	b := fluxtest.New(t)
	svc, c := b.Client(), b.Client()
	mux := flux.NewServeMux()
	echo := func(_ context.Context, w flux.Responder, r *flux.Request) error {
		p, err := r.Bytes()
		if err != nil {
			return err
		}
		want := patterned(uint64(binary.LittleEndian.Uint32(p[4:])), len(p))
		early := len(p)%2 == 0
		if early {
			r.Release()
			if _, err := r.Bytes(); !errors.Is(err, flux.ErrReleased) {
				return fmt.Errorf("after Release: %v", err)
			}
		}
		runtime.Gosched()
		if !bytes.Equal(p, want) {
			return errors.New("the request is another's")
		}
		// What was taken before stays until the handler has returned.
		if r.Streaming() {
			err = errors.Join(w.Send(p), w.Send(p))
		} else {
			err = w.Respond(p)
		}
		if !early {
			r.Release()
		}
		if r.Sender() == "" {
			return errors.New("no sender")
		}
		return err
	}
	mux.HandleFunc("x.each", echo)
	mux.HandleFunc("x.inline", echo, flux.Inline())
	mux.HandleFunc("x.lane", echo, flux.Sequential())
	mustServe(t, svc, "x", mux)
	n := 60
	if raceEnabled {
		n = 15
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 1))
			type item struct {
				r    flux.Response
				want []byte
			}
			var kept []item
			check := func(r flux.Response, want []byte) {
				got, err := r.Bytes()
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes and %v came back of %d, or others", len(got), err, len(want))
				}
				if rng.IntN(3) == 0 {
					kept = append(kept, item{r, want})
				} else {
					r.Release()
				}
			}
			for i := range n {
				topic := []string{"x.each", "x.inline", "x.lane"}[i%3]
				want := patterned(uint64(g*1000+i+1), 8+rng.IntN([]int{5_000, 60_000, 200_000}[i%3]))
				switch i % 4 {
				case 0:
					stream, err := c.Stream(t.Context(), topic, want)
					if err != nil {
						t.Error(err)
						return
					}
					for r := range stream {
						check(r, want)
					}
				case 1:
					check(<-c.Go(t.Context(), topic, want), want)
				default:
					r, _ := c.Call(t.Context(), topic, want)
					check(r, want)
				}
			}
			for _, k := range kept {
				if got, err := k.r.Bytes(); err != nil || !bytes.Equal(got, k.want) {
					t.Errorf("a response that was kept has changed, or %v", err)
				}
			}
		})
	}
	wg.Wait()
}

// What a handler has released stays as it is until it returns, whatever arrives.
func TestReleaseWhileHandled(t *testing.T) {
	const size = 50_000
	b := fluxtest.New(t)
	svc, c := b.Client(), b.Client()
	released, seen := make(chan struct{}), make(chan struct{})
	mux := flux.NewServeMux()
	mux.HandleFunc("x.first", func(_ context.Context, w flux.Responder, r *flux.Request) error {
		p, sender := mustBytes(t, r), r.Sender()
		r.Release()
		close(released)
		<-seen
		if r.Sender() != sender {
			t.Errorf("the sender is %q, was %q", r.Sender(), sender)
		}
		return w.Respond(p)
	})
	mux.HandleFunc("x.other", func(_ context.Context, w flux.Responder, r *flux.Request) error {
		return w.Respond(mustBytes(t, r))
	})
	mustServe(t, svc, "x", mux)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	first := c.Go(ctx, "x.first", patterned(1, size))
	<-released
	for n := range uint64(20) {
		if _, err := c.Call(t.Context(), "x.other", patterned(n+2, size)); err != nil {
			t.Fatal(err)
		}
	}
	close(seen)
	if r := <-first; !bytes.Equal(mustBytes(t, r), patterned(1, size)) {
		t.Error("the request's payload has changed before its handler returned")
	}
}

func mustBytes(t testing.TB, from interface{ Bytes() ([]byte, error) }) []byte {
	p, err := from.Bytes()
	if err != nil {
		t.Error(err)
	}
	return p
}

// Large payloads that are released are not allocated again and again.
func TestReleaseSavesMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes pooled memory away at random")
	}
	const size, n = 256 << 10, 100
	perCall := func(release bool) int {
		b := fluxtest.New(t, fluxtest.Record(0))
		svc, c := b.Client(), b.Client()
		mux := flux.NewServeMux()
		mux.HandleFunc("x.echo", func(_ context.Context, w flux.Responder, r *flux.Request) error {
			p, _ := r.Bytes()
			if release {
				defer r.Release()
			}
			return w.Respond(p)
		})
		mustServe(t, svc, "x", mux)
		req := make([]byte, size)
		call := func() {
			r, err := c.Call(t.Context(), "x.echo", req)
			if err != nil {
				t.Fatal(err)
			}
			if release {
				r.Release()
			}
		}
		for range 10 {
			call()
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range n {
			call()
		}
		runtime.ReadMemStats(&after)
		return int(after.TotalAlloc-before.TotalAlloc) / n
	}
	kept, released := perCall(false), perCall(true)
	// The broker in this process allocates as much each time.
	if kept-released < size*3/2 {
		t.Errorf("bytes allocated a call: %d, with Release %d; payload %d", kept, released, size)
	}
}

// A hook may keep the messages that it is shown.
func TestReleaseWithHooks(t *testing.T) {
	var mu sync.Mutex
	kept := make(map[string][]byte)
	over := make(chan struct{})
	hooks := flux.Hooks{Disconnected: func(error) { close(over) }, Received: func(m *codec.Message) {
		if m.Type == codec.TypeResponse && len(m.Payload) > 8 {
			mu.Lock()
			defer mu.Unlock()
			kept[string(m.Payload[:8])] = m.Payload
		}
	}}
	b := fluxtest.New(t)
	b.Handle("x.echo", func(r *fluxtest.Request) { r.Respond(r.Message().Payload) })
	c := b.Client(flux.WithHooks(hooks))
	want := make(map[string][]byte)
	for n := range uint64(20) {
		p := patterned(n, 50_000)
		want[string(p[:8])] = p
		r, err := c.Call(t.Context(), "x.echo", p)
		if err != nil {
			t.Fatal(err)
		}
		r.Release()
	}
	c.Close()
	<-over // the last hook
	mu.Lock()
	defer mu.Unlock()
	if len(kept) != len(want) {
		t.Fatalf("the hook saw %d responses, want %d", len(kept), len(want))
	}
	for k, p := range want {
		if !bytes.Equal(kept[k], p) {
			t.Error("what a hook kept has changed")
		}
	}
}
