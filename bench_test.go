package flux

import (
	"context"
	"fmt"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
	"github.com/flux-sdk/flux/transport"
)

// benchEcho is a client whose peer answers every request with its payload.
func benchEcho(b *testing.B) *Client {
	b.Helper()
	here, there := transport.Pipe(transport.Config{})
	go func() {
		var m codec.Message
		for there.Recv(&m) == nil {
			r := codec.NewResponse(&m)
			r.Payload = m.Payload
			conn := there.(*framing.Conn)
			if conn.Queue(r); !conn.Buffered() {
				conn.Flush()
			}
		}
	}()
	c := NewClient(here)
	b.Cleanup(func() { c.Close(); there.Close() })
	b.ReportAllocs()
	return c
}

// The allocations are those of both sides: the peer has three for each call.
func BenchmarkCall(b *testing.B) {
	c := benchEcho(b)
	payload := []byte("{\"name\":\"rank\"}\x00")
	for b.Loop() {
		if _, err := c.Call(b.Context(), "bench.echo", payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCallParallel(b *testing.B) {
	c := benchEcho(b)
	payload := []byte("{\"name\":\"rank\"}\x00")
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Call(b.Context(), "bench.echo", payload); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkCallJSON(b *testing.B) {
	c := benchEcho(b)
	type body struct {
		Seq int    `json:"seq"`
		Pad string `json:"pad"`
	}
	for b.Loop() {
		if _, err := CallAs[body](b.Context(), c, "bench.echo", body{1, "x"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGo(b *testing.B) {
	c := benchEcho(b)
	payload := []byte("{}\x00")
	window := make(chan (<-chan Response), 64)
	for b.Loop() {
		if len(window) == cap(window) {
			<-<-window
		}
		window <- c.Go(b.Context(), "bench.echo", payload)
	}
	for len(window) > 0 {
		<-<-window
	}
}

func BenchmarkMuxFind(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		for _, kind := range []string{"exact", "first glob", "last glob", "none"} {
			m := NewServeMux()
			for i := range n {
				if kind == "exact" {
					m.Handle(fmt.Sprintf("calc.method-%d", i), say("x"))
				} else {
					m.Handle(fmt.Sprintf("calc.group-%d.*", i), say("x"))
				}
			}
			topic := map[string]string{
				"exact": fmt.Sprintf("calc.method-%d", n-1), "first glob": fmt.Sprintf("calc.group-%d.x", n-1),
				"last glob": "calc.group-0.x", "none": "calc.add",
			}[kind]
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if m.findRoute(topic, false) == nil != (kind == "none") {
						b.Fatal("wrong route")
					}
				}
			})
		}
	}
}

// benchServe serves h as "calc" to a peer that plays the broker.
func benchServe(b *testing.B, h Handler) transport.Conn {
	near, far := transport.Pipe(transport.Config{})
	c := NewClient(near)
	done := make(chan error, 1)
	go func() { done <- c.Serve(context.Background(), "calc", h) }()
	b.Cleanup(func() {
		far.Close()
		<-done
		c.Close()
	})
	var m codec.Message
	if err := far.Recv(&m); err != nil || m.Topic != "service.add" {
		b.Fatalf("received %q, %v", m.Topic, err)
	}
	if err := far.Send(b.Context(), codec.NewResponse(&m)); err != nil {
		b.Fatal(err)
	}
	return far
}

func benchRequest(topic string) *codec.Message {
	m := codec.NewRequest(topic)
	m.UserID, m.Rolemask, m.Payload = 0, 5, []byte("{\"a\":1,\"b\":2}\x00")
	m.Routes = codec.MakeRoutes("63c2cf00-a775-487a-8128-7f1c7fc9eef0", "ec006d8c-9d9d-49e2-a20f-ffd53b00b503",
		"7b7126b5-6888-4bfa-86c6-626f61ada8f2")
	return m
}

// BenchmarkServe is requests by the dozen, answered by handlers that do nothing
// but that, and by one that decodes and encodes.
func BenchmarkServe(b *testing.B) {
	payload := []byte("{\"sum\":3}\x00")
	raw := func(_ context.Context, w Responder, _ *Request) error { return w.Respond(payload) }
	for _, bm := range []struct {
		name string
		add  func(m *ServeMux)
	}{
		{"goroutine each", func(m *ServeMux) { m.HandleFunc("calc.add", raw) }},
		{"sequential", func(m *ServeMux) { m.HandleFunc("calc.add", raw, Sequential()) }},
		{"typed", func(m *ServeMux) { m.Handle("calc.add", Unary(sum)) }},
		{"refused", func(m *ServeMux) {}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			mux := NewServeMux()
			bm.add(mux)
			far := benchServe(b, mux)
			b.ReportAllocs()
			b.ResetTimer()
			const window = 64
			credit := make(chan struct{}, window)
			go func() {
				req := benchRequest("calc.add")
				for i := range b.N {
					credit <- struct{}{}
					req.Matchtag = uint32(i + 1)
					if far.Send(context.Background(), req) != nil {
						return
					}
				}
			}()
			var m codec.Message
			for range b.N {
				if err := far.Recv(&m); err != nil {
					b.Fatal(err)
				}
				<-credit
			}
		})
	}
}

func BenchmarkServeSend(b *testing.B) {
	payload := []byte("{\"sum\":3}\x00")
	var n int
	far := benchServe(b, HandlerFunc(func(_ context.Context, w Responder, _ *Request) error {
		for range n {
			if err := w.Send(payload); err != nil {
				return err
			}
		}
		return nil
	}))
	n = b.N
	req := benchRequest("calc.watch")
	req.Matchtag, req.Flags = 1, req.Flags|codec.FlagStreaming
	b.ReportAllocs()
	b.ResetTimer()
	if err := far.Send(b.Context(), req); err != nil {
		b.Fatal(err)
	}
	var m codec.Message
	for i := range n + 1 {
		if err := far.Recv(&m); err != nil || (m.Errnum != 0) != (i == n) {
			b.Fatalf("item %d: %d, %v", i, m.Errnum, err)
		}
	}
}
