package router_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

// rawWire is a client that costs next to nothing: bytes in, bytes out.
type rawWire struct {
	b *testing.B
	s net.Conn
}

func dialRaw(b *testing.B, uri string) rawWire {
	b.Helper()
	s, err := net.Dial("unix", strings.TrimPrefix(uri, "local://"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	w := rawWire{b, s}
	w.read(1)
	return w
}

func (w rawWire) read(n int) []byte {
	p := make([]byte, n)
	if _, err := io.ReadFull(w.s, p); err != nil {
		w.b.Fatal(err)
	}
	return p
}

func (w rawWire) send(m *codec.Message) {
	p, err := codec.Append(nil, m)
	if err != nil {
		w.b.Fatal(err)
	}
	w.s.Write(p)
}

func (w rawWire) recv() (m *codec.Message, size int) {
	prefix := w.read(codec.PrefixSize)
	size = int(binary.BigEndian.Uint32(prefix[4:]))
	m, err := codec.Decode(w.read(size))
	if err != nil {
		w.b.Fatal(err)
	}
	return m, codec.PrefixSize + size
}

// BenchmarkPass is what the broker alone costs: frames flood in on one
// connection and out on another, and nobody looks at them.
func BenchmarkPass(b *testing.B) {
	run := func(name string, open func(b *testing.B, uri string) (from, to rawWire, m *codec.Message)) {
		b.Run(name, func(b *testing.B) {
			br := fluxtest.New(b, fluxtest.Record(0))
			from, to, m := open(b, br.URI())
			from.send(m)
			_, size := to.recv()
			frame, _ := codec.Append(nil, m)
			const burst = 400
			chunk := bytes.Repeat(frame, burst)
			go func() {
				for i := 0; i < b.N; i += burst {
					from.s.Write(chunk[:min(burst, b.N-i)*len(frame)])
				}
			}()
			buf := make([]byte, 256<<10)
			b.ReportAllocs()
			b.ResetTimer()
			for left := b.N * size; left > 0; {
				n, err := to.s.Read(buf)
				if err != nil {
					b.Fatal(err)
				}
				left -= n
			}
		})
	}
	served := func(b *testing.B, uri string) (svc, cli rawWire, m *codec.Message) {
		svc, cli = dialRaw(b, uri), dialRaw(b, uri)
		svc.send(request("service.add", 1, obj{"service": "echo"}))
		svc.recv()
		return svc, cli, request("echo.x", 1, obj{"seq": 12345})
	}
	run("request", func(b *testing.B, uri string) (from, to rawWire, m *codec.Message) {
		svc, cli, m := served(b, uri)
		return cli, svc, m
	})
	run("response", func(b *testing.B, uri string) (from, to rawWire, m *codec.Message) {
		svc, cli, req := served(b, uri)
		cli.send(req)
		got, _ := svc.recv()
		m = codec.NewResponse(got)
		m.SetPayload(req.Payload)
		return svc, cli, m
	})
	run("event", func(b *testing.B, uri string) (from, to rawWire, m *codec.Message) {
		from, to = dialRaw(b, uri), dialRaw(b, uri)
		to.send(request("event.subscribe", 1, obj{"topic": "ev"}))
		to.recv()
		m = codec.NewEvent("ev.x")
		m.SetPayload([]byte("{\"seq\":12345}\x00"))
		return from, to, m
	})
}
