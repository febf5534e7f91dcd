// Package wiretrace shows messages as libflux does where FLUX_HANDLE_TRACE is set.
package wiretrace

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flux-sdk/flux/codec"
)

// hexColumns is the width of a payload that is shown in hex.
const hexColumns = 78

// marks are what the lines of a message begin with.
var marks = map[codec.Type]byte{
	codec.TypeRequest: '>', codec.TypeResponse: '<', codec.TypeEvent: 'e', codec.TypeControl: 'c',
}

// Format returns the lines of one message: a rule, then lines with the mark of its
// type. at is the time since the first message.
func Format(at time.Duration, m *codec.Message) []byte {
	var b bytes.Buffer
	b.WriteString(strings.Repeat("-", 38) + "\n")
	line := func(format string, args ...any) {
		fmt.Fprintf(&b, "%c ", marks[m.Type])
		fmt.Fprintf(&b, format+"\n", args...)
	}
	line("%.5f", at.Seconds())
	if m.Topic != "" {
		line("%s", m.Topic)
	}
	head := fmt.Sprintf("flags=%s userid=%s rolemask=%s", wireFlags(m), userID(m.UserID), Roles(m.Rolemask))
	switch m.Type {
	case codec.TypeRequest:
		line("%s nodeid=%s matchtag=%d", head, node(m), m.Matchtag)
	case codec.TypeResponse:
		line("%s errnum=%d matchtag=%d", head, m.Errnum, m.Matchtag)
	case codec.TypeEvent:
		line("%s sequence=%d", head, m.Sequence)
	default:
		line("%s type=%d status=%d", head, m.ControlType, m.ControlStatus)
	}
	if len(m.Routes) > 0 {
		line("%s", m.Routes)
	}
	if m.HasPayload() {
		line("%s", payload(m.Payload))
	}
	return b.Bytes()
}

func userID(id uint32) string {
	if id == codec.UserIDUnknown {
		return "unknown"
	}
	return fmt.Sprint(id)
}

// wireFlags are the flags as they are on the wire.
func wireFlags(m *codec.Message) codec.Flags {
	f := m.Flags
	if m.Topic != "" {
		f |= codec.FlagTopic
	}
	if m.HasPayload() {
		f |= codec.FlagPayload
	}
	if len(m.Routes) > 0 {
		f |= codec.FlagRoute
	}
	return f
}

// node is the rank even if the upstream flag says to skip it.
func node(m *codec.Message) string {
	switch m.NodeID {
	case codec.NodeAny:
		return "any"
	case codec.NodeUpstream:
		return "upstream"
	}
	return fmt.Sprint(m.NodeID)
}

// payload is the text of a payload, or its hex cut to a line. What is no
// text but ends in a NUL, which libflux shows up to the first one, is hex too.
func payload(p []byte) string {
	if text, err := codec.TextPayload(p); err == nil && len(text) == len(p)-1 && utf8.ValidString(text) {
		return text
	}
	if 2*len(p) > hexColumns {
		return fmt.Sprintf("%X...", p[:(hexColumns-3)/2])
	}
	return fmt.Sprintf("%X", p)
}

var roleNames = [...]string{"owner", "user", "local", "admin"}

// Roles names the roles of a rolemask (RFC 12), separated by commas.
func Roles(mask uint32) string {
	switch mask {
	case 0:
		return "none"
	case 1<<32 - 1:
		return "all"
	}
	var names []string
	for i, name := range roleNames {
		if mask&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if rest := mask &^ (1<<len(roleNames) - 1); rest != 0 {
		names = append(names, fmt.Sprintf("%#x", rest))
	}
	return strings.Join(names, ",")
}
