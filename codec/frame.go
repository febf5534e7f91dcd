package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Sizes of the fixed pieces, in bytes.
const (
	PrefixSize = 8  // magic and length in front of every frame
	HeaderSize = 20 // the fixed header, always the last part
	MinBody    = 21 // the smallest legal body: the header part alone

	// DefaultMaxSize is the cap on the body of a frame, in both directions,
	// where no other is given.
	DefaultMaxSize = 1 << 30

	// maxMaxSize keeps every length field clear of the values whose sum with
	// the prefix wraps in 32 bits, which end a broker's process.
	maxMaxSize = 1<<31 - 1 - PrefixSize

	// MaxService is the longest text before the last period of the topic of a
	// request that wants a response: with more, the router drops the request
	// in silence, because the disconnect topic made of it would not fit.
	MaxService = 244
)

const (
	frameMagic    = 0xffee0012
	headerMagic   = 0x8e
	headerVersion = 1
)

var (
	// ErrMalformed matches every error of bytes that are not a Flux message.
	ErrMalformed = errors.New("malformed Flux message")
	// ErrTooLarge matches every error of a message over the size cap.
	ErrTooLarge = errors.New("Flux message over the size limit")
	// ErrUnsendable matches every error of a message that must not be put on
	// the wire, because it would harm the broker or vanish in silence.
	ErrUnsendable = errors.New("Flux message cannot be sent")
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

func unsendable(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrUnsendable}, args...)...)
}

// limit returns the cap in force for a requested one.
func limit(maxSize int) int {
	if maxSize <= 0 {
		return DefaultMaxSize
	}
	return min(maxSize, maxMaxSize)
}

// Append appends m to dst as one frame, prefix included, and returns the
// extended slice. m.Payload is copied. An error matches [ErrUnsendable] or
// [ErrTooLarge] and leaves dst as it was.
func Append(dst []byte, m *Message) ([]byte, error) { return AppendMax(dst, m, 0) }

// AppendMax is [Append] with a cap on the size of the body; 0 means
// [DefaultMaxSize].
func AppendMax(dst []byte, m *Message, maxSize int) ([]byte, error) {
	n, err := checkSend(m, maxSize)
	if err != nil {
		return dst, err
	}
	start := len(dst)
	dst = slices.Grow(dst, PrefixSize+n)[:start+PrefixSize+n]
	at := putHead(dst[start:], m, n)
	at += copy(dst[start+at:], m.Payload)
	putHeader(dst[start+at:], m)
	return dst, nil
}

// AppendSplit appends to dst what a frame has in front of and behind the
// payload's bytes, so that a large payload can be written from where it is:
// the frame is out[len(dst):cut], m.Payload, out[cut:].
func AppendSplit(dst []byte, m *Message, maxSize int) (out []byte, cut int, err error) {
	n, err := checkSend(m, maxSize)
	if err != nil {
		return dst, 0, err
	}
	n -= len(m.Payload)
	start := len(dst)
	out = slices.Grow(dst, PrefixSize+n)[:start+PrefixSize+n]
	cut = start + putHead(out[start:], m, n+len(m.Payload))
	putHeader(out[cut:], m)
	return out, cut, nil
}

// FrameSize is the size of the frame that m makes, prefix included.
func FrameSize(m *Message) int { return PrefixSize + bodySize(m) }

func bodySize(m *Message) int {
	n := MinBody
	f := m.wireFlags()
	if f&FlagRoute != 0 {
		n += len(m.Routes) + 1
	}
	if f&FlagTopic != 0 {
		n += PartSize(len(m.Topic))
	}
	if f&FlagPayload != 0 {
		n += PartSize(len(m.Payload))
	}
	return n
}

// putHead puts what comes before the payload's bytes of a frame with a body of
// n bytes into b, and returns its size.
func putHead(b []byte, m *Message, n int) int {
	f := m.wireFlags()
	binary.NativeEndian.PutUint32(b, frameMagic)
	binary.BigEndian.PutUint32(b[4:], uint32(n))
	at := PrefixSize
	if f&FlagRoute != 0 {
		at += copy(b[at:], m.Routes)
		b[at] = 0
		at++
	}
	if f&FlagTopic != 0 {
		at += putSize(b[at:], len(m.Topic))
		at += copy(b[at:], m.Topic)
	}
	if f&FlagPayload != 0 {
		at += putSize(b[at:], len(m.Payload))
	}
	return at
}

// putHeader puts the last part of a frame into b.
func putHeader(b []byte, m *Message) {
	_ = b[HeaderSize]
	aux1, aux2 := m.aux()
	b[0], b[1], b[2], b[3], b[4] = HeaderSize, headerMagic, headerVersion, byte(m.Type), byte(m.wireFlags())
	binary.BigEndian.PutUint32(b[5:], m.UserID)
	binary.BigEndian.PutUint32(b[9:], m.Rolemask)
	binary.BigEndian.PutUint32(b[13:], aux1)
	binary.BigEndian.PutUint32(b[17:], aux2)
}

// checkSend refuses what would harm a broker or vanish in it without a word,
// and returns the size of the body.
func checkSend(m *Message, maxSize int) (int, error) {
	switch m.Type {
	case TypeRequest, TypeResponse, TypeEvent:
		if m.wireFlags()&FlagTopic == 0 {
			return 0, m.misfit()
		}
	case TypeControl:
	default:
		return 0, m.misfit()
	}
	n := bodySize(m)
	if strings.IndexByte(m.Topic, 0) >= 0 || n > limit(maxSize) ||
		len(m.Topic) > MaxService && m.prefixTooLong() || skipHops(m.Routes, 0) < len(m.Routes) && m.Routes.check() != nil {
		return 0, m.refusal(n, maxSize)
	}
	return n, nil
}

// misfit says what is wrong with the type of m, or what its type wants.
func (m *Message) misfit() error {
	switch m.Type {
	case TypeRequest, TypeResponse, TypeEvent:
		return unsendable("%s without a topic: brokers drop it in silence", m.Type)
	}
	return unsendable("type %d is none of request (1), response (2), event (4), control (8)", m.Type)
}

// prefixTooLong reports whether the router would drop m because it could not
// make a disconnect topic of its topic.
func (m *Message) prefixTooLong() bool {
	return m.Type == TypeRequest && m.Flags&FlagNoResponse == 0 && servicePrefix(m.Topic) > MaxService
}

// refusal says why m is not to be sent.
func (m *Message) refusal(n, maxSize int) error {
	if i := strings.IndexByte(m.Topic, 0); i >= 0 {
		return unsendable("topic %q has a NUL at byte %d: the receiver would cut it there", m.Topic, i)
	}
	if m.prefixTooLong() {
		return unsendable("topic has %d bytes before its last period, %d at most: brokers drop it in silence", servicePrefix(m.Topic), MaxService)
	}
	if err := m.Routes.check(); err != nil {
		return unsendable("%w", err)
	}
	return fmt.Errorf("%w: %s %q of %d bytes, limit %d", ErrTooLarge, m.Type, m.Topic, n, limit(maxSize))
}

// servicePrefix is the length of the text that the router makes a disconnect
// topic of: everything before the last period, or nothing without one.
func servicePrefix(topic string) int { return max(strings.LastIndexByte(topic, '.'), 0) }
