package flux

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/peertest"
)

// callOnce calls c once and lets m, made a response to it, be the answer.
func callOnce(t *testing.T, c *Client, p *peertest.Peer, m codec.Message) (Response, error) {
	t.Helper()
	type result struct {
		r   Response
		err error
	}
	done := make(chan result, 1)
	go func() {
		r, err := c.Call(t.Context(), "calc.add", nil)
		done <- result{r, err}
	}()
	req := p.Recv()
	resp := peertest.BrokerResponse(req)
	resp.Errnum, resp.Payload = m.Errnum, m.Payload
	resp.Flags |= m.Flags
	p.Send(resp)
	got := <-done
	return got.r, got.err
}

// roads are the ways to a response's payload.
func roads(r Response) map[string]func() error {
	return map[string]func() error{
		"Bytes":        func() error { _, err := r.Bytes(); return err },
		"Text":         func() error { _, err := r.Text(); return err },
		"Decode":       func() error { return r.Decode(new(any)) },
		"DecodeStrict": func() error { return r.DecodeStrict(new(any)) },
	}
}

func TestResponseErrorFirst(t *testing.T) {
	c, p := newPeer(t)
	r, err := callOnce(t, c, p, codec.Message{Errnum: uint32(EPERM), Payload: []byte("not yours\x00")})
	want := Error{"calc.add", EPERM, "not yours"}
	wantRemote(t, err, want)
	wantRemote(t, r.Err(), want)
	for name, road := range roads(r) {
		t.Run(name, func(t *testing.T) { wantRemote(t, road(), want) })
	}
	if b, _ := r.Bytes(); b != nil {
		t.Errorf("an error response yields the bytes %q", b)
	}
	if m := r.Message(); m == nil || m.Errnum != uint32(EPERM) || string(m.Payload) != "not yours\x00" {
		t.Errorf("message is %+v, want the one behind the error", m)
	}
}

// What an error response says, whatever its payload is like.
func TestResponseErrorText(t *testing.T) {
	c, p := newPeer(t)
	for _, tt := range []struct {
		name    string
		errnum  uint32
		payload string
		want    Error
	}{
		{"none", 2, "", Error{"calc.add", ENOENT, ""}},
		{"empty", 2, "\x00", Error{"calc.add", ENOENT, ""}},
		{"text", 2, "gone\x00", Error{"calc.add", ENOENT, "gone"}},
		{"no NUL", 2, "gone", Error{"calc.add", ENOENT, ""}},
		{"text after the NUL", 2, "gone\x00for good\x00", Error{"calc.add", ENOENT, "gone"}},
		{"JSON is text", 2, "{\"a\":1}\x00", Error{"calc.add", ENOENT, `{"a":1}`}},
		{"not UTF-8", 38, "\xff\xfe\x00", Error{"calc.add", ENOSYS, "\xff\xfe"}},
		{"no such number", 4000, "", Error{"calc.add", Errno(4000), ""}},
		{"largest", math.MaxUint32, "", Error{"calc.add", Errno(-1), ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := callOnce(t, c, p, codec.Message{Errnum: tt.errnum, Payload: []byte(tt.payload)})
			wantRemote(t, err, tt.want)
			wantErr(t, err, tt.want.Errno)
		})
	}
	wantStats(t, c, 0, 0)
}

func TestResponsePayload(t *testing.T) {
	c, p := newPeer(t)
	bad, none := codec.ErrPayload, ErrNoPayload
	for _, tt := range []struct {
		name       string
		flags      codec.Flags
		payload    string
		text       string
		textErr    error
		decodeErr  error
		decodeText string // in the error of Decode
	}{
		{"none", 0, "", "", none, none, ""},
		{"empty part", codec.FlagPayload, "", "", bad, bad, ""},
		{"only a NUL", 0, "\x00", "", nil, bad, "JSON object"},
		{"raw bytes", 0, "abc", "", bad, bad, "NUL"},
		{"text", 0, "abc\x00", "abc", nil, bad, "JSON object"},
		{"object", 0, "{\"a\":1}\x00", `{"a":1}`, nil, nil, ""},
		{"object without NUL", 0, "{\"a\":1}", "", bad, bad, "NUL"},
		{"object in white space", 0, " \n{\"a\": 1}\t\x00", " \n{\"a\": 1}\t", nil, nil, ""},
		{"object and two NULs", 0, "{\"a\":1}\x00\x00", `{"a":1}`, nil, nil, ""},
		{"array", 0, "[1]\x00", "[1]", nil, bad, "JSON object"},
		{"scalar", 0, "1\x00", "1", nil, bad, "JSON object"},
		{"cut short", 0, "{\"a\":\x00", `{"a":`, nil, errAny, "unexpected end"},
		{"garbage behind", 0, "{\"a\":1}x\x00", `{"a":1}x`, nil, errAny, "after top-level value"},
		{"brace behind", 0, "{\"a\":1}}\x00", `{"a":1}}`, nil, errAny, "after top-level value"},
		{"not UTF-8", 0, "{\"a\":\"\xff\"}\x00", "{\"a\":\"\xff\"}", nil, bad, "UTF-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := callOnce(t, c, p, codec.Message{Flags: tt.flags, Payload: []byte(tt.payload)})
			if err != nil || r.Err() != nil {
				t.Fatal(err, r.Err())
			}
			wantBytes(t, r, []byte(tt.payload))
			text, err := r.Text()
			if text != tt.text || !matches(err, tt.textErr) {
				t.Errorf("Text is %q, %v, want %q, %v", text, err, tt.text, tt.textErr)
			}
			for name, decode := range map[string]func(any) error{"Decode": r.Decode, "DecodeStrict": r.DecodeStrict} {
				for _, v := range []any{new(map[string]any), new(any), new(json.RawMessage), new(struct{ A int })} {
					err := decode(v)
					if !matches(err, tt.decodeErr) {
						t.Errorf("%s into %T: error is %v, want %v", name, v, err, tt.decodeErr)
					}
					if err != nil && name == "Decode" && !strings.Contains(err.Error(), tt.decodeText) {
						t.Errorf("%s into %T: error is %q, want it to tell of %q", name, v, err, tt.decodeText)
					}
				}
			}
		})
	}
}

// errAny stands for an error that no sentinel matches.
var errAny = errors.New("any error")

func matches(err, want error) bool {
	return err != nil && errors.Is(want, errAny) || errors.Is(err, want)
}

func TestResponseDecode(t *testing.T) {
	c, p := newPeer(t)
	r, err := callOnce(t, c, p, codec.Message{Payload: []byte(`{"id":18446744073709551615,"x":1,"extra":null}` + "\x00")})
	if err != nil {
		t.Fatal(err)
	}
	var loose struct {
		ID uint64 `json:"id"`
		X  int    `json:"x"`
	}
	if err := r.Decode(&loose); err != nil || loose.ID != math.MaxUint64 || loose.X != 1 {
		t.Errorf("Decode yields %+v, %v", loose, err)
	}
	if err := r.DecodeStrict(&loose); err == nil || !strings.Contains(err.Error(), "extra") {
		t.Errorf("DecodeStrict: error is %v, want one that names the member", err)
	}
	var all struct {
		ID    json.Number `json:"id"`
		X     int         `json:"x"`
		Extra *int        `json:"extra"`
	}
	if err := r.DecodeStrict(&all); err != nil || all.ID != "18446744073709551615" {
		t.Errorf("DecodeStrict yields %+v, %v", all, err)
	}
	if err := r.Decode(loose); err == nil {
		t.Error("decoding into what is no pointer is no error")
	}
	var wrong struct{ X string }
	if err := r.Decode(&wrong); err == nil || !strings.Contains(err.Error(), "string") {
		t.Errorf("error is %v, want one that names the type", err)
	}
}

// What a caller does with decoded raw JSON must not change the response.
func TestResponseDecodeRawIsACopy(t *testing.T) {
	c, p := newPeer(t)
	r, err := callOnce(t, c, p, codec.Message{Payload: []byte("{\"a\":1}\x00")})
	if err != nil {
		t.Fatal(err)
	}
	var raw json.RawMessage
	if err := r.Decode(&raw); err != nil || string(raw) != `{"a":1}` {
		t.Fatalf("raw JSON is %q, %v", raw, err)
	}
	clear(raw)
	wantBytes(t, r, []byte("{\"a\":1}\x00"))
}

func TestResponseZero(t *testing.T) {
	var r Response
	if r.Err() == nil || r.Message() != nil {
		t.Errorf("zero Response: error %v, message %v", r.Err(), r.Message())
	}
	for name, road := range roads(r) {
		if err := road(); err == nil || err.Error() != r.Err().Error() {
			t.Errorf("%s of the zero Response: %v, want %v", name, err, r.Err())
		}
	}
}

func TestCallAs(t *testing.T) {
	c, p := newPeer(t)
	p.Serve(func(p *peertest.Peer, m *codec.Message) {
		switch m.Topic {
		case "json":
			p.Respond(m, map[string]any{"x": 1, "y": 2, "z": 3})
		case "text":
			p.Respond(m, "hello")
		case "none":
			p.Respond(m, nil)
		default:
			p.Refuse(m, uint32(ENOSYS), "")
		}
	})
	ctx := t.Context()
	if v, err := CallAs[point](ctx, c, "json", nil); v != (point{1, 2}) || err != nil {
		t.Errorf("struct: %v, %v", v, err)
	}
	if v, err := CallAs[*point](ctx, c, "json", nil); err != nil || *v != (point{1, 2}) {
		t.Errorf("pointer: %v, %v", v, err)
	}
	if v, err := CallAs[map[string]int](ctx, c, "json", nil); len(v) != 3 || err != nil {
		t.Errorf("map: %v, %v", v, err)
	}
	if v, err := CallAs[json.RawMessage](ctx, c, "json", nil); string(v) != `{"x":1,"y":2,"z":3}` || err != nil {
		t.Errorf("raw: %s, %v", v, err)
	}
	if v, err := CallAs[[]byte](ctx, c, "text", nil); string(v) != "hello\x00" || err != nil {
		t.Errorf("bytes: %q, %v", v, err)
	}
	if v, err := CallAs[[]byte](ctx, c, "none", nil); len(v) != 0 || err != nil {
		t.Errorf("no bytes: %q, %v", v, err)
	}
	if v, err := CallAs[string](ctx, c, "text", nil); v != "hello" || err != nil {
		t.Errorf("text: %q, %v", v, err)
	}
	_, err := CallAs[string](ctx, c, "none", nil)
	wantErr(t, err, ErrNoPayload)
	_, err = CallAs[point](ctx, c, "none", nil)
	wantErr(t, err, ErrNoPayload)
	_, err = CallAs[point](ctx, c, "text", nil)
	wantErr(t, err, codec.ErrPayload)
	_, err = CallAs[[]byte](ctx, c, "missing", nil)
	wantRemote(t, err, Error{Topic: "missing", Errno: ENOSYS})
}

// A Response gives back the message it was made of.
func TestResponseMessage(t *testing.T) {

	for i := range 10 {
		m := codec.Message{
			Type: codec.TypeResponse, Flags: codec.FlagTopic | codec.FlagRoute | codec.FlagStreaming | codec.FlagUser1,
			UserID: uint32(i), Rolemask: uint32(i + 1), Errnum: uint32(i % 3), Matchtag: uint32(i + 2), Topic: "some.topic",
		}
		if i%5 > 0 {
			m.SetPayload(peertest.Pattern(i % 5))
		}
		r := newReply("asked.for", &m, nil, jsonCodec{})
		if diff := cmp.Diff(&m, r.Message()); diff != "" {
			t.Fatalf("response %d: -want +got\n%s", i, diff)
		}
	}
}

// A Response made by hand gives back all of its message, and takes nothing away
// from it.
func TestNewResponseMessage(t *testing.T) {
	m := codec.NewResponse(codec.NewRequest("a.b"))
	m.Routes, m.NodeID, m.Sequence = codec.MakeRoutes("x"), 1, 2
	m.SetPayload([]byte("{}\x00"))
	before := *m
	r := NewResponse(m)
	if diff := cmp.Diff(m, r.Message()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	r.Release()
	if got := r.Message(); got != nil {
		t.Errorf("a released response has the message %+v", got)
	}
	if diff := cmp.Diff(&before, m); diff != "" {
		t.Errorf("the message was changed: -before +after\n%s", diff)
	}
	if m := NewErrorResponse(ErrClosed).Message(); m != nil {
		t.Errorf("a local error has the message %+v", m)
	}
}

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
		m := p.Recv()
		if string(m.Payload) != tt.want {
			t.Errorf("%#v: payload is %q, want %q", tt.req, m.Payload, tt.want)
		}
		p.Respond(m, json.RawMessage(`{"A":"B"}`))
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
	p.Respond(p.Recv(), struct{}{})
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
	m := p.Want("attr.get")
	if want := "{\"name\":\"broker.pid\"}\x00"; string(m.Payload) != want {
		t.Errorf("payload is %q, want %q", m.Payload, want)
	}
	p.Respond(m, map[string]any{"value": "Value", "flags": 0})
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPayloadSizeCap(t *testing.T) {
	const limit = 1000
	topic := "a.b"
	overhead := codec.FrameSize(&codec.Message{Type: codec.TypeRequest, Flags: codec.FlagRoute, Topic: topic,
		Payload: make([]byte, 300)}) -
		codec.PrefixSize - 300
	most := limit - overhead

	c, p := newPeerSize(t, limit)
	reply := c.Go(t.Context(), topic, peertest.Pattern(most))
	m := p.Recv()
	p.Respond(m, m.Payload)
	wantBytes(t, <-reply, peertest.Pattern(most))

	_, err := c.Call(t.Context(), topic, peertest.Pattern(most+1))
	wantErr(t, err, codec.ErrTooLarge)
	if SafeToRetry(err) {
		t.Errorf("%v is said to be safe to retry", err)
	}
	wantStats(t, c, 0, 0)
	if c.Err() != nil {
		t.Errorf("a message too large to send ended the connection: %v", c.Err())
	}

	reply = c.Go(t.Context(), topic, nil)
	m = p.Recv()
	p.Respond(m, peertest.Pattern(most+1))
	wantErr(t, (<-reply).Err(), ErrConnLost, codec.ErrTooLarge)
	<-c.Done()
	wantErr(t, c.Err(), ErrConnLost, codec.ErrTooLarge)
}
