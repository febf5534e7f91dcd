package router_test

import (
	"context"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/internal/framing"
	"github.com/flux-sdk/flux/transport"
)

// echo answers every request on conn, one flush for each batch.
func echo(conn transport.Conn) {
	q := conn.(*framing.Conn)
	var m codec.Message
	for conn.Recv(&m) == nil {
		resp := codec.Message{
			Type: codec.TypeResponse, Flags: m.Flags, UserID: codec.UserIDUnknown,
			Matchtag: m.Matchtag, Routes: m.Routes, Topic: m.Topic, Payload: m.Payload,
		}
		if q.Queue(&resp); !q.Buffered() {
			q.Flush()
		}
	}
}

func dialSocket(b *testing.B, uri string) transport.Conn {
	b.Helper()
	c, err := transport.Dial(context.Background(), uri, transport.Config{})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// The way of a request from one client to another through the broker, and back:
// four hops.
func BenchmarkForward(b *testing.B) {
	for _, depth := range []int{1, 16, 64, 256} {
		b.Run("depth="+string(rune('0'+depth/100))+string(rune('0'+depth/10%10))+string(rune('0'+depth%10)),
			func(b *testing.B) {
				br := fluxtest.New(b, fluxtest.Record(0))
				svc, cli := dialSocket(b, br.URI()), dialSocket(b, br.URI())
				defer svc.Close()
				defer cli.Close()
				svc.Send(context.Background(), request("service.add", 1, obj{"service": "echo"}))
				svc.Recv(new(codec.Message))
				go echo(svc)
				m := request("echo.x", 1, obj{"seq": 1})
				q := cli.(*framing.Conn)
				b.ReportAllocs()
				b.ResetTimer()
				for range depth {
					q.Queue(m)
				}
				q.Flush()
				var r codec.Message
				for range b.N {
					if err := cli.Recv(&r); err != nil {
						b.Fatal(err)
					}
					if q.Queue(m); !q.Buffered() {
						q.Flush()
					}
				}
			})
	}
}
