package codec_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
)

// TestGolden decodes every recorded frame, compares it with what was recorded
// about it, and encodes it again to the same bytes.
func TestGolden(t *testing.T) {
	var dec codec.Decoder
	total, digested := 0, 0
	recorded(t, func(where string, r *capture.Record) {
		total++
		frame := r.Frame()
		if r.Digested() {
			digested++
			m := r.Msg.Message()
			m.SetPayload(pattern(r.Msg.PayloadSize))
			frame = mustAppend(t, m)
			if err := r.CheckFrame(frame); err != nil {
				t.Errorf("%s: rebuilt: %v", where, err)
				return
			}
		}
		m, err := open(frame)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			return
		}
		if err := r.Msg.Check(m); err != nil {
			t.Errorf("%s: %v", where, err)
		}
		var again codec.Message
		if err := dec.Decode(&again, frame[codec.PrefixSize:]); err != nil {
			t.Errorf("%s: Decoder: %v", where, err)
		} else if err := r.Msg.Check(&again); err != nil {
			t.Errorf("%s: Decoder: %v", where, err)
		}
		if err := checkEncoding(m, frame); err != nil {
			t.Errorf("%s: %v", where, err)
		}
	})
	if total != 890 || digested != 4 {
		t.Errorf("%d frames, %d of them digested, want 890 and 4", total, digested)
	}
}

// checkEncoding compares all ways to encode m with the frame that is wanted.
func checkEncoding(m *codec.Message, want []byte) error {
	if got := codec.FrameSize(m); got != len(want) {
		return fmt.Errorf("FrameSize = %d, want %d", got, len(want))
	}
	before := []byte("before")
	whole, err := codec.Append(bytes.Clone(before), m)
	if err != nil {
		return err
	}
	if got, ok := bytes.CutPrefix(whole, before); !ok || !bytes.Equal(got, want) {
		return fmt.Errorf("Append =\n%x, want\n%x", got, want)
	}
	split, cut, err := codec.AppendSplit(bytes.Clone(before), m, 0)
	if err != nil {
		return err
	}
	if joined := bytes.Join([][]byte{split[:cut], m.Payload, split[cut:]}, nil); !bytes.Equal(joined, whole) {
		return fmt.Errorf("AppendSplit =\n%x, want\n%x", joined, whole)
	}
	return nil
}

// TestResponsesOfServices derives each response that a recorded service sent
// from the request that it had received.
func TestResponsesOfServices(t *testing.T) {
	type stream struct {
		file string
		conn int
		tag  uint32
		from string
	}
	requests := map[stream]*codec.Message{}
	checked, streaming := 0, 0
	recorded(t, func(where string, r *capture.Record) {
		if r.Digested() || len(r.Msg.Routes) == 0 {
			return
		}
		m, err := open(r.Frame())
		if err != nil {
			t.Errorf("%s: %v", where, err)
			return
		}
		var file string
		fmt.Sscan(where, &file)
		key := stream{file, r.Conn, m.Matchtag, m.Routes.Origin()}
		switch {
		case m.Type == codec.TypeRequest && r.Dir == capture.ServerToClient && m.Flags&codec.FlagNoResponse == 0:
			requests[key] = m
		case m.Type == codec.TypeResponse && r.Dir == capture.ClientToServer:
			req := requests[key]
			if req == nil {
				t.Errorf("%s: response without a request", where)
				return
			}
			got := codec.NewResponse(req)
			got.Errnum = m.Errnum
			got.SetPayload(m.Payload)
			if err := r.CheckFrame(mustAppend(t, got)); err != nil {
				t.Errorf("%s: %v", where, err)
			}
			checked++
			if m.Flags&codec.FlagStreaming != 0 {
				streaming++
			}
		}
	})
	if checked != 22 || streaming != 8 {
		t.Errorf("%d responses checked, %d of them streaming, want 22 and 8", checked, streaming)
	}
}
