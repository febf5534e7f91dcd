package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
)

// tracePayload is how much of a payload a trace shows, in characters.
const tracePayload = 160

// tracer shows messages, a line for each. A nil tracer shows nothing.
type tracer struct {
	w     io.Writer
	full  bool
	start time.Time
	mu    sync.Mutex
}

func newTracer(w io.Writer, full bool) *tracer {
	return &tracer{w: w, full: full, start: time.Now()}
}

// line writes the time, the connection, the direction and a text.
func (t *tracer) line(conn int, mark, format string, args ...any) {
	if t == nil {
		return
	}
	text := fmt.Sprintf(format, args...)
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.w, "%9.5f #%d %s %s\n", time.Since(t.start).Seconds(), conn, mark, text)
}

func (t *tracer) note(conn int, format string, args ...any) { t.line(conn, "!!", format, args...) }

// marks are the directions as a client sees them.
var marks = map[capture.Dir]string{capture.ClientToServer: "->", capture.ServerToClient: "<-"}

func (t *tracer) eof(conn int, dir capture.Dir) { t.line(conn, marks[dir], "end") }

func (t *tracer) record(r *capture.Record) {
	if t == nil {
		return
	}
	t.line(r.Conn, marks[r.Dir], "%s", t.describe(r.Msg))
}

func (t *tracer) describe(m *capture.Msg) string {
	if m.Handshake != nil {
		if *m.Handshake == 0 {
			return "welcome"
		}
		return "refused: " + flux.Errno(*m.Handshake).Name()
	}
	words := []string{m.Type.String(), oneLine(m.Topic)}
	switch m.Type {
	case codec.TypeRequest:
		words = append(words, fmt.Sprintf("tag=%d", m.Matchtag))
		switch {
		case m.Flags&codec.FlagUpstream != 0:
			words = append(words, "rank=upstream")
		case m.NodeID != codec.NodeAny:
			words = append(words, fmt.Sprintf("rank=%d", m.NodeID))
		}
	case codec.TypeResponse:
		words = append(words, fmt.Sprintf("tag=%d", m.Matchtag))
		if m.Errnum != 0 {
			words = append(words, flux.Errno(m.Errnum).Name())
		}
	case codec.TypeEvent:
		words = append(words, fmt.Sprintf("seq=%d", m.Seq))
	}
	for _, f := range []codec.Flags{codec.FlagStreaming, codec.FlagNoResponse, codec.FlagPrivate} {
		if m.Flags&f != 0 {
			words = append(words, f.String())
		}
	}
	return strings.Join(append(words, t.payload(m)), " ")
}

func (t *tracer) payload(m *capture.Msg) string {
	switch {
	case m.Flags&codec.FlagPayload == 0:
		return ""
	case m.Payload == nil:
		return fmt.Sprintf("(%d bytes, sha256 %.12s...)", m.PayloadSize, m.PayloadSHA256)
	}
	p := newPayload(m.Payload)
	if p.kind == binaryPayload && !t.full {
		return fmt.Sprintf("(%d bytes)", m.PayloadSize)
	}
	s := p.short()
	if !t.full && utf8.RuneCountInString(s) > tracePayload {
		return string([]rune(s)[:tracePayload-3]) + "..."
	}
	return s
}
