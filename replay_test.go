package flux

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
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
	m.SetPayload(pattern(r.Msg.PayloadSize))
	frame, err := codec.Append(nil, m)
	if err != nil {
		return nil, err
	}
	return m, r.CheckFrame(frame)
}
