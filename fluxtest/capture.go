package fluxtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"sync"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
	"github.com/flux-sdk/flux/internal/capture"
)

// HandleCapture makes scripts of a recorded conversation, JSON lines of frames
// as in this module's recordings of real brokers: each topic that the broker
// does not serve itself gets the answers that were recorded for it. Where a
// topic was asked for more than once, an equal payload decides, and among those
// turn and turn about. A stream that the recorded client cancelled stays open
// until it is cancelled again. The error is about the file; nothing is in force
// then.
func (b *Broker) HandleCapture(r io.Reader) error {
	recs, err := capture.Read(r)
	if err != nil {
		return fmt.Errorf("fluxtest: %w", err)
	}
	byTopic := make(map[string]*canned)
	open := make(map[openCall]*exchange)
	for _, rec := range recs {
		if !rec.IsFrame() || rec.Digested() {
			continue
		}
		frame := rec.Frame()
		m, err := codec.Decode(frame[codec.PrefixSize:])
		if err != nil {
			return fmt.Errorf("fluxtest: %w", err)
		}
		key := openCall{rec.Conn, m.Matchtag}
		switch {
		case m.Type == codec.TypeRequest && rec.Dir == capture.ClientToServer:
			if m.Flags&codec.FlagNoResponse != 0 {
				if tag, ok := service.CancelTag(m); ok && isCancel(m.Topic) {
					delete(open, openCall{rec.Conn, tag})
				}
				continue
			}
			x := &exchange{request: m.Payload}
			open[key] = x
			if byTopic[m.Topic] == nil {
				byTopic[m.Topic] = &canned{}
			}
			byTopic[m.Topic].all = append(byTopic[m.Topic].all, x)
		case m.Type == codec.TypeResponse && rec.Dir == capture.ServerToClient && m.Routes == nil:
			if x := open[key]; x != nil {
				x.responses = append(x.responses, m)
				if m.Final() {
					delete(open, key)
				}
			}
		}
	}
	for topic, c := range byTopic {
		if !b.inst.Load().Ranks()[0].Owns(topic) {
			b.Handle(topic, c.answerRecorded)
		}
	}
	return nil
}

// openCall is a recorded request whose last answer is still to come.
type openCall struct {
	conn int
	tag  uint32
}

// exchange is one recorded request with its answers.
type exchange struct {
	request   []byte
	responses []*codec.Message
	used      int
}

// canned are the exchanges of one topic.
type canned struct {
	mu  sync.Mutex
	all []*exchange
}

func (c *canned) answerRecorded(r *Request) {
	for _, m := range c.pick(r.m.Payload).responses {
		resp := codec.NewResponse(&r.m)
		resp.Errnum = m.Errnum
		resp.SetPayload(m.Payload)
		r.answerWith(resp, m.Final())
	}
}

// pick chooses what to answer a payload with, and counts it.
func (c *canned) pick(payload []byte) *exchange {
	c.mu.Lock()
	defer c.mu.Unlock()
	var best *exchange
	same := false
	for _, x := range c.all {
		eq := samePayload(x.request, payload)
		if best == nil || eq && !same || eq == same && x.used < best.used {
			best, same = x, eq
		}
	}
	best.used++
	return best
}

// samePayload compares bytes, and JSON by its meaning.
func samePayload(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	ja, errA := codec.JSONPayload(a)
	jb, errB := codec.JSONPayload(b)
	if errA != nil || errB != nil {
		return false
	}
	var va, vb any
	return json.Unmarshal(ja, &va) == nil && json.Unmarshal(jb, &vb) == nil && reflect.DeepEqual(va, vb)
}
