package codec_test

import (
	"testing"

	"github.com/flux-sdk/flux/codec"
)

func BenchmarkAppend(b *testing.B) {
	small := codec.NewRequest("attr.get")
	small.Matchtag = 1
	small.SetPayload([]byte("{\"name\":\"rank\"}\x00"))
	large := codec.NewRequest("content.store")
	large.Matchtag = 1
	large.SetPayload(pattern(64 << 10))
	for name, m := range map[string]*codec.Message{"small": small, "routed": routed(), "64KiB": large} {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 0, codec.FrameSize(m))
			b.SetBytes(int64(cap(buf)))
			b.ReportAllocs()
			for b.Loop() {
				out, err := codec.Append(buf[:0], m)
				if err != nil || len(out) != cap(buf) {
					b.Fatal(len(out), err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	small := codec.NewResponse(codec.NewRequest("attr.get"))
	small.SetPayload([]byte("{\"value\":\"0\",\"flags\":1}\x00"))
	for name, m := range map[string]*codec.Message{"small": small, "routed": routed()} {
		b.Run(name, func(b *testing.B) {
			body := mustAppend(b, m)[codec.PrefixSize:]
			var d codec.Decoder
			var got codec.Message
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if err := d.Decode(&got, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// routed is a stream's response as a service sends it.
func routed() *codec.Message {
	m := codec.NewResponse(codec.NewRequest("svc.stream"))
	m.Flags |= codec.FlagStreaming
	m.Routes = codec.MakeRoutes("97d29bd4-0a16-4b8c-8bfa-5ab6ad24a2a1", "00000000-0a16-4b8c-8bfa-5ab6ad24a2a1", "35ad24a2-0a16-4b8c-8bfa-5ab6ad24a2a1")
	m.SetPayload([]byte("{\"value\":\"0\",\"flags\":1}\x00"))
	return m
}

func BenchmarkMatch(b *testing.B) {
	const topic = "job-manager.events-journal"
	for _, bm := range []struct{ name, pattern string }{
		{"literal", topic}, {"star", "job-manager.*"}, {"stars", "*-manager.*-journal"}, {"set", "[a-j]ob-[[:alpha:]]*"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !codec.Match(bm.pattern, topic) {
					b.Fatal("no match")
				}
			}
		})
	}
}
