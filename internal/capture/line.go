package capture

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/flux-sdk/flux/codec"
)

// hexBytes is bytes in the hex of the files.
type hexBytes []byte

// MarshalText implements [encoding.TextMarshaler].
func (h hexBytes) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (h *hexBytes) UnmarshalText(b []byte) error {
	out, err := hex.DecodeString(string(b))
	*h = out
	return err
}

// line is a Record with the keys of the files in their order.
type line struct {
	Conn      int       `json:"conn"`
	Dir       Dir       `json:"dir"`
	Raw       *hexBytes `json:"raw,omitempty"`
	Msg       *msgLine  `json:"msg,omitempty"`
	EOF       bool      `json:"eof,omitempty"`
	RawSize   int       `json:"raw_size,omitempty"`
	RawSHA256 string    `json:"raw_sha256,omitempty"`
	RawHead   *hexBytes `json:"raw_head,omitempty"`
	RawTail   *hexBytes `json:"raw_tail,omitempty"`
}

// msgLine is a Msg with the keys of the files in their order. What only some
// messages have is a pointer, because 0 and "" are values to write.
type msgLine struct {
	Handshake     *int      `json:"handshake,omitempty"`
	Type          string    `json:"type,omitempty"`
	Flags         *[]string `json:"flags,omitempty"`
	UserID        *uint32   `json:"userid,omitempty"`
	Rolemask      *uint32   `json:"rolemask,omitempty"`
	NodeID        *uint32   `json:"nodeid,omitempty"`
	Errnum        *uint32   `json:"errnum,omitempty"`
	Matchtag      *uint32   `json:"matchtag,omitempty"`
	Seq           *uint32   `json:"seq,omitempty"`
	Aux2          *uint32   `json:"aux2,omitempty"`
	Routes        *[]text   `json:"routes,omitempty"` // a pointer to a nil slice is null
	Topic         *text     `json:"topic,omitempty"`
	PayloadSize   *int      `json:"payload_size,omitempty"`
	Payload       *text     `json:"payload,omitempty"`
	PayloadNUL    bool      `json:"payload_nul,omitempty"`
	PayloadHex    *hexBytes `json:"payload_hex,omitempty"`
	PayloadSHA256 string    `json:"payload_sha256,omitempty"`
	PayloadHead   *hexBytes `json:"payload_head_hex,omitempty"`
}

func (l *line) record() (Record, error) {
	r := Record{Conn: l.Conn, Dir: l.Dir, EOF: l.EOF, RawSize: l.RawSize, RawSHA256: l.RawSHA256}
	for dst, src := range map[*[]byte]*hexBytes{&r.Raw: l.Raw, &r.RawHead: l.RawHead, &r.RawTail: l.RawTail} {
		if src != nil {
			*dst = *src
		}
	}
	switch {
	case r.Conn < 1:
		return r, fmt.Errorf("conn is %d, want 1 or more", r.Conn)
	case r.Dir != ClientToServer && r.Dir != ServerToClient:
		return r, fmt.Errorf("dir is %q, want %q or %q", r.Dir, ClientToServer, ServerToClient)
	case r.EOF && (l.Raw != nil || l.Msg != nil || r.Digested()):
		return r, errors.New("eof beside a frame")
	case r.EOF:
		return r, nil
	case l.Msg == nil:
		return r, errors.New("neither msg nor eof")
	case (l.Raw != nil) == r.Digested():
		return r, errors.New("want one of raw and raw_sha256")
	case r.Digested() && (l.RawHead == nil || l.RawTail == nil || r.RawSize <= 0):
		return r, errors.New("raw_sha256 without raw_size, raw_head and raw_tail")
	}
	m, err := l.Msg.msg()
	if err == nil && m.Handshake == nil {
		err = l.Msg.checkPayload(m)
	}
	if err != nil {
		return r, fmt.Errorf("msg: %w", err)
	}
	r.Msg = m
	return r, nil
}

func (l *msgLine) msg() (*Msg, error) {
	if l.Handshake != nil {
		return &Msg{Handshake: l.Handshake}, nil
	}
	m := &Msg{PayloadSHA256: l.PayloadSHA256}
	for _, t := range []codec.Type{codec.TypeRequest, codec.TypeResponse, codec.TypeEvent, codec.TypeControl} {
		if t.String() == l.Type {
			m.Type = t
		}
	}
	if m.Type == 0 {
		return nil, fmt.Errorf("unknown type %q", l.Type)
	}
	if l.Flags == nil {
		return nil, errors.New("no flags")
	}
	for _, name := range *l.Flags {
		f := flagOf(name)
		if f == 0 {
			return nil, fmt.Errorf("unknown flag %q", name)
		}
		m.Flags |= f
	}
	for dst, src := range map[*uint32]*uint32{
		&m.UserID: l.UserID, &m.Rolemask: l.Rolemask, &m.NodeID: l.NodeID, &m.Errnum: l.Errnum,
		&m.Matchtag: l.Matchtag, &m.Seq: l.Seq, &m.Aux2: l.Aux2,
	} {
		if src != nil {
			*dst = *src
		}
	}
	if l.Routes != nil {
		m.Routes = []string{}
		for _, hop := range *l.Routes {
			m.Routes = append(m.Routes, string(hop))
		}
	}
	if l.Topic != nil {
		m.Topic = string(*l.Topic)
	}
	switch {
	case l.Payload != nil:
		m.Payload = append([]byte(*l.Payload), 0)
	case l.PayloadHex != nil:
		m.Payload = *l.PayloadHex
	case l.PayloadHead != nil:
		m.PayloadHead = *l.PayloadHead
	}
	m.PayloadSize = len(m.Payload)
	if l.PayloadSize != nil {
		m.PayloadSize = *l.PayloadSize
	}
	return m, nil
}

// checkPayload says whether the payload's keys of a recorded frame agree.
func (l *msgLine) checkPayload(m *Msg) error {
	forms := 0
	for _, has := range []bool{l.Payload != nil, l.PayloadHex != nil, l.PayloadSHA256 != ""} {
		if has {
			forms++
		}
	}
	switch flag := m.Flags&codec.FlagPayload != 0; {
	case flag != (l.PayloadSize != nil) || flag != (forms == 1) || forms > 1:
		return errors.New("want payload_size and one form of the payload with the payload flag, none without it")
	case m.Payload != nil && len(m.Payload) != m.PayloadSize:
		return fmt.Errorf("payload_size is %d, but the payload has %d bytes", m.PayloadSize, len(m.Payload))
	}
	return nil
}

func flagOf(name string) codec.Flags {
	for f := codec.Flags(1); f != 0; f <<= 1 {
		if f.String() == name {
			return f
		}
	}
	return 0
}

func newLine(r *Record) *line {
	l := &line{Conn: r.Conn, Dir: r.Dir, EOF: r.EOF}
	if r.EOF {
		return l
	}
	l.Msg = newMsgLine(r.Msg)
	if r.Digested() {
		l.RawSize, l.RawSHA256 = r.RawSize, r.RawSHA256
		l.RawHead, l.RawTail = (*hexBytes)(&r.RawHead), (*hexBytes)(&r.RawTail)
	} else {
		l.Raw = (*hexBytes)(&r.Raw)
	}
	return l
}

func newMsgLine(m *Msg) *msgLine {
	if m.Handshake != nil {
		return &msgLine{Handshake: m.Handshake}
	}
	flags := []string{}
	if m.Flags != 0 {
		flags = strings.Split(m.Flags.String(), ",")
	}
	l := &msgLine{
		Type: m.Type.String(), Flags: &flags, UserID: &m.UserID, Rolemask: &m.Rolemask,
		Routes: new([]text),
	}
	switch m.Type {
	case codec.TypeRequest:
		l.NodeID, l.Matchtag = &m.NodeID, &m.Matchtag
	case codec.TypeResponse:
		l.Errnum, l.Matchtag = &m.Errnum, &m.Matchtag
	case codec.TypeEvent:
		l.Seq, l.Aux2 = &m.Seq, &m.Aux2
	}
	if m.Flags&codec.FlagRoute != 0 {
		*l.Routes = []text{}
		for _, hop := range m.Routes {
			*l.Routes = append(*l.Routes, text(hop))
		}
	}
	if m.Flags&codec.FlagTopic != 0 {
		l.Topic = (*text)(&m.Topic)
	}
	if m.Flags&codec.FlagPayload == 0 {
		return l
	}
	l.PayloadSize = &m.PayloadSize
	if m.PayloadSHA256 != "" {
		l.PayloadSHA256, l.PayloadHead = m.PayloadSHA256, (*hexBytes)(&m.PayloadHead)
	} else if s, ok := strings.CutSuffix(string(m.Payload), "\x00"); ok && utf8.ValidString(s) && !strings.Contains(s, "\x00") {
		l.Payload, l.PayloadNUL = (*text)(&s), true
	} else {
		l.PayloadHex = (*hexBytes)(&m.Payload)
	}
	return l
}
