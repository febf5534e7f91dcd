package flux

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
)

// publishing starts a Publish and returns what it will return.
func publishing(c *Client, ctx context.Context, topic string, payload any, opts ...PublishOption) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := c.Publish(ctx, topic, payload, opts...)
		done <- err
	}()
	return done
}

func TestPublishOnTheWire(t *testing.T) {
	c, p := newPeer(t)
	for _, tt := range []struct {
		name    string
		payload any
		opts    []PublishOption
		want    string // of the request's payload
	}{
		{"nil", nil, nil, `{"topic":"a.b","flags":0}`},
		{"no bytes", []byte{}, nil, `{"topic":"a.b","flags":0}`},
		{"bytes", []byte{0xfb, 0xff}, nil, `{"topic":"a.b","flags":0,"payload":"+/8="}`},
		{"empty text", "", nil, `{"topic":"a.b","flags":0,"payload":"AA=="}`},
		{"text", "hi", nil, `{"topic":"a.b","flags":0,"payload":"aGkA"}`},
		{"empty object", struct{}{}, nil, `{"topic":"a.b","flags":0,"payload":"e30A"}`},
		{"JSON", point{X: 1}, nil, `{"topic":"a.b","flags":0,"payload":"eyJ4IjoxfQA="}`},
		{"raw JSON", json.RawMessage(`{ }`), nil, `{"topic":"a.b","flags":0,"payload":"eyB9AA=="}`},
		{"private", nil, []PublishOption{Private()}, `{"topic":"a.b","flags":32}`},
		{"private with payload", "hi", []PublishOption{Private(), Private()}, `{"topic":"a.b","flags":32,"payload":"aGkA"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			done := publishing(c, t.Context(), "a.b", tt.payload, tt.opts...)
			m := p.recv()
			want := wireRequest("event.publish", tt.want+"\x00")
			want.NodeID = 0 // from every rank
			wantMessage(t, m, want)
			p.respond(m, json.RawMessage(`{"seq":1}`))
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// What libflux publishes for the same input has the same bytes.
func TestPublishAsRecorded(t *testing.T) {
	seen := 0
	for _, name := range golden.Names() {
		recs, err := golden.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range recs {
			r := &recs[i]
			if !r.IsFrame() || r.Dir != capture.ClientToServer || r.Msg.Topic != "event.publish" {
				continue
			}
			seen++
			want, err := message(r)
			if err != nil {
				t.Fatal(err)
			}
			var in publishRequest
			b, err := codec.JSONPayload(want.Payload)
			if err == nil {
				err = json.Unmarshal(b, &in)
			}
			if err != nil {
				t.Fatal(err)
			}
			var opts []PublishOption
			if in.Flags != 0 {
				opts = append(opts, Private())
			}
			c, p := newPeer(t, WithUserID(want.UserID), WithRoles(Role(want.Rolemask)))
			publishing(c, t.Context(), in.Topic, in.Payload, opts...)
			got := p.recv()
			got.Matchtag = want.Matchtag
			frame, err := codec.Append(nil, got)
			if err == nil {
				err = r.CheckFrame(frame)
			}
			if err != nil {
				t.Errorf("%s, frame %d: %v", name, i, err)
			}
			p.close()
		}
	}
	if seen < 10 {
		t.Errorf("%d publish requests recorded, want some", seen)
	}
}

func TestPublishUnconfirmed(t *testing.T) {
	c, p := newPeer(t)
	for name, tt := range map[string]struct {
		payload any
		opts    []PublishOption
		want    string
		flags   codec.Flags
	}{
		"nil":     {nil, nil, "", 0},
		"bytes":   {[]byte{0, 1}, nil, "\x00\x01", 0},
		"text":    {"hi", nil, "hi\x00", 0},
		"JSON":    {point{X: 1}, nil, "{\"x\":1}\x00", 0},
		"private": {"hi", []PublishOption{Private()}, "hi\x00", codec.FlagPrivate},
	} {
		seq, err := c.Publish(t.Context(), "a.b", tt.payload, append(tt.opts, Unconfirmed())...)
		if seq != 0 || err != nil {
			t.Errorf("%s: %d, %v, want 0", name, seq, err)
		}
		m := p.recv()
		want := *codec.NewEvent("a.b")
		want.Flags |= tt.flags
		if tt.want != "" {
			want.SetPayload([]byte(tt.want))
		}
		if m.Matchtag != 0 {
			t.Errorf("%s: the event has matchtag %d", name, m.Matchtag)
		}
		want.Flags |= codec.FlagNoResponse // keeps wantMessage from asking for a tag
		m.Flags |= codec.FlagNoResponse
		wantMessage(t, m, want)
	}
	wantStats(t, c, 0, 0)
}

func TestPublishRefused(t *testing.T) {
	c, p := newPeer(t)
	ended, end := context.WithCancel(t.Context())
	end()
	for name, tt := range map[string]struct {
		ctx     context.Context
		topic   string
		payload any
		opts    []PublishOption
		want    error
	}{
		"payload is no object": {t.Context(), "a.b", []int{1}, nil, codec.ErrPayload},
		"text with a NUL":      {t.Context(), "a.b", "a\x00b", nil, codec.ErrPayload},
		"topic is not UTF-8":   {t.Context(), "a.\xff", nil, nil, nil},
		"ctx has ended":        {ended, "a.b", nil, nil, context.Canceled},
		"direct, NUL in topic": {t.Context(), "a\x00b", nil, []PublishOption{Unconfirmed()}, codec.ErrUnsendable},
		"direct, ctx ended":    {ended, "a.b", nil, []PublishOption{Unconfirmed()}, context.Canceled},
		"direct, payload":      {t.Context(), "a.b", []int{1}, []PublishOption{Unconfirmed()}, codec.ErrPayload},
	} {
		seq, err := c.Publish(tt.ctx, tt.topic, tt.payload, tt.opts...)
		switch {
		case err == nil || seq != 0:
			t.Errorf("%s: %d, %v, want an error", name, seq, err)
		case tt.want != nil && !errors.Is(err, tt.want):
			t.Errorf("%s: error is %v, want %v", name, err, tt.want)
		case SafeToRetry(err) != (tt.want == context.Canceled):
			t.Errorf("%s: %v is safe to retry: %t", name, err, SafeToRetry(err))
		}
	}
	p.wantNothing(c)
	wantStats(t, c, 0, 0)
}

// What the broker says about a publish keeps its errno and text.
func TestPublishErrors(t *testing.T) {
	c, p := newPeer(t)
	done := publishing(c, t.Context(), "a.b", nil)
	p.refuse(p.recv(), EPERM, "not for guests")
	err := <-done
	wantRemote(t, err, Error{"event.publish", EPERM, "not for guests"})
	if !strings.Contains(err.Error(), "a.b") {
		t.Errorf("error %q does not name the event", err)
	}
	for name, reply := range map[string]any{
		"none": nil, "text": "seq", "without seq": json.RawMessage(`{}`), "no number": json.RawMessage(`{"seq":"x"}`),
		"too large": json.RawMessage(`{"seq":4294967296}`),
	} {
		done := publishing(c, t.Context(), "a.b", nil)
		p.respond(p.recv(), reply)
		if err := <-done; err == nil || !strings.Contains(err.Error(), "a.b") || SafeToRetry(err) {
			t.Errorf("response %s: error is %v, want one that names the event and is not safe to retry", name, err)
		}
	}
}

// A broker that knows publishing by its old name is asked by that from then on.
func TestPublishOldName(t *testing.T) {
	c, p := newPeer(t)
	step := func(done <-chan error, want error, answers ...any) {
		t.Helper()
		for i := 0; i < len(answers); i += 2 {
			m := p.want(answers[i].(string))
			if m.NodeID != 0 {
				t.Errorf("%s went to %d, want rank 0", m.Topic, m.NodeID)
			}
			if errno, ok := answers[i+1].(Errno); ok {
				p.refuse(m, errno, "")
			} else {
				p.respond(m, answers[i+1])
			}
		}
		if err := <-done; want != nil {
			wantErr(t, err, want)
		} else if err != nil {
			t.Error(err)
		}
	}
	seq := json.RawMessage(`{"seq":3}`)
	publish := func() <-chan error { return publishing(c, t.Context(), "a.b", nil) }
	// Neither name: the first refusal counts, nothing is remembered.
	step(publish(), ENOSYS, publishTopic, ENOSYS, publishTopicOld, ENOSYS)
	// Another refusal is no reason to try again.
	step(publish(), EPERM, publishTopic, EPERM)
	step(publish(), nil, publishTopic, ENOSYS, publishTopicOld, seq)
	step(publish(), nil, publishTopicOld, seq)
	step(publish(), EPERM, publishTopicOld, EPERM)
	// After a reconnect it may be another broker.
	step(publish(), nil, publishTopicOld, ENOSYS, publishTopic, seq)
	step(publish(), nil, publishTopic, seq)
	// The old name refuses the event itself: it is the right name all the same.
	step(publish(), EPERM, publishTopic, ENOSYS, publishTopicOld, EPERM)
	step(publish(), nil, publishTopicOld, seq)
	p.wantNothing(c)
}

// A local failure of the second try teaches nothing.
func TestPublishOldNameInterrupted(t *testing.T) {
	c, p := newPeer(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := publishing(c, ctx, "a.b", nil)
	p.refuse(p.want(publishTopic), ENOSYS, "")
	p.want(publishTopicOld)
	cancel()
	wantErr(t, <-done, context.Canceled)
	publishing(c, t.Context(), "a.b", nil)
	p.want(publishTopic)
}

// shoutingCodec is no JSON codec at all.
type shoutingCodec struct{ t *testing.T }

func (s shoutingCodec) Marshal(v any) ([]byte, error) {
	if p, ok := v.(point); ok && p.X == 7 {
		return []byte(`{"seven":true}`), nil
	}
	s.t.Errorf("the payload codec got %T", v)
	return nil, errors.New("no")
}

func (s shoutingCodec) Unmarshal(data []byte, v any) error {
	if p, ok := v.(*point); ok {
		p.X = 7
		return nil
	}
	s.t.Errorf("the payload codec got %T", v)
	return errors.New("no")
}

// The user's codec is for the user's values, not for the library's messages.
func TestEventsWithPayloadCodec(t *testing.T) {
	c, p := servePeer(t, eventBroker(), WithPayloadCodec(shoutingCodec{t}))
	_ = p
	events := mustSubscribe(t, c, t.Context(), "a")
	if seq, err := c.Publish(t.Context(), "a.b", point{X: 7}); err != nil || seq != 1 {
		t.Errorf("published %d, %v", seq, err)
	}
	e := at(t, events)
	if s, err := e.Text(); err != nil || s != `{"seven":true}` {
		t.Errorf("payload is %q, %v", s, err)
	}
	var got point
	if err := e.Decode(&got); err != nil || got.X != 7 {
		t.Errorf("decoded %+v, %v", got, err)
	}
}
