package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"unicode"

	"golang.org/x/term"
)

// output is standard output. A reader that has gone ends the program quietly:
// it is told by [errReaderGone].
type output struct {
	f        *os.File
	terminal bool

	begun, ended atomic.Uint64 // writes
}

func newOutput(f *os.File) *output {
	return &output{f: f, terminal: term.IsTerminal(int(f.Fd()))}
}

func (o *output) Write(p []byte) (int, error) {
	o.begun.Add(1)
	defer o.ended.Add(1)
	n, err := o.f.Write(p)
	if isBrokenPipe(err) {
		err = errReaderGone
	}
	return n, err
}

// writing is the number of the write that is going on, or 0.
func (o *output) writing() uint64 {
	if n := o.begun.Load(); n != o.ended.Load() {
		return n
	}
	return 0
}

func (o *output) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(o, format, args...)
	return err
}

// line writes text and the end of a line, unless text has one already.
func (o *output) line(b []byte) error {
	b = bytes.TrimSuffix(b, []byte("\n"))
	_, err := o.Write(append(b[:len(b):len(b)], '\n'))
	return err
}

// object writes a value as one line of JSON.
func (o *output) object(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	return o.line(b.Bytes())
}

// defaultWidth is how wide a picture is where there is no terminal.
const defaultWidth = 80

// width is how many columns there are.
func (o *output) width() int {
	if o.terminal {
		if w, _, err := term.GetSize(int(o.f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return defaultWidth
}

// isControl tells the characters that make a terminal do things.
func isControl(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }

// harmless shows control characters as escapes.
func harmless(s string) string {
	if strings.IndexFunc(s, isControl) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isControl(r) {
			fmt.Fprintf(&b, `\x%02x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// oneLine makes a text a single line of characters that can be shown.
func oneLine(s string) string {
	s = strings.TrimRight(strings.ToValidUTF8(s, "\ufffd"), "\n")
	return harmless(strings.ReplaceAll(s, "\n", `\n`))
}
