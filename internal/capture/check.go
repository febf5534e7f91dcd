package capture

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/flux-sdk/flux/codec"
)

// Check compares a decoded message with m. The error names the first field
// that differs, what it is and what was recorded.
func (m *Msg) Check(got *codec.Message) error {
	if m.Handshake != nil {
		return fmt.Errorf("a handshake (%d) was recorded, not a message", *m.Handshake)
	}
	if got.Type != m.Type {
		return fmt.Errorf("type is %s (%d), want %s", got.Type, got.Type, m.Type)
	}
	if got.Flags != m.Flags {
		return fmt.Errorf("flags are %q, want %q", got.Flags, m.Flags)
	}
	words := []struct {
		name      string
		got, want uint32
		in        []codec.Type // nil: all
	}{
		{"userid", got.UserID, m.UserID, nil},
		{"rolemask", got.Rolemask, m.Rolemask, nil},
		{"nodeid", got.NodeID, m.NodeID, []codec.Type{codec.TypeRequest}},
		{"errnum", got.Errnum, m.Errnum, []codec.Type{codec.TypeResponse}},
		{"matchtag", got.Matchtag, m.Matchtag, []codec.Type{codec.TypeRequest, codec.TypeResponse}},
		{"seq", got.Sequence, m.Seq, []codec.Type{codec.TypeEvent}},
		{"aux2", got.Matchtag, m.Aux2, []codec.Type{codec.TypeEvent}},
	}
	for _, w := range words {
		if w.got != w.want && (w.in == nil || slices.Contains(w.in, m.Type)) {
			return fmt.Errorf("%s is %d, want %d", w.name, w.got, w.want)
		}
	}
	if h := hops(got.Routes); !slices.Equal(h, m.Routes) {
		return fmt.Errorf("routes are %q, want %q", h, m.Routes)
	}
	if got.Topic != m.Topic {
		return fmt.Errorf("topic is %q, want %q", got.Topic, m.Topic)
	}
	return m.checkPayload(got.Payload)
}

func (m *Msg) checkPayload(got []byte) error {
	switch {
	case len(got) != m.PayloadSize:
		return fmt.Errorf("payload has %d bytes, want %d", len(got), m.PayloadSize)
	case m.PayloadSHA256 == "" && !bytes.Equal(got, m.Payload):
		return fmt.Errorf("payload is %q, want %q", got, m.Payload)
	case m.PayloadSHA256 == "":
		return nil
	case !bytes.HasPrefix(got, m.PayloadHead):
		return fmt.Errorf("payload starts with % x, want % x", got[:min(len(got), len(m.PayloadHead))], m.PayloadHead)
	case digest(got) != m.PayloadSHA256:
		return fmt.Errorf("payload has sha256 %s, want %s", digest(got), m.PayloadSHA256)
	}
	return nil
}

// CheckFrame compares an encoded frame, as it is on this host, with the
// recorded bytes or with the digests of them.
func (r *Record) CheckFrame(frame []byte) error {
	if !r.IsFrame() {
		return fmt.Errorf("no frame was recorded")
	}
	got := HostOrder(frame)
	if !r.Digested() {
		if !bytes.Equal(got, r.Raw) {
			return fmt.Errorf("frame is\n%x, want\n%x", got, r.Raw)
		}
		return nil
	}
	switch {
	case len(got) != r.RawSize:
		return fmt.Errorf("frame has %d bytes, want %d", len(got), r.RawSize)
	case !bytes.HasPrefix(got, r.RawHead):
		return fmt.Errorf("frame starts with\n%x, want\n%x", got[:min(len(got), len(r.RawHead))], r.RawHead)
	case !bytes.HasSuffix(got, r.RawTail):
		return fmt.Errorf("frame ends with\n%x, want\n%x", got[max(0, len(got)-len(r.RawTail)):], r.RawTail)
	case digest(got) != r.RawSHA256:
		return fmt.Errorf("frame has sha256 %s, want %s", digest(got), r.RawSHA256)
	}
	return nil
}
