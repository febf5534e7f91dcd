package flux

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
	"github.com/flux-sdk/flux/transport"
)

// FuzzResponses lets a peer send well formed messages of the fuzzer's making and
// then arbitrary bytes to a client with pending calls. In the bubble a call that
// does not end is a deadlock.
func FuzzResponses(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add([]byte{2, 3, 1, 0, 0, 4, 2, 0x43, 1, 38, 0, 4, 2, 3, 2, 0, 1, 0}, []byte{0x12, 0, 0xee, 0xff})
	f.Add([]byte{1, 1, 1, 0, 1, 0, 4, 3, 0, 0, 1, 9, 8, 0, 0, 0, 0, 0}, []byte("garbage"))
	for _, name := range []string{"attr-get", "event-json", "service-streaming", "payload-zero-flagged", "dmesg-stream"} {
		recs, err := golden.Load(name)
		if err != nil {
			f.Fatal(err)
		}
		var raw []byte
		for _, r := range recs {
			if r.IsFrame() && r.Dir == capture.ServerToClient && len(raw) < 4096 {
				raw = append(raw, r.Frame()...)
			}
		}
		f.Add([]byte{2, 3, 1, 0, 0, 4}, raw)
	}
	f.Fuzz(func(t *testing.T, script, raw []byte) {
		synctest.Test(t, func(t *testing.T) {
			c, far := rawPeer(t, transport.Config{MaxSize: 1 << 20})
			const n = 4
			ends := startPending(t.Context(), c, n)
			stream, err := c.Stream(t.Context(), "a.s", nil)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			out := append(frames(t, script), raw...)
			for b := range slices.Chunk(out, 1000) {
				if _, err := far.Write(b); err != nil {
					break // the client has had enough
				}
			}
			far.Close()
			for range n {
				<-ends
			}
			for r := range stream {
				r.Err()
				r.Text()
				r.Decode(new(any))
			}
			<-c.Done()
			wantErr(t, c.Err(), ErrConnLost)
			wantStats(t, c, 0, 0)
		})
	})
}

// frames makes messages of six bytes each: type, flags, matchtag, error number,
// routes, and size of the payload.
func frames(t *testing.T, script []byte) (out []byte) {
	t.Helper()
	for b := range slices.Chunk(script, 6) {
		if len(b) < 6 {
			break
		}
		m := &codec.Message{
			Type: codec.Type(b[0] & 15), Flags: codec.Flags(b[1]) | codec.FlagTopic, Topic: "a.b",
			UserID: 1, Rolemask: 1, Payload: append(pattern(int(b[5])), 0),
		}
		switch m.Type {
		case codec.TypeRequest:
			m.NodeID, m.Matchtag = uint32(b[3]), uint32(b[2])
		case codec.TypeResponse:
			m.Errnum, m.Matchtag = uint32(b[3]), uint32(b[2])
		case codec.TypeEvent:
			m.Sequence = uint32(b[2])
		}
		for range b[4] % 4 {
			m.Routes = m.Routes.Push("hop")
		}
		if grown, err := codec.Append(out, m); err == nil {
			out = grown
		}
	}
	return out
}
