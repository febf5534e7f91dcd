package session

import (
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/mtag"
)

// noteWhere notes the line that started a request, if matchtags are being debugged
// (FLUX_HANDLE_MATCHDEBUG).
func (s *Session) noteWhere(r *Request) {
	if s.cfg.MatchDebug == nil {
		return
	}
	where := callerOutside()
	s.mu.Lock()
	r.where = &where
	s.mu.Unlock()
}

const thisPackage = "github.com/flux-sdk/flux/internal/session."

// callerOutside is the first caller that is neither of this package nor of the
// package above.
func callerOutside() string {
	var pcs [24]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "github.com/flux-sdk/flux.") && !strings.HasPrefix(f.Function, thisPackage) || strings.HasSuffix(f.File, "_test.go") {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		if !more {
			return "unknown"
		}
	}
}

// tombstone is what the tag table keeps of a request that was given up: nothing,
// or what a report needs.
func (r *Request) tombstone() *Request {
	if r.where == nil {
		return nil
	}
	return &Request{Topic: r.Topic, where: r.where, tag: r.tag}
}

func (s *Session) reportLate(r *Request, m *codec.Message) {
	if s.cfg.MatchDebug == nil || r == nil {
		return
	}
	what := "reclaimed"
	if !m.Final() {
		what = "still in use"
	}
	debugf(s.cfg.MatchDebug, "late reply: matchtag %d, %s, started by %s and given up: %s",
		r.tag, r.Topic, *r.where, what)
}

// collectTagsLocked formats the report of the tags in use at the end of a link.
func (s *Session) collectTagsLocked(l *Link) {
	if s.cfg.MatchDebug == nil {
		return
	}
	l.tags.All(func(tag uint32, r *Request, state mtag.State) bool {
		if r != nil && r.where != nil {
			what := "unanswered"
			if state == mtag.Retired {
				what = "given up, last reply never came"
			}
			s.debugLines = append(s.debugLines, fmt.Sprintf("matchtag %d, %s, started by %s: %s", tag, r.Topic, *r.where, what))
		}
		return true
	})
}

// reportTags writes what collectTagsLocked found.
func (s *Session) reportTags() {
	if s.cfg.MatchDebug == nil {
		return
	}
	s.mu.Lock()
	lines := s.debugLines
	s.debugLines = nil
	s.mu.Unlock()
	for _, line := range lines {
		debugf(s.cfg.MatchDebug, "%s", line)
	}
}

func debugf(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, "flux: MATCHDEBUG: "+format+"\n", args...)
}
