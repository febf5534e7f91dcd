package flux

import (
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
