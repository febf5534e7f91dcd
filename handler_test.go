package flux

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
)

type sumRequest struct {
	A int `json:"a"`
	B int `json:"b"`
}

type sumResponse struct {
	Sum int `json:"sum"`
}

func sum(_ context.Context, r sumRequest) (sumResponse, error) {
	if r.A < 0 {
		return sumResponse{}, fmt.Errorf("a is %d: %w", r.A, EDOM)
	}
	return sumResponse{r.A + r.B}, nil
}

// identity is a typed handler that gives back what it gets.
func identity[T any](_ context.Context, v T) (T, error) { return v, nil }

func TestUnary(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    Handler
		req  any
		want string
	}{
		{"struct", Unary(sum), sumRequest{1, 2}, `ok {"sum":3}`},
		{"unknown members", Unary(sum), json.RawMessage(`{"a":1,"b":2,"c":3}`), `ok {"sum":3}`},
		{"missing members", Unary(sum), json.RawMessage(`{}`), `ok {"sum":0}`},
		{"error", Unary(sum), sumRequest{-1, 0}, `EDOM "a is -1: Numerical argument out of domain"`},
		{"wrong type", Unary(sum), json.RawMessage(`{"a":"x"}`),
			`EPROTO "invalid request: decode \"{\\\"a\\\":\\\"x\\\"}\" into *flux.sumRequest: json: cannot unmarshal string into Go struct field sumRequest.a of type int"`},
		{"no payload", Unary(sum), nil, `EPROTO "invalid request: decode into *flux.sumRequest: no payload"`},
		{"text", Unary(sum), "hello", `EPROTO "invalid request: decode into *flux.sumRequest: unexpected payload: \"hello\", want a JSON object"`},
		{"bytes", Unary(sum), []byte{1}, `EPROTO "invalid request: decode into *flux.sumRequest: unexpected payload: 1 bytes that end with 0x01, want a NUL at the end"`},
		{"map", Unary(identity[map[string]any]), object1{"x": 1}, `ok {"x":1}`},
		{"pointer", Unary(identity[*sumRequest]), object1{"a": 1}, `ok {"a":1,"b":0}`},
		{"raw JSON", Unary(identity[json.RawMessage]), json.RawMessage(`{"big":18446744073709551615}`),
			`ok {"big":18446744073709551615}`},
		{"bytes as bytes", Unary(identity[[]byte]), []byte{1, 2}, "ok 01 02"},
		{"no bytes", Unary(identity[[]byte]), nil, "ok"},
		{"JSON as bytes", Unary(identity[[]byte]), object1{"x": 1}, `ok {"x":1}`},
		{"text as text", Unary(identity[string]), "hello", "ok hello"},
		{"text of no bytes", Unary(identity[string]), "", "ok "},
		{"no text", Unary(identity[string]), nil, `EPROTO "invalid request: no payload"`},
		{"bytes as text", Unary(identity[string]), []byte{1},
			`EPROTO "invalid request: unexpected payload: 1 bytes that end with 0x01, want a NUL at the end"`},
		{"nothing", Unary(identity[struct{}]), nil, "ok"},
		{"nothing of JSON", Unary(identity[struct{}]), object1{"x": 1}, "ok"},
		{"nothing of bytes", Unary(identity[struct{}]), []byte{1}, "ok"},
		{"nil pointer", Unary(func(context.Context, struct{}) (*sumResponse, error) { return nil, nil }), nil,
			`EIO "unexpected payload: *flux.sumResponse encodes to \"null\"; a Flux payload is a JSON object"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFront(t)
				f.serve("calc", tt.h)
				f.want(f.send("calc.add", with(tt.req)), tt.want)
				f.want(f.send("calc.add", with(tt.req), quiet))
			})
		})
	}
}

func TestServerStream(t *testing.T) {
	count := func(_ context.Context, r object1) iter.Seq2[object1, error] {
		return func(yield func(object1, error) bool) {
			for i := range r["n"] {
				if i == r["fail"] && i > 0 {
					if yield(nil, EBUSY) {
						t.Error("goes on after an error")
					}
					return
				}
				if !yield(object1{"i": i}, nil) {
					t.Error("stopped early")
				}
			}
		}
	}
	for _, tt := range []struct {
		name string
		h    Handler
		req  any
		want []string
	}{
		{"items", ServerStream(count), object1{"n": 2}, []string{`ok {"i":0}`, `ok {"i":1}`, "ENODATA"}},
		{"no items", ServerStream(count), object1{}, []string{"ENODATA"}},
		{"error", ServerStream(count), object1{"n": 4, "fail": 2}, []string{`ok {"i":0}`, `ok {"i":1}`, "EBUSY"}},
		{"undecodable", ServerStream(count), "x", []string{
			`EPROTO "invalid request: decode into *map[string]int: unexpected payload: \"x\", want a JSON object"`}},
		{"bytes and text", ServerStream(func(_ context.Context, b []byte) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				_ = yield(fmt.Sprint(b), nil) && yield("", nil)
			}
		}), []byte{7}, []string{"ok [7]", "ok ", "ENODATA"}},
		{"text and bytes", ServerStream(func(_ context.Context, s string) iter.Seq2[[]byte, error] {
			return func(yield func([]byte, error) bool) {
				_ = yield([]byte(s), nil) && yield(nil, nil)
			}
		}), "ab", []string{"ok 61 62", "ok", "ENODATA"}},
		{"unencodable item", ServerStream(func(context.Context, struct{}) iter.Seq2[func(), error] {
			return func(yield func(func(), error) bool) {
				if yield(func() {}, nil) {
					t.Error("goes on after an item was not sent")
				}
			}
		}), nil, []string{`EIO "json: unsupported type: func()"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFront(t)
				f.serve("calc", tt.h)
				f.want(f.send("calc.count", streaming, with(tt.req)), tt.want...)
				f.want(f.send("calc.count", with(tt.req)), "EPROTO")
				f.want(f.send("calc.count", with(tt.req), quiet))
			})
		})
	}
}

// The sequence is stopped where it stands when the requester loses interest.
func TestServerStreamStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		next, stopped := make(chan int), make(chan error, 1)
		f.serve("calc", ServerStream(func(ctx context.Context, _ struct{}) iter.Seq2[object1, error] {
			return func(yield func(object1, error) bool) {
				for i := range next {
					if !yield(object1{"i": i}, nil) {
						stopped <- context.Cause(ctx)
						return
					}
				}
			}
		}))
		req := f.start("calc.count", streaming)
		next <- 1
		f.want(req, `ok {"i":1}`)
		f.cancelOf(req, "calc.cancel")
		f.want(req, canceledStream)
		next <- 2
		if err := <-stopped; err != ErrPeerCanceled {
			t.Errorf("stopped for %v, want %v", err, ErrPeerCanceled)
		}
		f.want(req)
		close(next)
	})
}

func TestRequestFrom(t *testing.T) {
	if r := RequestFrom(t.Context()); r != nil {
		t.Errorf("request of another ctx is %v", r)
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		f.serve("calc", Unary(func(ctx context.Context, _ struct{}) (string, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			return RequestFrom(ctx).Topic(), nil
		}))
		f.want(f.send("calc.who"), "ok calc.who")
	})
}

func TestRequestAccessors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		mux := NewServeMux()
		var got *Request
		mux.HandleFunc("calc.*", func(_ context.Context, _ Responder, r *Request) error {
			got = r
			return nil
		}, AllowRoles(RoleAll))
		f.serve("calc", mux)

		m := f.start("calc.a.b", as(1234, RoleUser|RoleLocal), with(json.RawMessage(`{"a":1,"c":2}`)), streaming)
		if got.Topic() != "calc.a.b" || got.UserID() != 1234 || got.Roles() != RoleUser|RoleLocal ||
			!got.Streaming() || got.NoResponse() || got.Sender() != "client-1" {
			t.Errorf("request is %s of %d, %v, streaming %v, no response %v, from %s",
				got.Topic(), got.UserID(), got.Roles(), got.Streaming(), got.NoResponse(), got.Sender())
		}
		var v sumRequest
		if err := got.Decode(&v); err != nil || v.A != 1 {
			t.Errorf("Decode: %+v, %v", v, err)
		}
		if err := got.DecodeStrict(&v); err == nil {
			t.Error("DecodeStrict takes an unknown member")
		}
		if s, err := got.Text(); s != `{"a":1,"c":2}` || err != nil {
			t.Errorf("Text: %q, %v", s, err)
		}
		if b, err := got.Bytes(); string(b) != "{\"a\":1,\"c\":2}\x00" || err != nil {
			t.Errorf("Bytes: %q, %v", b, err)
		}
		if o := got.Message(); o.Matchtag != m.Matchtag || !slices.Equal(o.Routes, m.Routes) {
			t.Errorf("Message: %+v", o)
		}

		f.start("calc.none", quiet, func(m *codec.Message) { m.Routes = nil })
		if !got.NoResponse() || got.Streaming() || got.Sender() != "" {
			t.Errorf("no response %v, streaming %v, from %q", got.NoResponse(), got.Streaming(), got.Sender())
		}
		if err := got.Decode(&v); !errors.Is(err, ErrNoPayload) {
			t.Errorf("Decode of nothing: %v", err)
		}
		if _, err := got.Text(); !errors.Is(err, ErrNoPayload) {
			t.Errorf("Text of nothing: %v", err)
		}
		if b, err := got.Bytes(); len(b) != 0 || err != nil {
			t.Errorf("Bytes of nothing: %q, %v", b, err)
		}
	})
}

// A payload belongs to its handler, however long that keeps it.
func TestRequestPayloadIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		var all [][]byte
		f.serve("calc", Unary(func(_ context.Context, b []byte) (struct{}, error) {
			all = append(all, b)
			return struct{}{}, nil
		}), MaxInFlight(1))
		const n = 100
		for i := range n {
			f.send("calc.keep", with(bytes.Repeat([]byte{byte(i)}, 1000)))
		}
		f.replies()
		for i, b := range all {
			if len(all) != n || !bytes.Equal(b, bytes.Repeat([]byte{byte(i)}, 1000)) {
				t.Fatalf("payload %d of %d is % .20x", i, len(all), b)
			}
		}
	})
}

// A payload codec applies to what handlers get and send.
func TestHandlerPayloadCodec(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t, WithPayloadCodec(tenfold{}))
		f.serve("calc", Unary(sum))
		f.want(f.send("calc.add", with(sumRequest{1, 2})), `ok {"sum":300}`)
	})
}

// tenfold is a payload codec that one can see at work.
type tenfold struct{}

func (tenfold) Marshal(v any) ([]byte, error) {
	return fmt.Appendf(nil, `{"sum":%d}`, v.(sumResponse).Sum*10), nil
}

func (tenfold) Unmarshal(b []byte, v any) error {
	err := json.Unmarshal(b, v)
	if r, ok := v.(*sumRequest); ok {
		r.A, r.B = r.A*10, r.B*10
	}
	return err
}

func TestHandlerManyDisconnected(t *testing.T) {
	n := many()
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		var running, ended atomic.Int64
		s := f.serve("calc", HandlerFunc(func(ctx context.Context, _ Responder, _ *Request) error {
			running.Add(1)
			<-ctx.Done()
			if err := context.Cause(ctx); err != ErrPeerDisconnected {
				t.Errorf("cause is %v", err)
			}
			ended.Add(1)
			return ctx.Err()
		}))
		for range n {
			f.send("calc.watch", streaming)
		}
		f.books("calc", n, 0, n)
		f.disconnect("calc.disconnect", from("client-2"))
		f.books("calc", n, 0, n)
		f.disconnect("calc.disconnect")
		f.books("calc", 0, 0, 0)
		if running.Load() != int64(n) || ended.Load() != int64(n) {
			t.Errorf("%d handlers ran and %d ended, want %d", running.Load(), ended.Load(), n)
		}
		if got := f.replies(); len(got) > 0 {
			t.Errorf("%d replies, the first %s, want none", len(got), show(got[0]))
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
}

// Each of many requests is canceled by itself, in any order, while none of the
// work is the reader's to wait for.
func TestHandlerManyCanceled(t *testing.T) {
	n := many()
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		f.serve("calc", HandlerFunc(block))
		reqs := make([]*codec.Message, n)
		for i := range reqs {
			reqs[i] = f.send("calc.watch", streaming, from(fmt.Sprint("client-", i%7)))
		}
		f.books("calc", n, 0, n)
		rng := rand.New(rand.NewPCG(1, uint64(n)))
		for _, i := range rng.Perm(n) {
			f.cancelOf(reqs[i], "calc.watch-cancel")
		}
		f.books("calc", 0, 0, 0)
		answered := make(map[string]int)
		for _, m := range f.replies() {
			if show(m) != canceledStream {
				t.Errorf("reply is %s, want %s", show(m), canceledStream)
			}
			answered[endKey(m)]++
		}
		for _, m := range reqs {
			if answered[endKey(m)] != 1 {
				t.Errorf("%s was answered %d times", endKey(m), answered[endKey(m)])
			}
		}
	})
}

// However a stream ends while several goroutines send on it, nothing follows
// its end and nobody is told that a lost item was sent.
func TestHandlerConcurrentSend(t *testing.T) {
	ways := map[string]func(f *front, s *served, req *codec.Message){
		"by itself":   func(*front, *served, *codec.Message) {},
		"cancel":      func(f *front, _ *served, req *codec.Message) { f.cancelOf(req, "calc.cancel") },
		"end serving": func(_ *front, s *served, _ *codec.Message) { s.cancel() },
		"close":       func(f *front, _ *served, _ *codec.Message) { f.c.Close() },
	}
	for name, end := range ways {
		t.Run(name, func(t *testing.T) {
			for round := range 30 {
				synctest.Test(t, func(t *testing.T) { concurrentSend(t, round, end) })
			}
		})
	}
}

func concurrentSend(t *testing.T, round int, end func(*front, *served, *codec.Message)) {
	f := newFront(t)
	reached := make(chan struct{})
	var sent atomic.Int64
	s := f.serve("calc", HandlerFunc(func(ctx context.Context, w Responder, _ *Request) error {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 200 {
					if w.Send(object1{"x": 1}) != nil {
						return
					}
					if sent.Add(1) == int64(1+round*10) {
						close(reached)
					}
				}
			})
		}
		if round%2 == 0 {
			wg.Wait()
		} else {
			<-ctx.Done() // and leave them behind
		}
		return ctx.Err()
	}))
	req := f.send("calc.watch", streaming)
	<-reached
	end(f, s, req)
	if round%2 == 1 {
		f.cancelOf(req, "calc.cancel")
	}
	got := f.replies()
	last := len(got) - 1
	for i, m := range got {
		if (m.Errnum != 0) != (i == last) {
			t.Fatalf("reply %d of %d is %s", i+1, len(got), show(m))
		}
	}
	if int64(last) != sent.Load() {
		t.Errorf("%d items, %d sent", last, sent.Load())
	}
}
