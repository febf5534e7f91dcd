package flux

import (
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/mtag"
)

// debugWhere notes who started a request, if matchtags are being debugged
// (FLUX_HANDLE_MATCHDEBUG).
func (c *conn) debugWhere(p *pending) {
	if c.opts.matchDebug == nil {
		return
	}
	where := callerOutside()
	c.mu.Lock()
	p.where = &where
	c.mu.Unlock()
}

// callerOutside is the first caller that is not of this package.
func callerOutside() string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "github.com/flux-sdk/flux.") || strings.HasSuffix(f.File, "_test.go") {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		if !more {
			return "unknown"
		}
	}
}

// tombstone is what the tag table keeps of a request that was given up: nothing,
// or what a report needs.
func (p *pending) tombstone() *pending {
	if p.where == nil {
		return nil
	}
	return &pending{topic: p.topic, where: p.where, tag: p.tag}
}

func (c *conn) debugLate(p *pending, m *codec.Message) {
	if c.opts.matchDebug == nil || p == nil {
		return
	}
	what := "reclaimed"
	if !m.Final() {
		what = "still in use"
	}
	debugf(c.opts.matchDebug, "late reply: matchtag %d, %s, started by %s and given up: %s", p.tag, p.topic, *p.where, what)
}

// debugLeft reports the tags in use at the end of a link. Called with mu held:
// it only formats there.
func (c *conn) debugLeft(l *link) {
	if c.opts.matchDebug == nil {
		return
	}
	l.tags.All(func(tag uint32, p *pending, s mtag.State) bool {
		if p != nil && p.where != nil {
			state := "unanswered"
			if s == mtag.Retired {
				state = "given up, last reply never came"
			}
			c.debugLines = append(c.debugLines, fmt.Sprintf("matchtag %d, %s, started by %s: %s", tag, p.topic, *p.where, state))
		}
		return true
	})
}

// debugReport writes what debugLeft found, with no lock held.
func (c *conn) debugReport() {
	if c.opts.matchDebug == nil {
		return
	}
	c.mu.Lock()
	lines := c.debugLines
	c.debugLines = nil
	c.mu.Unlock()
	for _, line := range lines {
		debugf(c.opts.matchDebug, "%s", line)
	}
}

func debugf(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, "flux: MATCHDEBUG: "+format+"\n", args...)
}
