package flux

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture/golden"
	"github.com/flux-sdk/flux/transport"
)

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
		if want := (ping{Seq: 1, Route: "ca6b0fbc!bdae1405!4ba42a54!aa19bc9f", Rolemask: RoleOwner}); got != want || err != nil {
			t.Errorf("ping says %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestReplayPayloadSizes(t *testing.T) {
	replay{file: "payload-sizes", conn: 2}.run(t, func(t *testing.T, c *Client) {
		for _, n := range []int{0, 1, 2, 254, 255, 256, 4096, 70000} {
			r, err := c.Call(t.Context(), "scnecho.raw", pattern(n))
			if err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
			wantBytes(t, r, pattern(n))
			if got := r.Message().HasPayload(); got != (n > 0) {
				t.Errorf("%d bytes: payload part is %t", n, got)
			}
		}
	})
}

func TestReplayPayload1M(t *testing.T) {
	replay{file: "payload-1m", conn: 2}.run(t, func(t *testing.T, c *Client) {
		got, err := CallAs[[]byte](t.Context(), c, "scnecho.raw", pattern(1<<20))
		if err != nil || string(got) != string(pattern(1<<20)) {
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
