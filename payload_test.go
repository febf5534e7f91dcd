package flux

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// loud is a codec that leaves traces in what it makes and reads.
type loud struct{ err error }

func (l loud) Marshal(v any) ([]byte, error) {
	if l.err != nil {
		return nil, l.err
	}
	b, err := json.Marshal(v)
	return []byte(strings.ToUpper(string(b))), err
}

func (l loud) Unmarshal(data []byte, v any) error {
	if l.err != nil {
		return l.err
	}
	return json.Unmarshal([]byte(strings.ToLower(string(data))), v)
}

func TestPayloadCodec(t *testing.T) {
	c, p := newPeer(t, WithPayloadCodec(loud{}))
	for _, tt := range []struct {
		req  any
		want string
	}{
		{point{X: 1}, "{\"X\":1}\x00"},
		{map[string]string{"a": "b"}, "{\"A\":\"B\"}\x00"},
		{json.RawMessage(`{"a":1}`), "{\"a\":1}\x00"}, // what is encoded already is left alone
		{"text", "text\x00"},
		{[]byte("bytes"), "bytes"},
		{nil, ""},
	} {
		reply := c.Go(t.Context(), "a.b", tt.req)
		m := p.recv()
		if string(m.Payload) != tt.want {
			t.Errorf("%#v: payload is %q, want %q", tt.req, m.Payload, tt.want)
		}
		p.respond(m, json.RawMessage(`{"A":"B"}`))
		r := <-reply
		var loose, strict map[string]string
		if err := r.Decode(&loose); err != nil || loose["a"] != "b" {
			t.Errorf("Decode yields %v, %v: not by the codec", loose, err)
		}
		if err := r.DecodeStrict(&strict); err != nil || strict["A"] != "B" {
			t.Errorf("DecodeStrict yields %v, %v: not by encoding/json", strict, err)
		}
	}
}

func TestPayloadCodecFails(t *testing.T) {
	own := errors.New("own error")
	c, p := newPeer(t, WithPayloadCodec(loud{own}))
	_, err := c.Call(t.Context(), "a.b", point{})
	wantErr(t, err, own)
	if SafeToRetry(err) {
		t.Errorf("%v is said to be safe to retry", err)
	}
	reply := c.Go(t.Context(), "a.b", nil)
	p.respond(p.recv(), struct{}{})
	wantErr(t, (<-reply).Decode(new(any)), own)
}

// The library's own requests do not depend on the user's codec.
func TestPayloadCodecOfTheLibrary(t *testing.T) {
	c, p := newPeer(t, WithPayloadCodec(loud{}))
	done := make(chan error, 1)
	go func() {
		v, err := c.Attr(t.Context(), "broker.pid")
		if v != "Value" {
			t.Errorf("attribute is %q, want %q", v, "Value")
		}
		done <- err
	}()
	m := p.want("attr.get")
	if want := "{\"name\":\"broker.pid\"}\x00"; string(m.Payload) != want {
		t.Errorf("payload is %q, want %q", m.Payload, want)
	}
	p.respond(m, map[string]any{"value": "Value", "flags": 0})
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPayloadSizeCap(t *testing.T) {
	const limit = 1000
	topic := "a.b"
	overhead := codec.FrameSize(&codec.Message{Type: codec.TypeRequest, Flags: codec.FlagRoute, Topic: topic, Payload: make([]byte, 300)}) -
		codec.PrefixSize - 300
	most := limit - overhead

	c, p := newPeerSize(t, limit)
	reply := c.Go(t.Context(), topic, pattern(most))
	m := p.recv()
	p.respond(m, m.Payload)
	wantBytes(t, <-reply, pattern(most))

	_, err := c.Call(t.Context(), topic, pattern(most+1))
	wantErr(t, err, codec.ErrTooLarge)
	if SafeToRetry(err) {
		t.Errorf("%v is said to be safe to retry", err)
	}
	wantStats(t, c, 0, 0)
	if c.Err() != nil {
		t.Errorf("a message too large to send ended the connection: %v", c.Err())
	}

	reply = c.Go(t.Context(), topic, nil)
	m = p.recv()
	p.respond(m, pattern(most+1))
	wantErr(t, (<-reply).Err(), ErrConnLost, codec.ErrTooLarge)
	<-c.Done()
	wantErr(t, c.Err(), ErrConnLost, codec.ErrTooLarge)
}
