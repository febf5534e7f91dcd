package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// ParsePrefix reads the eight bytes in front of a frame and returns the length
// of the body that follows. The error matches [ErrMalformed] for a wrong magic
// or a length under [MinBody], and [ErrTooLarge] for one over maxSize; a
// maxSize of 0 means [DefaultMaxSize]. A reader must not allocate the length
// before bytes arrive: it is only what the peer claims.
func ParsePrefix(b []byte, maxSize int) (int, error) {
	if len(b) < PrefixSize {
		return 0, malformed("frame prefix of %d bytes, want %d", len(b), PrefixSize)
	}
	if binary.NativeEndian.Uint32(b) != frameMagic {
		want := binary.NativeEndian.AppendUint32(nil, frameMagic)
		return 0, malformed("frame starts with % x, want the magic % x", b[:4], want)
	}
	n := binary.BigEndian.Uint32(b[4:])
	if n < MinBody {
		return 0, malformed("frame length %d, want at least %d", n, MinBody)
	}
	if m := limit(maxSize); n > uint32(m) {
		return 0, fmt.Errorf("%w: frame length %d, limit %d", ErrTooLarge, n, m)
	}
	return int(n), nil
}

// Decode reads the body of one frame, which is what follows the prefix. The
// message aliases body in Routes and Payload. The error matches [ErrMalformed].
// Parts beyond those that the flags announce are ignored, and a topic is cut
// at its first NUL, as brokers do.
func Decode(body []byte) (*Message, error) {
	m := new(Message)
	if err := (*Decoder)(nil).Decode(m, body); err != nil {
		return nil, err
	}
	return m, nil
}

// internMax and internLen bound what a Decoder remembers, so that a peer that
// invents topics cannot grow it.
const (
	internMax = 256
	internLen = 128
)

// Decoder decodes messages and keeps one string for each topic it meets often,
// so that a busy reader does not allocate it anew. It must not be used
// concurrently. The zero value is ready; a nil Decoder works and remembers
// nothing.
type Decoder struct {
	topics map[string]string
	last   string // of topics: a burst is mostly about one
}

// Decode reads the body of one frame into m, replacing all of it; see the
// function [Decode].
func (d *Decoder) Decode(m *Message, body []byte) error {
	if len(body) < MinBody {
		return malformed("body of %d bytes, want at least %d", len(body), MinBody)
	}
	// The size byte reads 20 in the short and in the long form of a part size.
	h := body[len(body)-HeaderSize:]
	switch {
	case body[len(body)-HeaderSize-1] != HeaderSize:
		return malformed("the last part is not a header of %d bytes", HeaderSize)
	case h[0] != headerMagic:
		return malformed("header starts with %#02x, want %#02x as the first of its %d bytes", h[0], headerMagic, HeaderSize)
	case h[1] != headerVersion:
		return malformed("header version %d, want %d", h[1], headerVersion)
	}
	typ, flags := Type(h[2]), Flags(h[3])
	switch typ {
	case TypeRequest, TypeResponse, TypeEvent, TypeControl:
	default:
		return malformed("type %d is none of request (1), response (2), event (4), control (8)", typ)
	}
	*m = Message{
		Type: typ, Flags: flags,
		UserID:   binary.BigEndian.Uint32(h[4:]),
		Rolemask: binary.BigEndian.Uint32(h[8:]),
	}
	m.setAux(binary.BigEndian.Uint32(h[12:]), binary.BigEndian.Uint32(h[16:]))

	at := 0 // what is before it has been read
	if flags&FlagRoute != 0 {
		for {
			at = skipHops(body, at)
			from, to, err := cutPart(body, at)
			if err != nil {
				return fmt.Errorf("%w (in the route stack: no delimiter)", err)
			}
			if from == to {
				if at > 0 {
					m.Routes = Routes(body[:at:at])
				}
				at = to
				break
			}
			at = to
		}
	}
	if flags&FlagTopic != 0 {
		from, to, err := cutPart(body, at)
		if err != nil {
			return fmt.Errorf("%w (the topic)", err)
		}
		m.Topic, at = d.intern(body[from:to]), to
	}
	if flags&FlagPayload != 0 {
		from, to, err := cutPart(body, at)
		if err != nil {
			return fmt.Errorf("%w (the payload)", err)
		}
		m.Payload, at = body[from:to:to], to
	}
	if at == len(body)-HeaderSize-1 {
		return nil // the header, as found above
	}
	for {
		from, to, err := cutPart(body, at)
		if err != nil {
			return fmt.Errorf("%w (the header)", err)
		}
		if to == len(body) {
			if to-from != HeaderSize {
				return malformed("last part has %d bytes, want a header of %d", to-from, HeaderSize)
			}
			return nil
		}
		at = to
	}
}

// intern returns the text of a topic part, which ends at its first NUL.
func (d *Decoder) intern(topic []byte) string {
	if d != nil && string(topic) == d.last {
		return d.last
	}
	if i := bytes.IndexByte(topic, 0); i >= 0 {
		topic = topic[:i]
	}
	if d == nil || len(topic) > internLen {
		return string(topic)
	}
	if s, ok := d.topics[string(topic)]; ok {
		d.last = s
		return s
	}
	s := string(topic)
	if len(d.topics) < internMax {
		if d.topics == nil {
			d.topics = make(map[string]string)
		}
		d.topics[s] = s
	}
	return s
}
