package main

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"

	"golang.org/x/term"
)

// errQuit is the cause of a context that a key ended.
var errQuit = errors.New("quit")

// The sequences that a terminal acts on (ECMA-48 and xterm's).
const (
	screenOpen  = "\x1b[?1049h\x1b[?25l" // the other screen, without a cursor
	screenClose = "\x1b[?25h\x1b[?1049l"
	cursorHome  = "\x1b[H"
	eraseLine   = "\x1b[K"
	eraseBelow  = "\x1b[J"
)

// live reports whether a picture can be drawn again in place.
func (o *output) live() bool {
	name := os.Getenv("TERM")
	return o.terminal && name != "" && name != "dumb" && runtime.GOOS != "windows"
}

// screen draws a text again and again in the same place.
type screen struct {
	out  *output
	last string
	end  context.CancelCauseFunc
	keys *term.State // how the terminal was before; nil if keys are not read
}

// openScreen takes the terminal. q, Ctrl-C and Ctrl-D end the context that it returns.
func openScreen(parent context.Context, out *output) (context.Context, *screen) {
	ctx, cancel := context.WithCancelCause(parent)
	s := &screen{out: out, end: cancel}
	if in := int(os.Stdin.Fd()); term.IsTerminal(in) {
		// As single keys, which are not shown. Ctrl-C is one of them then.
		if state, err := term.MakeRaw(in); err == nil {
			s.keys = state
			go untilQuit(cancel)
		}
	}
	_, _ = out.Write([]byte(screenOpen)) // the first picture meets the same error
	return ctx, s
}

// untilQuit reads keys. It ends with the process, because a read of a terminal cannot be interrupted.
func untilQuit(quit context.CancelCauseFunc) {
	const ctrlC, ctrlD = 3, 4
	var key [1]byte
	for {
		if _, err := os.Stdin.Read(key[:]); err != nil {
			return
		}
		switch key[0] {
		case 'q', 'Q', ctrlC, ctrlD:
			quit(errQuit)
			return
		}
	}
}

// show draws a text, as much of it as there is room for.
func (s *screen) show(text string) error {
	width, height, err := term.GetSize(int(s.out.f.Fd()))
	if err != nil || width < 1 || height < 1 {
		width, height = defaultWidth, defaultHeight
	}
	s.last = text
	_, err = s.out.Write([]byte(frame(text, width, height)))
	return err
}

// defaultHeight is how many lines there are on a terminal that does not say.
const defaultHeight = 24

// frame is what draws a text on a screen of a size. Lines end with a carriage return, because a terminal in raw mode
// adds none.
func frame(text string, width, height int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	lines = lines[:min(len(lines), height)]
	for i, line := range lines {
		if r := []rune(line); len(r) > width {
			line = string(r[:width])
		}
		lines[i] = line + eraseLine
	}
	return cursorHome + strings.Join(lines, "\r\n") + eraseBelow
}

// close gives the terminal back, with the last picture on it.
func (s *screen) close() {
	s.end(nil)
	_, _ = s.out.Write([]byte(screenClose))
	if s.keys != nil {
		_ = term.Restore(int(os.Stdin.Fd()), s.keys)
	}
	if s.last != "" {
		_ = s.out.line([]byte(s.last))
	}
}
