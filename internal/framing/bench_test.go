package framing

import (
	"fmt"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// ends runs a benchmark over every kind of connection.
func ends(b *testing.B, f func(b *testing.B, client, broker *Conn)) {
	b.Run("pipe", func(b *testing.B) {
		client, broker := pipe(Config{})
		defer broker.Close()
		defer client.Close()
		f(b, client, broker)
	})
	b.Run("unix", func(b *testing.B) {
		client, broker := connected(b)
		defer broker.Close()
		defer client.Close()
		f(b, client, broker)
	})
}

func BenchmarkPingPong(b *testing.B) {
	for _, n := range []int{16, 1 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ends(b, func(b *testing.B, client, broker *Conn) {
				go func() {
					var m codec.Message
					for broker.Recv(&m) == nil {
						if broker.Send(b.Context(), codec.NewResponse(&m)) != nil {
							return
						}
					}
				}()
				req := request("ping.pong", 1, pattern(n))
				var m codec.Message
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					if err := client.Send(b.Context(), req); err != nil {
						b.Fatal(err)
					}
					if err := client.Recv(&m); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// One direction, in bursts that are one write each.
func BenchmarkFlood(b *testing.B) {
	const burst = 64
	ends(b, func(b *testing.B, client, broker *Conn) {
		burstDone := make(chan struct{}, 1)
		go func() {
			var m codec.Message
			for n := 1; client.Recv(&m) == nil; n++ {
				if n%burst == 0 {
					burstDone <- struct{}{}
				}
			}
		}()
		ev := codec.NewEvent("flood.item")
		ev.SetPayload(pattern(64))
		q := broker
		b.ReportAllocs()
		for b.Loop() {
			for range burst {
				if err := q.Queue(ev); err != nil {
					b.Fatal(err)
				}
			}
			q.Flush()
			<-burstDone
		}
		b.ReportMetric(float64(b.N)*burst/b.Elapsed().Seconds(), "msgs/s")
	})
}

// Many goroutines send on one connection.
func BenchmarkSendParallel(b *testing.B) {
	ends(b, func(b *testing.B, client, broker *Conn) {
		go func() {
			var m codec.Message
			for broker.Recv(&m) == nil {
			}
		}()
		req := request("ping.pong", 1, pattern(64))
		b.ReportAllocs()
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := client.Send(b.Context(), req); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}
