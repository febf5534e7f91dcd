package kvs

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
)

// response is one with this payload.
func response(text string) flux.Response {
	m := codec.NewResponse(codec.NewRequest("kvs.lookup"))
	m.SetPayload([]byte(text + "\x00"))
	return flux.NewResponse(m)
}

// Both ways to decode an answer agree.
func TestDecodeAnswer(t *testing.T) {
	for _, text := range []string{
		`{"val":{"data":"MQ==","type":"val","ver":1}}`, `{"val":{"ver":1,"type":"val","data":"MQ=="}}`,
		`{"val":{"data":"","type":"val","ver":1}}`, `{"val":{"data":"M\u0051==","type":"val","ver":1}}`,
		`{"val":{"data":"!!","type":"val","ver":1}}`, `{"val":{"data":"MQ==","x":"y","type":"val","ver":1}}`,
		`{"val":{"data":"","type":"val","ver":1}`, `{"val":{"data":","type":"val","ver":1}}`, `{}`, `{"val":null}`, `[]`,
		`{"val":{"data":"MQ==","type":"val","ver":1},"val":{"data":"Mg==","type":"val","ver":1}}`,
	} {
		type general struct{ Val *object }
		var want general
		wantErr := json.Unmarshal([]byte(text), &want)
		var got lookupAnswer
		err := decode(response(text), &got)
		if (err == nil) != (wantErr == nil) {
			t.Errorf("%s: %v, want %v", text, err, wantErr)
			continue
		}
		if err == nil && (got.Val == nil) != (want.Val == nil) {
			t.Errorf("%s: %v, want %v", text, got.Val, want.Val)
		} else if err == nil && got.Val != nil && (got.Val.kind != want.Val.kind || !bytes.Equal(got.Val.data,
			want.Val.data)) {
			t.Errorf("%s: %+v, want %+v", text, got.Val, want.Val)
		}
	}
}

func BenchmarkDecodeAnswer(b *testing.B) {
	for _, size := range []int{32, 1 << 20} {
		data := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("x"), size))
		fast := `{"val":{"data":"` + data + `","type":"val","ver":1}}`
		for name, text := range map[string]string{"ordinary": fast, "general": strings.Replace(fast, `"ver":1`, `"ver": 1`,
			1)} {
			b.Run(name, func(b *testing.B) {
				r := response(text)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					var a lookupAnswer
					if err := decode(r, &a); err != nil || len(a.Val.data) != size {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
