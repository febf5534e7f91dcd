package flux

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
	"github.com/flux-sdk/flux/internal/framing"
	"github.com/flux-sdk/flux/internal/peertest"
	"github.com/flux-sdk/flux/transport"
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
			m := p.Want("calc.add")
			wantMessage(t, m, wireRequest("calc.add", tt.want))
			p.Respond(m, m.Payload)
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
	p.WantNothing(c)
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
	p.WantNothing(c)
	reply := c.Go(t.Context(), strings.Repeat("s", codec.MaxService)+".x", nil)
	p.Respond(p.Recv(), nil)
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
				m := p.Recv()
				if m.Topic == "attr.get" { // the first to need it
					p.Respond(m, map[string]any{"value": "3", "flags": attrImmutable})
					m = p.Recv()
				}
				want := wireRequest("a.b", "")
				want.NodeID = tt.node
				want.Flags |= tt.flags
				if name == "Notify" {
					want.Flags |= codec.FlagNoResponse
				} else {
					p.Respond(m, nil)
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
	p.Refuse(p.Want("attr.get"), uint32(EPERM), "not for you")
	err := <-reply
	wantErr(t, err, EPERM)
	wantRemote(t, err, Error{"attr.get", EPERM, "not for you"})
	if !strings.Contains(err.Error(), "a.b") {
		t.Errorf("error %q does not name the call", err)
	}
	p.WantNothing(c)
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
				m := p.Recv()
				if m.UserID != userid || Role(m.Rolemask) != roles {
					t.Errorf("%s %q has userid %d, roles %s, want %d, %s", m.Type, m.Topic, int32(m.UserID), Role(m.Rolemask),
						int32(userid), roles)
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
			p.Send(&codec.Message{
				Type: codec.TypeRequest, Flags: codec.FlagTopic | codec.FlagRoute, Topic: "no.service",
				NodeID: codec.NodeAny, Matchtag: 9, Routes: codec.MakeRoutes("hop", "origin"),
			})
			check(tt.userid, tt.roles)
		})
	}
}

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
			UserID: 1, Rolemask: 1, Payload: append(peertest.Pattern(int(b[5])), 0),
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

// foreignPeer is a client over a connection that is not of this
// module, as one from outside of package transport may be.
func foreignPeer(t *testing.T, opts ...DialOption) (*Client, *peertest.Peer) {
	t.Helper()
	near, far := transport.Pipe(transport.Config{})
	var conn transport.Conn = peertest.PlainConn{C: near}
	if _, own := conn.(*framing.Conn); own {
		t.Fatal("the stand-in for a foreign connection is none")
	}
	return startPeer(t, conn, &peertest.Peer{T: t, Conn: far}, opts...)
}

func TestForeignConnCalls(t *testing.T) {
	c, p := foreignPeer(t)
	p.Serve(peertest.Echo)
	for i := range 100 {
		r, err := c.Call(t.Context(), "a.b", peertest.Pattern(i))
		if err != nil {
			t.Fatal(err)
		}
		wantBytes(t, r, peertest.Pattern(i))
	}
	var replies []<-chan Response
	for i := range 100 {
		replies = append(replies, c.Go(t.Context(), "a.b", peertest.Pattern(i)))
	}
	for i, reply := range replies {
		wantBytes(t, <-reply, peertest.Pattern(i))
	}
	wantStats(t, c, 0, 0)
}

// What the reader and the end of a ctx queue goes out in order.
func TestForeignConnCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := foreignPeer(t)
		const n = 50
		for range n {
			ctx, cancel := context.WithCancel(t.Context())
			reply := c.Go(ctx, "a.b", nil, CancelTopic("a.stop"))
			m := p.Want("a.b")
			cancel()
			wantErr(t, (<-reply).Err(), context.Canceled)
			got := p.Want("a.stop")
			if want := fmt.Sprintf("{\"matchtag\":%d}\x00", m.Matchtag); string(got.Payload) != want {
				t.Fatalf("cancel says %q, want %q", got.Payload, want)
			}
			p.Refuse(m, uint32(ECANCELED), "")
		}
		p.WantNothing(c)
		synctest.Wait()
		wantStats(t, c, 0, 0)
		for i := range uint32(n) {
			p.Send(&codec.Message{
				Type: codec.TypeRequest, Flags: codec.FlagTopic | codec.FlagRoute, Topic: "no.service",
				Matchtag: i + 1, Routes: codec.MakeRoutes("hop", "origin"),
			})
		}
		for i := range uint32(n) {
			if m := p.Recv(); m.Type != codec.TypeResponse || m.Matchtag != i+1 || m.Errnum != uint32(ENOSYS) {
				t.Fatalf("received %s %q, matchtag %d, errnum %d", m.Type, m.Topic, m.Matchtag, m.Errnum)
			}
		}
	})
}

// One message that cannot be sent does not keep the next from being sent.
func TestForeignConnUnsendable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := foreignPeer(t)
		for _, topic := range []string{"no\x00topic", "a.stop"} {
			ctx, cancel := context.WithCancel(t.Context())
			reply := c.Go(ctx, "a.b", nil, CancelTopic(topic))
			p.Want("a.b")
			cancel()
			wantErr(t, (<-reply).Err(), context.Canceled)
			synctest.Wait()
		}
		p.Want("a.stop")
		p.WantNothing(c)
	})
}

// stuckConn is a connection whose Send waits for its peer, as long as Close
// does not wake it.
type stuckConn struct {
	peertest.PlainConn
	closed chan struct{}
}

func (s stuckConn) Send(ctx context.Context, _ *codec.Message) error {
	select {
	case <-s.closed:
		return transport.ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s stuckConn) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return s.PlainConn.Close()
}

// The reader does not wait for a Send that waits, and Close ends it all.
func TestForeignConnStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := transport.Pipe(transport.Config{})
		c, p := startPeer(t, stuckConn{peertest.PlainConn{C: near}, make(chan struct{})}, &peertest.Peer{T: t, Conn: far})
		for i := range uint32(100) {
			p.Send(&codec.Message{
				Type: codec.TypeRequest, Flags: codec.FlagTopic | codec.FlagRoute, Topic: "no.service",
				Matchtag: i + 1, Routes: codec.MakeRoutes("hop", "origin"),
			})
		}
		synctest.Wait()
		if s := c.Stats(); s.Received != 100 {
			t.Errorf("%d messages received, want 100", s.Received)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 2)
		go func() { done <- callers["Call"](ctx, c) }()
		synctest.Wait()
		cancel(errWhy)
		err := <-done
		if wantErr(t, err, context.Canceled, errWhy); !SafeToRetry(err) {
			t.Errorf("%v is not safe to retry, though nothing was accepted", err)
		}
		go func() { done <- callers["Call"](t.Context(), c) }()
		synctest.Wait()
		c.Close()
		wantErr(t, <-done, ErrClosed)
	})
}

// An error of Send that is not this client's doing is a lost connection.
func TestForeignConnSendFails(t *testing.T) {
	broken := errors.New("a wire broke")
	near, far := transport.Pipe(transport.Config{})
	c, _ := startPeer(t, failingSend{peertest.PlainConn{C: near}, broken}, &peertest.Peer{T: t, Conn: far})
	_, err := c.Call(t.Context(), "a.b", nil)
	wantErr(t, err, ErrConnLost, broken)
	if !SafeToRetry(err) {
		t.Errorf("%v is not safe to retry, though nothing was accepted", err)
	}
	wantStats(t, c, 0, 0)
}

type failingSend struct {
	peertest.PlainConn
	err error
}

func (f failingSend) Send(context.Context, *codec.Message) error { return f.err }
