package flux

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
)

// dmesgRequest is the payload of log.dmesg.
type dmesgRequest struct {
	Follow    bool `json:"follow"`
	NoBacklog bool `json:"nobacklog,omitempty"`
}

func TestReplayDmesgStream(t *testing.T) {
	recs, err := golden.Load("dmesg-stream")
	if err != nil {
		t.Fatal(err)
	}
	var want []string // the records, as the file has them
	for _, r := range recs {
		if r.IsFrame() && r.Dir == capture.ServerToClient && r.Msg.Errnum == 0 {
			want = append(want, strings.TrimSuffix(string(r.Msg.Payload), "\x00"))
		}
	}
	replay{file: "dmesg-stream"}.run(t, func(t *testing.T, c *Client) {
		var got []string
		for line, err := range StreamAs[string](t.Context(), c, "log.dmesg", dmesgRequest{}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, line)
		}
		if len(got) < 10 {
			t.Errorf("%d records, want many", len(got))
		}
		wantItems(t, got, want)
		wantStats(t, c, 0, 0)
	})
}

func TestReplayLogFollowCancel(t *testing.T) {
	replay{file: "log-follow-cancel"}.run(t, func(t *testing.T, c *Client) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stream, err := c.Stream(ctx, "log.dmesg", dmesgRequest{true, true})
		if err != nil {
			t.Fatal(err)
		}
		if rank, err := c.Rank(t.Context()); rank != 0 || err != nil {
			t.Errorf("Rank is %d, %v", rank, err)
		}
		const line = "<48>1 2026-11-21T04:26:55.499454Z 0 scn 27780 - - one"
		m := codec.NewRequest("log.append") // recorded without the noresponse flag
		m.SetPayload([]byte(line))
		if err := c.Send(t.Context(), m); err != nil {
			t.Error(err)
		}
		if got, err := (<-stream).Text(); got != line || err != nil {
			t.Errorf("record is %q, %v, want %q", got, err, line)
		}
		cancel()
		wantEnd(t, stream, context.Canceled)
		synctest.Wait() // for the ENODATA
		wantStats(t, c, 0, 0)
	})
}

func TestReplayStreamNoFlag(t *testing.T) {
	replay{file: "stream-noflag"}.run(t, func(t *testing.T, c *Client) {
		_, err := c.Call(t.Context(), "log.dmesg", dmesgRequest{})
		wantRemote(t, err, Error{Topic: "log.dmesg", Errno: EPROTO})
	})
	replay{file: "stream-noflag"}.run(t, func(t *testing.T, c *Client) {
		m := codec.NewRequest("log.dmesg")
		m.SetPayload([]byte("{\"follow\":false}\x00"))
		stream, err := c.DoStream(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		wantEnd(t, stream, EPROTO)
	})
}

func TestReplayServiceStreaming(t *testing.T) {
	replay{file: "service-streaming", conn: 2}.run(t, func(t *testing.T, c *Client) {
		i := 0
		for v, err := range StreamAs[struct{ I int }](t.Context(), c, "scnstr.watch", map[string]int{"n": 3}) {
			if err != nil || v.I != i {
				t.Errorf("item %d is %+v, %v", i, v, err)
			}
			i++
		}
		if i != 3 {
			t.Errorf("%d items, want 3", i)
		}
		wantStats(t, c, 0, 0)
	})
}

// kvsLookup is the payload of kvs-watch.lookup.
type kvsLookup struct {
	Key       string `json:"key"`
	Namespace string `json:"namespace"`
	Flags     int    `json:"flags"`
}

const (
	kvsWatch      = 4
	kvsWaitCreate = 8
	kvsAppend     = 256
)

func TestReplayKVSWatch(t *testing.T) {
	replay{file: "kvs-watch", conn: 2}.run(t, func(t *testing.T, c *Client) {
		// watch receives values and leaves after the last of them, which cancels,
		// or receives the error that follows.
		watch := func(key string, flags int, end error, values ...string) {
			t.Helper()
			i := 0
			for v, err := range StreamAs[struct {
				Val struct {
					Ver  int
					Type string
					Data []byte
				}
			}](t.Context(), c, "kvs-watch.lookup", kvsLookup{key, "primary", flags}) {
				if i == len(values) {
					wantErr(t, err, end)
					wantRemote(t, err, Error{"kvs-watch.lookup", ENOENT, ""})
					break
				}
				if err != nil || string(v.Val.Data) != values[i] || v.Val.Type != "val" || v.Val.Ver != 1 {
					t.Fatalf("value %d of %s is %+v, %v, want %q", i, key, v, err, values[i])
				}
				if i++; i == len(values) && end == nil {
					break
				}
			}
			if end == nil {
				synctest.Wait() // for the ENODATA
			}
			wantStats(t, c, 0, 0)
		}
		watch("scnw.key", kvsWatch, nil, "1", "2")
		watch("scnw.missing", kvsWatch, ENOENT)
		watch("scnw.later", kvsWatch|kvsWaitCreate, ENOENT, "L")
		watch("scnw.app", kvsWatch|kvsAppend, nil, "a", "b")
	})
}

func TestReplayStateMonitor(t *testing.T) {
	replay{file: "state-monitor", conn: 1}.run(t, func(t *testing.T, c *Client) {
		got, err := CallAs[struct{ State int }](t.Context(), c, "state-machine.monitor", nil)
		if err != nil || got.State != 5 {
			t.Errorf("state is %+v, %v, want 5", got, err)
		}
	})
	replay{file: "state-monitor", conn: 2}.run(t, func(t *testing.T, c *Client) {
		stream, err := c.Stream(t.Context(), "state-machine.monitor", json.RawMessage(`{"final":4}`))
		if err != nil {
			t.Fatal(err)
		}
		wantClean(t, stream)
		wantStats(t, c, 0, 0)
	})
}

// The cancel requests that libflux sends, as recorded, are those that the table
// of cancel topics makes.
func TestRecordedCancels(t *testing.T) {
	seen := 0
	for _, name := range golden.Names() {
		recs, err := golden.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		streams := make(map[string]*codec.Message) // by connection and matchtag
		for i := range recs {
			r := &recs[i]
			if !r.IsFrame() || r.Digested() || r.Dir != capture.ClientToServer || r.Msg.Type != codec.TypeRequest {
				continue
			}
			m, err := message(r)
			if err != nil {
				t.Fatal(err)
			}
			var cancel struct{ Matchtag uint32 }
			b, jsonErr := codec.JSONPayload(m.Payload)
			switch {
			case m.Flags&codec.FlagStreaming != 0:
				streams[fmt.Sprint(r.Conn, m.Matchtag)] = m
			case strings.HasSuffix(m.Topic, "cancel") && jsonErr == nil && json.Unmarshal(b, &cancel) == nil && cancel.Matchtag != 0:
				req := streams[fmt.Sprint(r.Conn, cancel.Matchtag)]
				if req == nil {
					continue // of a call
				}
				seen++
				want := wireCancel(cancelTopic(req.Topic), req)
				m.Flags &^= codec.FlagPayload
				want.Flags &^= codec.FlagPayload
				wantMessage(t, m, want)
			}
		}
	}
	if seen < 4 {
		t.Errorf("%d cancel requests recorded, want some", seen)
	}
}
