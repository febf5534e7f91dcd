package kvs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
)

// recorded answers requests as a recorded instance did, each recorded request once.
type recorded struct {
	t *testing.T

	mu   sync.Mutex
	left []*exchange
}

type exchange struct {
	request   *codec.Message
	responses []*codec.Message
}

// load reads a conversation of the first set of recordings, or of the second, which is in testdata.
func load(t *testing.T, name string) *recorded {
	t.Helper()
	recs, err := golden.Load(name)
	if b, errFile := os.ReadFile("testdata/" + name + ".jsonl"); errFile == nil {
		recs, err = capture.Read(bytes.NewReader(b))
	}
	if err != nil {
		t.Fatal(err)
	}
	type key struct {
		conn int
		tag  uint32
	}
	open := make(map[key]*exchange)
	r := &recorded{t: t}
	for _, rec := range recs {
		if !rec.IsFrame() {
			continue
		}
		m := rec.Msg.Message()
		if !rec.Digested() {
			if m, err = codec.Decode(rec.Frame()[codec.PrefixSize:]); err != nil {
				t.Fatal(err)
			}
		}
		at := key{rec.Conn, m.Matchtag}
		switch {
		case m.Type == codec.TypeRequest && m.Flags&codec.FlagNoResponse == 0:
			open[at] = &exchange{request: m}
			r.left = append(r.left, open[at])
		case m.Type == codec.TypeResponse:
			open[at].responses = append(open[at].responses, m)
		}
	}
	return r
}

// find takes the recorded exchange of a request.
func (r *recorded) find(topic string, req any) (*exchange, error) {
	payload, err := codec.EncodePayload(req, json.Marshal)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, x := range r.left {
		if x.request.Topic == topic && samePayload(payload, x.request.Payload) {
			r.left = append(r.left[:i:i], r.left[i+1:]...)
			return x, nil
		}
	}
	if topic == "attr.get" {
		m := codec.NewResponse(codec.NewRequest(topic))
		value := "0" // the rank
		if bytes.Contains(payload, []byte("content.hash")) {
			value = "sha1"
		}
		m.SetPayload([]byte(`{"value":"` + value + `","flags":1}` + "\x00"))
		return &exchange{responses: []*codec.Message{m}}, nil
	}
	return nil, fmt.Errorf("%s %s was not recorded", topic, payload)
}

// samePayload compares JSON by its meaning. The flags of getroot are a member that the service ignores.
func samePayload(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y map[string]any
	if json.Unmarshal(bytes.TrimSuffix(a, []byte{0}), &x) != nil || json.Unmarshal(bytes.TrimSuffix(b, []byte{0}),
		&y) != nil {
		return false
	}
	if len(x) == 1 && x["namespace"] != nil {
		delete(y, "flags")
	}
	return reflect.DeepEqual(x, y)
}

func (r *recorded) Call(_ context.Context, topic string, req any, _ ...flux.CallOption) (flux.Response, error) {
	x, err := r.find(topic, req)
	if err != nil {
		return flux.Response{}, err
	}
	resp := flux.NewResponse(x.responses[0])
	return resp, resp.Err()
}

func (r *recorded) Stream(ctx context.Context, topic string, req any, _ ...flux.StreamOption) (<-chan flux.Response,
	error) {
	x, err := r.find(topic, req)
	if err != nil {
		return nil, err
	}
	out := make(chan flux.Response, len(x.responses))
	for _, m := range x.responses {
		if m.Errnum == 61 {
			break
		}
		out <- flux.NewResponse(m)
	}
	close(out)
	return out, nil
}

// done fails the test if something was recorded that was not asked.
func (r *recorded) done(but ...string) {
	r.t.Helper()
	for _, x := range r.left {
		text := x.request.Topic + " " + strings.TrimSuffix(string(x.request.Payload), "\x00")
		known := false
		for _, b := range but {
			known = known || strings.Contains(text, b)
		}
		if !known {
			r.t.Errorf("not asked: %s", text)
		}
	}
}

// noRoots answers the questions that a watch asks first and that the recorded clients did not.
type noRoots struct{ *recorded }

func (n noRoots) Call(ctx context.Context, topic string, req any, opts ...flux.CallOption) (flux.Response, error) {
	resp, err := n.recorded.Call(ctx, topic, req, opts...)
	if resp.Message() != nil {
		return resp, err
	}
	m := codec.NewResponse(codec.NewRequest(topic))
	switch topic {
	case "kvs.getroot":
		m.SetPayload([]byte(`{"owner":0,"rootseq":1,"rootref":"sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91",` +
			`"flags":0,"namespace":"primary"}` + "\x00"))
	case "kvs.lookup":
		m.SetPayload([]byte(`{"val":{"ver":1,"type":"dirref","data":["sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91"]}}` +
			"\x00"))
	default:
		return resp, err
	}
	resp = flux.NewResponse(m)
	return resp, resp.Err()
}
