package flux

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
	"github.com/flux-sdk/flux/internal/peertest"
	"github.com/flux-sdk/flux/transport"
)

// replay is one connection of a recorded conversation, whose broker's side is
// played to a client under test while each frame the client sends is compared
// with the recorded one. Matchtags differ, and JSON is compared by meaning.
type replay struct {
	file string
	conn int // number of the connection in the file; 0 means 1
	opts []DialOption

	// anyOrder lets frames that the recorded client sent in a row, with nothing
	// received in between, come in any order.
	anyOrder bool
	// skip leaves frames out, such as those that this client sends only once.
	skip func(r *capture.Record) bool
}

// run plays the conversation in a bubble, in which a frame that one side waits
// for in vain is a deadlock and fails the test at once. The client performs ops,
// is closed if the recorded one was, and all that was recorded must have passed.
func (rp replay) run(t *testing.T, ops func(t *testing.T, c *Client)) {
	t.Helper()
	recs, err := rp.records()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		near, far := transport.Pipe(transport.Config{})
		c := NewClient(near, rp.opts...)
		pl := &player{conn: far, tags: make(map[uint32]uint32), anyOrder: rp.anyOrder}
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer far.Close()
			if err := pl.play(recs); err != nil {
				t.Errorf("%s: %v", rp.file, err)
			}
		}()
		defer func() { // also after a t.Fatal in ops
			c.Close()
			<-done
		}()
		ops(t, c)
	})
}

// records are the lines of the connection, without the handshake.
func (rp replay) records() ([]numbered, error) {
	all, err := golden.Load(rp.file)
	if err != nil {
		return nil, err
	}
	var out []numbered
	for i, r := range all {
		skipped := rp.skip != nil && r.IsFrame() && rp.skip(&r)
		if r.Conn == max(rp.conn, 1) && (r.IsFrame() || r.EOF) && !skipped {
			out = append(out, numbered{i + 1, r})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no frames of connection %d", rp.file, max(rp.conn, 1))
	}
	return out, nil
}

type numbered struct {
	line int
	capture.Record
}

// at says where in the file an error is.
func (r *numbered) at(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("line %d: %w", r.line, err)
}

// player is the broker's side of a replay.
type player struct {
	conn     transport.Conn
	tags     map[uint32]uint32 // recorded matchtag -> the client's
	anyOrder bool
}

func (pl *player) play(recs []numbered) error {
	for len(recs) > 0 {
		r := &recs[0]
		var err error
		switch {
		case r.EOF && r.Dir == capture.ServerToClient:
			return pl.conn.Close()
		case r.EOF:
			err = r.at(pl.recvEOF())
		case r.Dir == capture.ServerToClient:
			err = r.at(pl.send(r))
		default:
			n := 1
			for pl.anyOrder && n < len(recs) && recs[n].Dir == r.Dir && !recs[n].EOF {
				n++
			}
			err = pl.recv(recs[:n])
			recs = recs[n-1:]
		}
		if err != nil {
			return err
		}
		recs = recs[1:]
	}
	return nil
}

func (pl *player) recvEOF() error {
	var m codec.Message
	if err := pl.conn.Recv(&m); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return err
	}
	return fmt.Errorf("client sent %s %q %q, want nothing more", m.Type, m.Topic, m.Payload)
}

// send sends a recorded frame. A response gets the matchtag of the client's
// request; one to a request that was never sent keeps its own.
func (pl *player) send(r *numbered) error {
	m, err := message(&r.Record)
	if err != nil {
		return err
	}
	if tag, ok := pl.tags[m.Matchtag]; ok && m.Type == codec.TypeResponse {
		m.Matchtag = tag
	}
	return pl.conn.Send(context.Background(), m)
}

// recv receives as many frames as there are recs, each of which must be met.
func (pl *player) recv(recs []numbered) error {
	for left := slices.Clone(recs); len(left) > 0; {
		got := new(codec.Message)
		if err := pl.conn.Recv(got); err != nil {
			return left[0].at(fmt.Errorf("waiting for %s %q: %w", left[0].Msg.Type, left[0].Msg.Topic, err))
		}
		var differ error
		met := slices.IndexFunc(left, func(r numbered) bool {
			err := pl.compare(got, &r.Record)
			differ = errors.Join(differ, r.at(err))
			return err == nil
		})
		if met < 0 {
			return fmt.Errorf("client sent %s %q %.200q: %w", got.Type, got.Topic, got.Payload, differ)
		}
		left = slices.Delete(left, met, met+1)
	}
	return nil
}

// compare compares what the client sent with the recorded frame, and notes the
// matchtag that the client uses.
func (pl *player) compare(got *codec.Message, r *capture.Record) error {
	want, err := message(r)
	if err != nil {
		return err
	}
	like := *got
	if got.Type == codec.TypeRequest && got.Matchtag != 0 && want.Matchtag != 0 {
		if got.Matchtag > 1<<31-1 {
			return fmt.Errorf("matchtag %#x is not in 1 to 2^31-1", got.Matchtag)
		}
		like.Matchtag = want.Matchtag
	}
	if pl.sameJSON(got, want) {
		like.Payload = want.Payload
	}
	frame, err := codec.Append(nil, &like)
	if err == nil {
		if err = r.Msg.Check(&like); err == nil {
			err = r.CheckFrame(frame)
		}
	}
	if err == nil && got.Type == codec.TypeRequest && got.Matchtag != 0 {
		pl.tags[want.Matchtag] = got.Matchtag
	}
	return err
}

// sameJSON reports whether both payloads are JSON objects that mean the same. A
// matchtag in a recorded request stands for the one that the client used.
func (pl *player) sameJSON(got, want *codec.Message) bool {
	a, errA := object(got.Payload)
	b, errB := object(want.Payload)
	if errA != nil || errB != nil {
		return false
	}
	if n, ok := b["matchtag"].(json.Number); ok && want.Type == codec.TypeRequest {
		tag, err := n.Int64()
		if mine, known := pl.tags[uint32(tag)]; err == nil && known {
			b["matchtag"] = json.Number(fmt.Sprint(mine))
		}
	}
	return reflect.DeepEqual(a, b)
}

// object decodes a JSON payload without loss.
func object(payload []byte) (v map[string]any, err error) {
	b, err := codec.JSONPayload(payload)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// message is a recorded frame as a message. A payload of which only the digest
// was recorded is rebuilt from the pattern that the recording used.
func message(r *capture.Record) (*codec.Message, error) {
	if !r.Digested() {
		return codec.Decode(r.Frame()[codec.PrefixSize:])
	}
	m := r.Msg.Message()
	m.SetPayload(peertest.Pattern(r.Msg.PayloadSize))
	frame, err := codec.Append(nil, m)
	if err != nil {
		return nil, err
	}
	return m, r.CheckFrame(frame)
}

func TestReplayAttrGet(t *testing.T) {
	replay{file: "attr-get"}.run(t, func(t *testing.T, c *Client) {
		wantAttr(t, c, "rank", "0")
		if rank, err := c.Rank(t.Context()); rank != 0 || err != nil {
			t.Errorf("Rank is %d, %v, want 0", rank, err)
		}
		wantAttr(t, c, "log-level", "7")
		wantAttr(t, c, "rank", "0")
	})
}

func wantAttr(t *testing.T, c *Client, name, want string) {
	t.Helper()
	if got, err := c.Attr(t.Context(), name); got != want || err != nil {
		t.Errorf("attribute %s is %q, %v, want %q", name, got, err, want)
	}
}

func TestReplayAttrGetMissing(t *testing.T) {
	replay{file: "attr-get-missing"}.run(t, func(t *testing.T, c *Client) {
		_, err := c.Attr(t.Context(), "nope")
		wantErr(t, err, ENOENT)
		wantRemote(t, err, Error{Topic: "attr.get", Errno: ENOENT})
		err = c.SetAttr(t.Context(), "rank", "7")
		wantErr(t, err, EINVAL)
		wantRemote(t, err, Error{"attr.set", EINVAL, "attribute may not be updated"})
	})
}

func TestReplayAttrList(t *testing.T) {
	replay{file: "attr-list"}.run(t, func(t *testing.T, c *Client) {
		reply, err := CallAs[struct {
			Names []string `json:"names"`
		}](t.Context(), c, "attr.list", nil)
		if err != nil {
			t.Fatal(err)
		}
		const first, count = "log-critical-level", 56
		if n := reply.Names; len(n) != count || n[0] != first {
			t.Errorf("%d names, first %q, want %d and %q", len(n), n[0], count, first)
		}
	})
}

func TestReplayUnknownService(t *testing.T) {
	replay{file: "unknown-service"}.run(t, func(t *testing.T, c *Client) {
		for _, tt := range []struct {
			topic string
			req   any
			text  string
		}{
			{"nosuch.foo", nil, "No service matching nosuch.foo is registered"},
			{"attr.foo", nil, "Unknown service method 'attr.foo'"},
			{"kvs.foo", struct{}{}, "Unknown service method 'kvs.foo'"},
		} {
			r, err := c.Call(t.Context(), tt.topic, tt.req)
			wantErr(t, err, ENOSYS, errors.ErrUnsupported)
			wantRemote(t, err, Error{tt.topic, ENOSYS, tt.text})
			if !errors.Is(r.Err(), err) {
				t.Errorf("Err of the response is %v, want %v", r.Err(), err)
			}
			if want := tt.topic + ": " + tt.text + " (ENOSYS)"; err.Error() != want {
				t.Errorf("error is %q, want %q", err, want)
			}
		}
	})
}

type ping struct {
	Seq      int    `json:"seq"`
	Pad      string `json:"pad,omitempty"`
	Route    string `json:"route,omitempty"`
	UserID   uint32 `json:"userid,omitempty"`
	Rolemask Role   `json:"rolemask,omitempty"`
	Rank     uint32 `json:"rank,omitempty"`
}

func TestReplayBadRank(t *testing.T) {
	replay{file: "bad-rank"}.run(t, func(t *testing.T, c *Client) {
		_, err := c.Call(t.Context(), "broker.ping", ping{Seq: 1}, Rank(77))
		wantErr(t, err, EHOSTUNREACH)
		wantRemote(t, err, Error{Topic: "broker.ping", Errno: EHOSTUNREACH})
		if want := "broker.ping: No route to host (EHOSTUNREACH)"; err.Error() != want {
			t.Errorf("error is %q, want %q", err, want)
		}
	})
}

func TestReplayPingRank3(t *testing.T) {
	replay{file: "ping-rank3"}.run(t, func(t *testing.T, c *Client) {
		r, err := c.Call(t.Context(), "broker.ping", map[string]any{"pad": "xyz", "seq": 1}, Rank(3))
		if err != nil {
			t.Fatal(err)
		}
		var got ping
		if err := r.DecodeStrict(&got); err != nil {
			t.Fatal(err)
		}
		if want := (ping{1, "xyz", "a7badcad!ec006d8c!63c2cf00!4ba42a54", 0, RoleOwner, 3}); got != want {
			t.Errorf("ping says %+v, want %+v", got, want)
		}
		if m := r.Message(); m.UserID != 0 || Role(m.Rolemask) != RoleOwner {
			t.Errorf("response is of %d, %v, want 0, owner", m.UserID, Role(m.Rolemask))
		}
	})
}

func TestReplayNoResponse(t *testing.T) {
	replay{file: "noresponse"}.run(t, func(t *testing.T, c *Client) {
		if err := c.Notify(t.Context(), "broker.ping", ping{Seq: 1}); err != nil {
			t.Error(err)
		}
		wantAttr(t, c, "rank", "0")
		// Recorded without the noresponse flag, though nothing answers it.
		m := codec.NewRequest("log.append")
		m.SetPayload([]byte("<48>1 2026-11-21T04:26:55.178251Z 0 scn 27772 - - hello from scenario"))
		if err := c.Send(t.Context(), m); err != nil {
			t.Error(err)
		}
		if err := c.Notify(t.Context(), "nosuch.foo", nil); err != nil {
			t.Error(err)
		}
		if n, err := c.Size(t.Context()); n != 4 || err != nil {
			t.Errorf("Size is %d, %v, want 4", n, err)
		}
		wantStats(t, c, 0, 0)
	})
}

func TestReplayUpstream(t *testing.T) {
	replay{file: "upstream"}.run(t, func(t *testing.T, c *Client) {
		got, err := CallAs[ping](t.Context(), c, "broker.ping", ping{Seq: 1}, Upstream())
		if want := (ping{Seq: 1, Route: "ca6b0fbc!bdae1405!4ba42a54!aa19bc9f", Rolemask: RoleOwner}); got != want ||
			err != nil {
			t.Errorf("ping says %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestReplayPayloadSizes(t *testing.T) {
	replay{file: "payload-sizes", conn: 2}.run(t, func(t *testing.T, c *Client) {
		for _, n := range []int{0, 1, 2, 254, 255, 256, 4096, 70000} {
			r, err := c.Call(t.Context(), "scnecho.raw", peertest.Pattern(n))
			if err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
			wantBytes(t, r, peertest.Pattern(n))
			if got := r.Message().HasPayload(); got != (n > 0) {
				t.Errorf("%d bytes: payload part is %t", n, got)
			}
		}
	})
}

func TestReplayPayload1M(t *testing.T) {
	replay{file: "payload-1m", conn: 2}.run(t, func(t *testing.T, c *Client) {
		got, err := CallAs[[]byte](t.Context(), c, "scnecho.raw", peertest.Pattern(1<<20))
		if err != nil || string(got) != string(peertest.Pattern(1<<20)) {
			t.Errorf("%d bytes, %v, want the %d sent", len(got), err, 1<<20)
		}
	})
}

func TestReplayPayloadZeroFlagged(t *testing.T) {
	replay{file: "payload-zero-flagged", conn: 2}.run(t, func(t *testing.T, c *Client) {
		m := codec.NewRequest("scnzero.z")
		m.SetPayload([]byte{})
		r, err := c.Do(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		wantBytes(t, r, nil)
		if !r.Message().HasPayload() {
			t.Error("the empty payload part got lost")
		}
		_, err = r.Text()
		wantErr(t, err, codec.ErrPayload)
		wantErr(t, r.Decode(new(any)), codec.ErrPayload)
		if m.Matchtag != 0 {
			t.Error("Do changed the caller's message")
		}
	})
}

func TestReplayAuthRefused(t *testing.T) {
	recs, err := golden.Load("auth-refused")
	if err != nil {
		t.Fatal(err)
	}
	verdict := *recs[0].Msg.Handshake
	l, accepted := listenSocket(t)
	go func() {
		in, err := l.Accept()
		if err == nil {
			err = in.Refuse(uint32(verdict))
		}
		accepted <- err
	}()
	c, err := Dial(t.Context(), l.URI())
	if c != nil {
		t.Error("a refused Dial returns a client")
	}
	wantErr(t, err, EPERM, os.ErrPermission)
	var refused *transport.HandshakeError
	if !errors.As(err, &refused) || int(refused.Errno) != verdict {
		t.Errorf("error %#v holds no HandshakeError with errno %d", err, verdict)
	}
	if !strings.Contains(err.Error(), l.URI()) {
		t.Errorf("error %q does not name %s", err, l.URI())
	}
	if err := <-accepted; err != nil {
		t.Error(err)
	}
}

// listenSocket listens on a socket whose path is short enough. What accepts
// reports on the channel.
func listenSocket(t *testing.T) (*transport.Listener, chan error) {
	t.Helper()
	l, err := transport.Listen(filepath.Join(socketDir(t), "local-0"), transport.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, make(chan error, 1)
}

// socketDir is a directory whose paths are short enough for sockets.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "flux")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// What the harness does not notice is not tested by it.
func TestReplayNotices(t *testing.T) {
	recs, err := replay{file: "noresponse"}.records()
	if err != nil {
		t.Fatal(err)
	}
	script := recs[:2] // a notification and a request
	for _, tt := range []struct {
		name string
		edit func(sent []*codec.Message) []*codec.Message
		want string // "" if it is a good conversation
	}{
		{"as recorded", func(m []*codec.Message) []*codec.Message { return m }, ""},
		{"other tag and JSON spacing", func(m []*codec.Message) []*codec.Message {
			m[1].Matchtag = 77
			m[1].Payload = []byte("{ \"name\" :\t\"rank\" }\x00")
			return m
		}, ""},
		{"topic", func(m []*codec.Message) []*codec.Message { m[0].Topic = "broker.pong"; return m }, "topic"},
		{"value in the JSON", func(m []*codec.Message) []*codec.Message {
			m[1].Payload = []byte("{\"name\":\"size\"}\x00")
			return m
		}, "payload"},
		{"JSON without its NUL", func(m []*codec.Message) []*codec.Message {
			m[1].Payload = m[1].Payload[:len(m[1].Payload)-1]
			return m
		}, "payload"},
		{"tag where none was", func(m []*codec.Message) []*codec.Message { m[0].Matchtag = 1; return m }, "matchtag"},
		{"no tag where one was", func(m []*codec.Message) []*codec.Message { m[1].Matchtag = 0; return m }, "matchtag"},
		{"tag that C cannot hold", func(m []*codec.Message) []*codec.Message { m[1].Matchtag = 1 << 31; return m },
			"matchtag"},
		{"flag", func(m []*codec.Message) []*codec.Message { m[1].Flags |= codec.FlagStreaming; return m }, "flags"},
		{"nodeid", func(m []*codec.Message) []*codec.Message { m[1].NodeID = 0; return m }, "nodeid"},
		{"userid", func(m []*codec.Message) []*codec.Message { m[1].UserID = 0; return m }, "userid"},
		{"route delimiter", func(m []*codec.Message) []*codec.Message { m[1].Flags &^= codec.FlagRoute; return m }, "flags"},
		{"order", func(m []*codec.Message) []*codec.Message { m[0], m[1] = m[1], m[0]; return m }, "line 2"},
		{"one missing", func(m []*codec.Message) []*codec.Message { return m[:1] }, "EOF"},
		{"one too many", func(m []*codec.Message) []*codec.Message { return append(m, m[0]) }, "nothing more"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			near, far := transport.Pipe(transport.Config{})
			defer far.Close()
			var sent []*codec.Message
			for i := range script {
				m, err := message(&script[i].Record)
				if err != nil {
					t.Fatal(err)
				}
				sent = append(sent, m)
			}
			for _, m := range tt.edit(sent) {
				if err := near.Send(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			near.Close()
			pl := &player{conn: far, tags: make(map[uint32]uint32)}
			end := numbered{0, capture.Record{Conn: 1, Dir: capture.ClientToServer, EOF: true}}
			err := pl.play(append(script[:2:2], end))
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error is %v, want one that tells of %q", err, tt.want)
			}
		})
	}
}
