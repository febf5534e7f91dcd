package flux

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// wireRequest is a plain request as it must be on the wire, less the matchtag.
func wireRequest(topic, payload string) codec.Message {
	m := *codec.NewRequest(topic)
	if payload != "" {
		m.SetPayload([]byte(payload))
	}
	return m
}

// wantMessage compares a received message with want, field by field. A want
// without a matchtag leaves open which one it is.
func wantMessage(t testing.TB, got *codec.Message, want codec.Message) {
	t.Helper()
	if want.Type == codec.TypeRequest && want.Matchtag == 0 && want.Flags&codec.FlagNoResponse == 0 {
		want.Matchtag = got.Matchtag
		if got.Matchtag < 1 || got.Matchtag > 1<<31-1 {
			t.Errorf("matchtag %d is not in 1 to 2^31-1", got.Matchtag)
		}
	}
	show := func(m codec.Message) string {
		payload := m.Payload
		m.Payload = nil
		return fmt.Sprintf("%+v payload %q", m, payload)
	}
	if g, w := show(*got), show(want); g != w {
		t.Errorf("message is\n%s, want\n%s", g, w)
	}
}

type point struct {
	X int `json:"x"`
	Y int `json:"y,omitempty"`
}

func TestCallPayloadForms(t *testing.T) {
	c, p := newPeer(t)
	for _, tt := range []struct {
		name string
		req  any
		want string // the payload's bytes
	}{
		{"nil", nil, ""},
		{"empty bytes", []byte{}, ""},
		{"nil bytes", []byte(nil), ""},
		{"bytes", []byte{0, 1, 0xff}, "\x00\x01\xff"},
		{"empty text", "", "\x00"},
		{"text", "naïve {", "naïve {\x00"},
		{"raw JSON", json.RawMessage(`{ "a" : [1] }`), "{ \"a\" : [1] }\x00"},
		{"struct", point{X: 3}, "{\"x\":3}\x00"},
		{"pointer to struct", &point{X: 3, Y: -1}, "{\"x\":3,\"y\":-1}\x00"},
		{"map", map[string]any{"b": nil, "a": "<&>"}, "{\"a\":\"\\u003c\\u0026\\u003e\",\"b\":null}\x00"},
		{"empty map", map[string]int{}, "{}\x00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reply := c.Go(t.Context(), "calc.add", tt.req)
			m := p.want("calc.add")
			wantMessage(t, m, wireRequest("calc.add", tt.want))
			p.respond(m, m.Payload)
			r := <-reply
			wantBytes(t, r, []byte(tt.want))
		})
	}
}

func TestCallPayloadRefused(t *testing.T) {
	c, p := newPeer(t)
	var nilMap map[string]int
	var nilStruct *point
	for _, tt := range []struct {
		name string
		req  any
		want error // nil: only the text is looked at
		text string
	}{
		{"array", []int{1}, codec.ErrPayload, "[]int"},
		{"number", 7, codec.ErrPayload, "JSON object"},
		{"bool", true, codec.ErrPayload, "JSON object"},
		{"nil map", nilMap, codec.ErrPayload, "map[string]int"},
		{"nil pointer", nilStruct, codec.ErrPayload, "*flux.point"},
		{"nil raw JSON", json.RawMessage(nil), codec.ErrPayload, "not valid JSON"},
		{"invalid raw JSON", json.RawMessage(`{"a"`), codec.ErrPayload, "not valid JSON"},
		{"raw JSON array", json.RawMessage(`[]`), codec.ErrPayload, "JSON object"},
		{"raw JSON not UTF-8", json.RawMessage("{\"a\":\"\xff\"}"), codec.ErrPayload, "UTF-8"},
		{"text with a NUL", "a\x00b", codec.ErrPayload, "NUL"},
		{"what JSON cannot have", make(chan int), nil, "unsupported type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.Call(t.Context(), "calc.add", tt.req)
			check := func(err error) {
				t.Helper()
				if err == nil || tt.want != nil && !errors.Is(err, tt.want) ||
					!strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), "calc.add") {
					t.Errorf("error is %v, want %v that tells of %q", err, tt.want, tt.text)
				}
				if SafeToRetry(err) {
					t.Errorf("%v is said to be safe to retry", err)
				}
			}
			check(err)
			check(c.Notify(t.Context(), "calc.add", tt.req))
			check((<-c.Go(t.Context(), "calc.add", tt.req)).Err())
		})
	}
	p.wantNothing(c)
	wantStats(t, c, 0, 0)
}

// What must not be on the wire is refused by the encoder, and the tag is free.
func TestCallUnsendable(t *testing.T) {
	c, p := newPeer(t)
	for name, topic := range map[string]string{
		"NUL": "a.\x00", "long service": strings.Repeat("s", codec.MaxService+1) + ".x",
	} {
		_, err := c.Call(t.Context(), topic, nil)
		wantErr(t, err, codec.ErrUnsendable)
		if SafeToRetry(err) {
			t.Errorf("%s: %v is said to be safe to retry", name, err)
		}
	}
	wantStats(t, c, 0, 0)
	p.wantNothing(c)
	reply := c.Go(t.Context(), strings.Repeat("s", codec.MaxService)+".x", nil)
	p.respond(p.recv(), nil)
	if err := (<-reply).Err(); err != nil {
		t.Errorf("the longest service name: %v", err)
	}
}

func TestCallOptionsOnTheWire(t *testing.T) {
	c, p := newPeer(t)
	ctx := t.Context()
	type send func(opts ...CallOption)
	for name, call := range map[string]send{
		"Call":   func(opts ...CallOption) { c.Call(ctx, "a.b", nil, opts...) },
		"Go":     func(opts ...CallOption) { <-c.Go(ctx, "a.b", nil, opts...) },
		"Notify": func(opts ...CallOption) { c.Notify(ctx, "a.b", nil, opts...) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, tt := range []struct {
				name  string
				opts  []CallOption
				node  uint32
				flags codec.Flags
			}{
				{"none", nil, codec.NodeAny, 0},
				{"rank 0", []CallOption{Rank(0)}, 0, 0},
				{"rank 7", []CallOption{Rank(7)}, 7, 0},
				{"last wins", []CallOption{Upstream(), Rank(7)}, 7, 0},
				{"upstream", []CallOption{Rank(7), Upstream()}, 3, codec.FlagUpstream},
				{"cancel topic changes nothing", []CallOption{CancelTopic("a.stop")}, codec.NodeAny, 0},
			} {
				done := make(chan struct{})
				go func() {
					defer close(done)
					call(tt.opts...)
				}()
				m := p.recv()
				if m.Topic == "attr.get" { // the first to need it
					p.respond(m, map[string]any{"value": "3", "flags": attrImmutable})
					m = p.recv()
				}
				want := wireRequest("a.b", "")
				want.NodeID = tt.node
				want.Flags |= tt.flags
				if name == "Notify" {
					want.Flags |= codec.FlagNoResponse
				} else {
					p.respond(m, nil)
				}
				wantMessage(t, m, want)
				<-done
			}
		})
	}
}

// The own rank that an upstream request needs may not be had.
func TestCallUpstreamWithoutRank(t *testing.T) {
	c, p := newPeer(t)
	reply := make(chan error, 1)
	go func() {
		_, err := c.Call(t.Context(), "a.b", nil, Upstream())
		reply <- err
	}()
	p.refuse(p.want("attr.get"), EPERM, "not for you")
	err := <-reply
	wantErr(t, err, EPERM)
	wantRemote(t, err, Error{"attr.get", EPERM, "not for you"})
	if !strings.Contains(err.Error(), "a.b") {
		t.Errorf("error %q does not name the call", err)
	}
	p.wantNothing(c)
}

func TestCallStamping(t *testing.T) {
	for _, tt := range []struct {
		name   string
		opts   []DialOption
		userid uint32
		roles  Role
	}{
		{"nothing", nil, codec.UserIDUnknown, RoleNone},
		{"userid", []DialOption{WithUserID(1234)}, 1234, RoleNone},
		{"userid 0", []DialOption{WithUserID(0)}, 0, RoleNone},
		{"roles", []DialOption{WithRoles(RoleUser | RoleLocal)}, codec.UserIDUnknown, 6},
		{"both", []DialOption{WithUserID(1), WithRoles(RoleUser)}, 1, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, p := newPeer(t, tt.opts...)
			check := func(userid uint32, roles Role) {
				t.Helper()
				m := p.recv()
				if m.UserID != userid || Role(m.Rolemask) != roles {
					t.Errorf("%s %q has userid %d, roles %s, want %d, %s", m.Type, m.Topic, int32(m.UserID), Role(m.Rolemask), int32(userid), roles)
				}
			}
			ctx := t.Context()
			c.Go(ctx, "a.b", nil)
			check(tt.userid, tt.roles)
			if err := c.Notify(ctx, "a.b", nil); err != nil {
				t.Error(err)
			}
			check(tt.userid, tt.roles)
			m := codec.NewRequest("a.b")
			m.UserID, m.Rolemask = 77, uint32(RoleAdmin)
			if err := c.Send(ctx, m); err != nil {
				t.Error(err)
			}
			check(77, RoleAdmin) // what a message has is left alone
			if err := c.Send(ctx, codec.NewEvent("a.b")); err != nil {
				t.Error(err)
			}
			check(tt.userid, tt.roles)
			// What the reader answers by itself.
			p.send(&codec.Message{
				Type: codec.TypeRequest, Flags: codec.FlagTopic | codec.FlagRoute, Topic: "no.service",
				NodeID: codec.NodeAny, Matchtag: 9, Routes: codec.MakeRoutes("hop", "origin"),
			})
			check(tt.userid, tt.roles)
		})
	}
}
