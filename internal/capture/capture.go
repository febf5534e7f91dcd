// Package capture reads and writes recorded conversations between a client and
// a broker: JSON lines, each with the exact bytes of one frame next to what
// they mean. The README of the package golden describes the format key by key.
//
// A file is read with [Read] and checked against a decoder with [Msg.Check] and
// against an encoder with [Record.CheckFrame]. A [Writer] records what passes in
// the same spelling, so that reading a file and writing it again changes no byte.
package capture

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/flux-sdk/flux/codec"
)

// Above these sizes in bytes a file has digests instead of the bytes.
const (
	maxRaw     = 100000
	maxPayload = 4096
)

// The lengths of what a file quotes of digested bytes.
const (
	rawHead     = 512
	rawTail     = 64
	payloadHead = 32
)

// Dir is the direction in which bytes went.
type Dir string

// The two directions.
const (
	ClientToServer Dir = "c2s"
	ServerToClient Dir = "s2c"
)

// Record is one line of a file: a frame, the handshake byte of the broker, or
// the end of one direction of a connection.
type Record struct {
	Conn int // number of the connection in the file, from 1, in order of connect
	Dir  Dir
	Raw  []byte // the bytes as recorded, see Frame; nil for EOF and if digested
	EOF  bool   // that side closed its half of the connection
	Msg  *Msg   // what the bytes mean; nil for EOF

	// Instead of Raw for a digested frame.
	RawSize          int
	RawSHA256        string // hex
	RawHead, RawTail []byte
}

// Msg is the meaning of a frame or of the handshake byte.
type Msg struct {
	Handshake *int // the handshake byte; nothing else is set beside it

	Type             codec.Type
	Flags            codec.Flags
	UserID, Rolemask uint32
	NodeID           uint32 // request
	Errnum           uint32 // response
	Matchtag         uint32 // request, response
	Seq, Aux2        uint32 // event

	Routes []string // in wire order, nil if the route flag is clear
	Topic  string

	// The payload part. Payload has exactly its bytes, the NUL of a text
	// included, and is nil if the file has only their digest.
	PayloadSize   int
	Payload       []byte
	PayloadSHA256 string // hex
	PayloadHead   []byte
}

// NewRecord makes the record of bytes that went by: one whole frame as it is on
// this host, or the single byte of the handshake, which only a broker sends.
func NewRecord(conn int, dir Dir, raw []byte) (Record, error) {
	r := Record{Conn: conn, Dir: dir}
	if len(raw) == 1 && dir == ServerToClient {
		n := int(raw[0])
		r.Raw, r.Msg = bytes.Clone(raw), &Msg{Handshake: &n}
		return r, nil
	}
	n, err := codec.ParsePrefix(raw, 0)
	if err != nil {
		return Record{}, err
	}
	if len(raw) != codec.PrefixSize+n {
		return Record{}, fmt.Errorf("%d bytes, want a frame of %d", len(raw), codec.PrefixSize+n)
	}
	m, err := codec.Decode(raw[codec.PrefixSize:])
	if err != nil {
		return Record{}, err
	}
	r.Msg = newMsg(m)
	if file := HostOrder(raw); len(raw) > maxRaw {
		r.RawSize, r.RawSHA256 = len(file), digest(file)
		r.RawHead, r.RawTail = bytes.Clone(file[:rawHead]), bytes.Clone(file[len(file)-rawTail:])
	} else {
		r.Raw = bytes.Clone(file)
	}
	return r, nil
}

func newMsg(m *codec.Message) *Msg {
	out := &Msg{
		Type: m.Type, Flags: m.Flags, UserID: m.UserID, Rolemask: m.Rolemask,
		Topic: m.Topic, PayloadSize: len(m.Payload),
	}
	switch m.Type {
	case codec.TypeRequest:
		out.NodeID, out.Matchtag = m.NodeID, m.Matchtag
	case codec.TypeResponse:
		out.Errnum, out.Matchtag = m.Errnum, m.Matchtag
	case codec.TypeEvent:
		out.Seq, out.Aux2 = m.Sequence, m.Matchtag
	}
	if m.Flags&codec.FlagRoute != 0 {
		out.Routes = hops(m.Routes)
	}
	switch {
	case m.Flags&codec.FlagPayload == 0:
	case len(m.Payload) > maxPayload:
		out.PayloadSHA256, out.PayloadHead = digest(m.Payload), bytes.Clone(m.Payload[:payloadHead])
	default:
		out.Payload = append([]byte{}, m.Payload...)
	}
	return out
}

// Message builds the message that m tells of. It has no payload if only the
// digest of it is known.
func (m *Msg) Message() *codec.Message {
	out := &codec.Message{
		Type: m.Type, Flags: m.Flags, UserID: m.UserID, Rolemask: m.Rolemask,
		NodeID: m.NodeID, Errnum: m.Errnum, Sequence: m.Seq, Matchtag: m.Matchtag,
		Routes: codec.MakeRoutes(m.Routes...), Topic: m.Topic,
	}
	if m.Type == codec.TypeEvent {
		out.Matchtag = m.Aux2
	}
	out.SetPayload(m.Payload)
	return out
}

// IsFrame reports whether r is a frame, not a handshake or an end.
func (r *Record) IsFrame() bool { return r.Msg != nil && r.Msg.Handshake == nil }

// Digested reports whether r has only digests of the frame's bytes.
func (r *Record) Digested() bool { return r.RawSHA256 != "" }

// Frame returns Raw as a broker on this host would have sent it: files have the
// magic in little endian order, because a little endian host recorded them.
func (r *Record) Frame() []byte {
	if !r.IsFrame() {
		return r.Raw
	}
	return HostOrder(r.Raw)
}

// HostOrder turns the magic at the start of a frame from the byte order of the
// files into that of this host, or back.
func HostOrder(frame []byte) []byte {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return frame
	}
	return swapMagic(frame)
}

func swapMagic(frame []byte) []byte {
	if len(frame) < 4 {
		return frame
	}
	out := bytes.Clone(frame)
	binary.LittleEndian.PutUint32(out, binary.BigEndian.Uint32(frame))
	return out
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func hops(r codec.Routes) []string {
	out := []string{}
	for hop := range r.All() {
		out = append(out, hop)
	}
	return out
}
