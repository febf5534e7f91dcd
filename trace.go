package flux

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/flux-sdk/flux/codec"
)

const (
	// traceBacklog is how much formatted trace waits for a slow writer before
	// messages are left out of it.
	traceBacklog = 8 << 20
	traceHex     = 78 // columns of a payload that is shown in hex
	traceFlush   = time.Second
)

// tracer writes messages in the shape of libflux's FLUX_HANDLE_TRACE. It formats
// where it is called and writes on a goroutine of its own that lives while
// there is something to write, so that a slow writer holds nobody up.
type tracer struct {
	w     io.Writer
	start func() time.Time // when the first message was traced

	mu      sync.Mutex
	buf     []byte
	missed  int
	writing bool
	idle    chan struct{} // closed when all is written; nil while nobody waits
}

func newTracer(w io.Writer) *tracer { return &tracer{w: w, start: sync.OnceValue(time.Now)} }

var traceMark = map[codec.Type]byte{
	codec.TypeRequest: '>', codec.TypeResponse: '<', codec.TypeEvent: 'e', codec.TypeControl: 'c',
}

func (t *tracer) message(m *codec.Message) {
	text := formatTrace(time.Since(t.start()), m)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.buf)+len(text) > traceBacklog {
		t.missed++
		return
	}
	if t.missed > 0 {
		t.buf = fmt.Appendf(t.buf, "-- %d messages not traced: the writer is too slow\n", t.missed)
		t.missed = 0
	}
	t.buf = append(t.buf, text...)
	if !t.writing {
		t.writing = true
		go t.write()
	}
}

func (t *tracer) write() {
	for {
		t.mu.Lock()
		b := t.buf
		t.buf = nil
		if len(b) == 0 {
			t.writing = false
			if t.idle != nil {
				close(t.idle)
				t.idle = nil
			}
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
		t.w.Write(b)
	}
}

// drain waits a bounded time for what was traced to be written.
func (t *tracer) drain() {
	t.mu.Lock()
	if !t.writing {
		t.mu.Unlock()
		return
	}
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	t.mu.Unlock()
	timer := time.NewTimer(traceFlush)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}

// formatTrace shows one message as libflux does: a rule, then lines with the
// mark of its type.
func formatTrace(at time.Duration, m *codec.Message) []byte {
	var b bytes.Buffer
	b.WriteString(strings.Repeat("-", 38) + "\n")
	line := func(format string, args ...any) {
		fmt.Fprintf(&b, "%c ", traceMark[m.Type])
		fmt.Fprintf(&b, format+"\n", args...)
	}
	line("%.5f", at.Seconds())
	if m.Topic != "" {
		line("%s", m.Topic)
	}
	head := fmt.Sprintf("flags=%s userid=%s rolemask=%s", traceFlags(m), traceUserID(m.UserID), Role(m.Rolemask))
	switch m.Type {
	case codec.TypeRequest:
		line("%s nodeid=%s matchtag=%d", head, traceNode(m), m.Matchtag)
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
		line("%s", tracePayload(m.Payload))
	}
	return b.Bytes()
}

func traceUserID(id uint32) string {
	if id == codec.UserIDUnknown {
		return "unknown"
	}
	return fmt.Sprint(id)
}

// traceFlags are the flags as they are on the wire.
func traceFlags(m *codec.Message) codec.Flags {
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

// traceNode is the rank even if the upstream flag says to skip it.
func traceNode(m *codec.Message) string {
	switch m.NodeID {
	case codec.NodeAny:
		return "any"
	case codec.NodeUpstream:
		return "upstream"
	}
	return fmt.Sprint(m.NodeID)
}

// tracePayload is the text of a payload, or its hex cut to a line. What is no
// text but ends in a NUL, which libflux shows up to the first one, is hex too.
func tracePayload(p []byte) string {
	if text, err := codec.TextPayload(p); err == nil && len(text) == len(p)-1 && utf8.ValidString(text) {
		return text
	}
	if 2*len(p) > traceHex {
		return fmt.Sprintf("%X...", p[:(traceHex-3)/2])
	}
	return fmt.Sprintf("%X", p)
}
