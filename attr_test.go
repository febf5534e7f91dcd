package flux

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/peertest"
)

// attrPeer is a client of a peer with attributes, and counts what is asked for.
func attrPeer(t *testing.T, opts ...DialOption) (*Client, func(name string) int) {
	t.Helper()
	values := map[string]struct {
		Value string `json:"value"`
		Flags int    `json:"flags"`
	}{
		"rank": {"2", 1}, "size": {"4", 1}, "broker.pid": {"42", 1}, "log-level": {"7", 0}, "odd": {"x", 6},
		"empty": {"", 1}, "runtime-and-fixed": {"y", 3},
	}
	var mu sync.Mutex
	asked := make(map[string]int)
	c, _ := servePeer(t, func(p *peertest.Peer, m *codec.Message) {
		var req struct{ Name, Value string }
		b, err := codec.JSONPayload(m.Payload)
		if err == nil {
			err = json.Unmarshal(b, &req)
		}
		if err != nil {
			t.Errorf("%s: %v", m.Topic, err)
		}
		mu.Lock()
		asked[req.Name]++
		mu.Unlock()
		switch v, ok := values[req.Name]; {
		case !ok:
			p.Refuse(m, uint32(ENOENT), "")
		case m.Topic == "attr.get":
			p.Respond(m, v)
		case v.Flags&attrImmutable != 0:
			p.Refuse(m, uint32(EINVAL), "attribute may not be updated")
		default:
			v.Value = req.Value
			values[req.Name] = v
			p.Respond(m, nil)
		}
	}, opts...)
	return c, func(name string) int {
		mu.Lock()
		defer mu.Unlock()
		return asked[name]
	}
}

func TestAttrCache(t *testing.T) {
	c, asked := attrPeer(t)
	for name, want := range map[string]struct {
		value string
		asked int
	}{
		"broker.pid": {"42", 1}, "empty": {"", 1}, "runtime-and-fixed": {"y", 1},
		"log-level": {"7", 3}, "odd": {"x", 3},
	} {
		for range 3 {
			wantAttr(t, c, name, want.value)
		}
		if n := asked(name); n != want.asked {
			t.Errorf("%s was asked for %d times, want %d", name, n, want.asked)
		}
	}
	for range 2 {
		rank, err := c.Rank(t.Context())
		if rank != 2 || err != nil {
			t.Errorf("Rank is %d, %v, want 2", rank, err)
		}
		size, err := c.Size(t.Context())
		if size != 4 || err != nil {
			t.Errorf("Size is %d, %v, want 4", size, err)
		}
	}
	if asked("rank") != 1 || asked("size") != 1 {
		t.Errorf("rank was asked for %d times, size %d, want 1 and 1", asked("rank"), asked("size"))
	}
}

// Nothing is learned from an error, nor from setting.
func TestAttrErrors(t *testing.T) {
	c, asked := attrPeer(t)
	for range 2 {
		_, err := c.Attr(t.Context(), "nope")
		wantErr(t, err, ENOENT)
		wantRemote(t, err, Error{Topic: "attr.get", Errno: ENOENT})
	}
	if n := asked("nope"); n != 2 {
		t.Errorf("a missing attribute was asked for %d times, want 2", n)
	}
	wantAttr(t, c, "log-level", "7")
	if err := c.SetAttr(t.Context(), "log-level", ""); err != nil {
		t.Error(err)
	}
	wantAttr(t, c, "log-level", "")
	err := c.SetAttr(t.Context(), "rank", "9")
	wantRemote(t, err, Error{"attr.set", EINVAL, "attribute may not be updated"})
	wantAttr(t, c, "rank", "2")
}

func TestAttrSetOnTheWire(t *testing.T) {
	c, p := newPeer(t)
	done := make(chan error, 1)
	go func() { done <- c.SetAttr(t.Context(), "a", "") }()
	m := p.Want("attr.set")
	if want := "{\"name\":\"a\",\"value\":\"\"}\x00"; string(m.Payload) != want {
		t.Errorf("payload is %q, want %q", m.Payload, want)
	}
	p.Respond(m, nil)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A number that is none, and responses that no broker sends.
func TestAttrNonsense(t *testing.T) {
	for _, reply := range []any{
		map[string]any{"value": "abc", "flags": 1}, map[string]any{"value": "-1", "flags": 1},
		map[string]any{"value": "4294967296", "flags": 1}, map[string]any{"flags": 1},
		map[string]any{"value": 7, "flags": 1}, nil, "text", []byte{1, 2},
	} {
		c, p := newPeer(t)
		done := make(chan error, 1)
		go func() {
			_, err := c.Rank(t.Context())
			done <- err
		}()
		p.Respond(p.Want("attr.get"), reply)
		if err := <-done; err == nil {
			t.Errorf("%v: Rank reports no error", reply)
		}
	}
}

func TestAttrOfAClosedClient(t *testing.T) {
	c, _ := attrPeer(t)
	wantAttr(t, c, "rank", "2")
	c.Close()
	_, err := c.Rank(t.Context())
	wantErr(t, err, ErrClosed)
}

// An attribute that is known needs no ctx, and asking ends with it.
func TestAttrCtx(t *testing.T) {
	c, _ := attrPeer(t)
	ended, end := context.WithCancel(t.Context())
	end()
	_, err := c.Attr(ended, "rank")
	wantErr(t, err, context.Canceled)
	wantAttr(t, c, "rank", "2")
	if v, err := c.Attr(ended, "rank"); v != "2" || err != nil {
		t.Errorf("known attribute is %q, %v, want 2", v, err)
	}
}

func TestAttrConcurrently(t *testing.T) {
	c, _ := attrPeer(t)
	var wg sync.WaitGroup
	var failed atomic.Int32
	for range 50 {
		wg.Go(func() {
			for name, want := range map[string]string{"rank": "2", "size": "4", "log-level": "7"} {
				if v, err := c.Attr(t.Context(), name); v != want || err != nil {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := failed.Load(); n != 0 {
		t.Errorf("%d of 150 failed", n)
	}
}
