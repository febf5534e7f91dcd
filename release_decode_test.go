package flux

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// What CallAs and StreamAs have decoded is released, unless somebody else may
// have it.
func TestDecodeAsReleases(t *testing.T) {
	plain, _ := newPeer(t)
	watched, _ := newPeer(t, WithInterceptors(InterceptorFuncs{}))
	standIn := callerFunc(nil)
	for _, tt := range []struct {
		name string
		c    any
		v    any
		want bool
	}{
		{"struct", plain, &struct{ A int }{}, true},
		{"map", plain, &map[string]any{}, true},
		{"raw JSON", plain, &json.RawMessage{}, true},
		{"a decoding error", plain, &struct{ A string }{}, true},
		{"text", plain, new(string), true},
		{"bytes", plain, &[]byte{}, false},
		{"interceptor", watched, &struct{ A int }{}, false},
		{"stand-in", standIn, &struct{ A int }{}, false},
	} {
		m := codec.NewResponse(codec.NewRequest("a.b"))
		m.SetPayload([]byte("{\"a\":1}\x00"))
		r := NewResponse(m)
		decodeAs(tt.c, r, tt.v)
		if _, err := r.Bytes(); errors.Is(err, ErrReleased) != tt.want {
			t.Errorf("%s: afterwards Bytes returns %v", tt.name, err)
		}
		if raw, ok := tt.v.(*json.RawMessage); ok {
			if copy(m.Payload, "xxxxxxx"); string(*raw) != `{"a":1}` {
				t.Errorf("%s: %s is the payload's memory", tt.name, *raw)
			}
		}
	}
}

type callerFunc func()

func (callerFunc) Call(context.Context, string, any, ...CallOption) (Response, error) {
	return Response{}, nil
}
