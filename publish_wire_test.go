package flux

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// publishRequest is the request as encoding/json has it.
type publishRequest struct {
	Topic   string `json:"topic"`
	Flags   int    `json:"flags"`
	Payload []byte `json:"payload,omitempty"`
}

// The request is the JSON of its fields, byte for byte where JSON has one way
// to say it.
func FuzzPublishRequest(f *testing.F) {
	f.Add("job.x", 0, []byte(nil))
	f.Add("a.b", 32, []byte("{}\x00"))
	f.Add("quote\"back\\slash\x01\x7f<&>", 0, []byte{0xff})
	f.Add("Ünicode\u2028", 0, []byte("x"))
	f.Fuzz(func(t *testing.T, topic string, flags int, payload []byte) {
		b := encodePublish(topic, flags, payload)
		text, err := codec.JSONPayload(b)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(publishRequest{topic, flags, payload})
		if err != nil {
			t.Fatal(err)
		}
		var got, ref publishRequest
		if json.Unmarshal(text, &got) != nil || json.Unmarshal(want, &ref) != nil {
			t.Fatalf("%q is no JSON", text)
		}
		if got.Topic != ref.Topic || got.Flags != flags || !bytes.Equal(got.Payload, payload) {
			t.Errorf("%q says %+v", text, got)
		}
	})
}

// The short way to read a response says the same as the long one, or nothing.
func FuzzPublished(f *testing.F) {
	for _, s := range []string{`{"seq":1}`, `{"seq":4294967295}`, `{"seq":4294967296}`, `{"seq": 7}`, `{"seq":07}`, `{"seq":0}`, `{"seq":}`,
		`{"seq":-1}`, `{"seq":1.0}`, `{"seq":1,"x":2}`, `{}`, `{"seq":99999999999999999999}`} {
		f.Add([]byte(s + "\x00"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		seq, ok := plainSeq(b)
		if !ok {
			return
		}
		var v struct {
			Seq *uint32 `json:"seq"`
		}
		text, err := codec.JSONPayload(b)
		if err != nil || json.Unmarshal(text, &v) != nil || v.Seq == nil || *v.Seq != seq {
			t.Errorf("%q is read as %d", b, seq)
		}
	})
}
