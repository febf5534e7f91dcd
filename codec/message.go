package codec

import "strings"

// Type says what a message is. On the wire it is exactly one of the four
// values, although they look like bits.
type Type uint8

// The message types of RFC 3.
const (
	TypeRequest  Type = 1
	TypeResponse Type = 2
	TypeEvent    Type = 4
	TypeControl  Type = 8
)

// String returns the name that Flux tools print.
func (t Type) String() string {
	switch t {
	case TypeRequest:
		return "request"
	case TypeResponse:
		return "response"
	case TypeEvent:
		return "event"
	case TypeControl:
		return "control"
	}
	return "invalid"
}

// Flags are the message flags of RFC 3.
type Flags uint8

// The message flags. FlagTopic, FlagPayload and FlagRoute say which parts are
// present; the encoder sets them itself where the message has such a part.
const (
	FlagTopic      Flags = 0x01 // topic part present
	FlagPayload    Flags = 0x02 // payload part present, possibly empty
	FlagNoResponse Flags = 0x04 // request: no response wanted
	FlagRoute      Flags = 0x08 // route delimiter present, with routes or without
	FlagUpstream   Flags = 0x10 // request: skip the rank named by the nodeid
	FlagPrivate    Flags = 0x20 // event: only for the owner and the sender's userid
	FlagStreaming  Flags = 0x40 // request, response: more than one response expected
	FlagUser1      Flags = 0x80 // free for applications, copied into responses
)

var flagNames = [8]string{"topic", "payload", "noresponse", "route", "upstream", "private", "streaming", "user1"}

// String lists the names of the flags that are set, separated by commas.
func (f Flags) String() string {
	var names []string
	for i, name := range flagNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// Values that mean "not set" or "not a rank".
const (
	NodeAny       uint32 = 0xffffffff // nodeid: the nearest service
	NodeUpstream  uint32 = 0xfffffffe // nodeid in an API only; on the wire it is own rank + FlagUpstream
	UserIDUnknown uint32 = 0xffffffff // userid: the receiver fills it in
	RoleNone      uint32 = 0          // rolemask: the receiver fills it in
	MatchtagNone  uint32 = 0          // matchtag: no response is matched
)

// Message is one Flux message, of any type. It is plain data: the zero value
// is not a valid message, the constructors fill in the usual "unset" values.
//
// A decoded message aliases the bytes it was decoded from in Routes and
// Payload; whoever owns those bytes owns the message. Nothing here may be
// changed while another goroutine uses the message.
type Message struct {
	Type  Type
	Flags Flags

	UserID   uint32 // sender, UserIDUnknown until a broker fills it in
	Rolemask uint32 // roles of the sender, RoleNone until a broker fills it in

	NodeID        uint32 // request: rank addressed, or NodeAny
	Errnum        uint32 // response: Linux errno, 0 is success
	Sequence      uint32 // event: instance-wide number, from 1
	ControlType   uint32 // control
	ControlStatus uint32 // control

	// Matchtag pairs a response with its request. Events carry the reserved
	// word of the header here, which is 0.
	Matchtag uint32

	Routes  Routes // route stack, most recent hop first
	Topic   string // no NUL
	Payload []byte // exactly the bytes of the part, a trailing NUL included
}

// NewRequest returns a request for topic with nothing else set: any rank, no
// matchtag, an empty route stack.
func NewRequest(topic string) *Message {
	return &Message{
		Type: TypeRequest, Flags: FlagTopic | FlagRoute,
		UserID: UserIDUnknown, NodeID: NodeAny, Topic: topic,
	}
}

// NewEvent returns an event message as a client sends it directly to the
// broker (RFC 12): unnumbered, with an empty route stack as libflux has it.
func NewEvent(topic string) *Message {
	return &Message{Type: TypeEvent, Flags: FlagTopic | FlagRoute, UserID: UserIDUnknown, Topic: topic}
}

// NewResponse derives the response to req: same routes, topic and matchtag and
// all flags but the payload's, credentials unset. Errnum and Payload are the
// caller's to set. The routes are shared with req.
func NewResponse(req *Message) *Message {
	return &Message{
		Type: TypeResponse, Flags: req.Flags &^ FlagPayload,
		UserID: UserIDUnknown, Matchtag: req.Matchtag,
		Routes: req.Routes, Topic: req.Topic,
	}
}

// HasPayload reports whether the message carries a payload part, which may be
// empty.
func (m *Message) HasPayload() bool { return m.Flags&FlagPayload != 0 || len(m.Payload) > 0 }

// SetPayload makes p the payload; a nil p removes it. An empty, non-nil p is a
// payload part of no bytes.
func (m *Message) SetPayload(p []byte) {
	m.Payload = p
	if p == nil {
		m.Flags &^= FlagPayload
	} else {
		m.Flags |= FlagPayload
	}
}

// Final reports whether a response is the last one to its request: an error,
// or a success without the streaming flag (RFC 6).
func (m *Message) Final() bool { return m.Errnum != 0 || m.Flags&FlagStreaming == 0 }

// wireFlags are the flags with those of the present parts added.
func (m *Message) wireFlags() Flags {
	f := m.Flags
	if m.Topic != "" {
		f |= FlagTopic
	}
	if len(m.Payload) > 0 {
		f |= FlagPayload
	}
	if len(m.Routes) > 0 {
		f |= FlagRoute
	}
	return f
}

// aux returns the two words of the header whose meaning depends on the type.
func (m *Message) aux() (aux1, aux2 uint32) {
	switch m.Type {
	case TypeRequest:
		return m.NodeID, m.Matchtag
	case TypeResponse:
		return m.Errnum, m.Matchtag
	case TypeEvent:
		return m.Sequence, m.Matchtag
	default:
		return m.ControlType, m.ControlStatus
	}
}

func (m *Message) setAux(aux1, aux2 uint32) {
	switch m.Type {
	case TypeRequest:
		m.NodeID, m.Matchtag = aux1, aux2
	case TypeResponse:
		m.Errnum, m.Matchtag = aux1, aux2
	case TypeEvent:
		m.Sequence, m.Matchtag = aux1, aux2
	default:
		m.ControlType, m.ControlStatus = aux1, aux2
	}
}
