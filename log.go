package flux

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// LogHandler is a [slog.Handler] that writes to the broker's log (flux_log(3)),
// where "flux dmesg" shows it. Make one with [NewLogHandler].
type LogHandler struct {
	c     *Client
	head  string // HOST APP PROCID of RFC 5424
	level slog.Leveler
	text  slog.Handler // formats the attributes into out
	out   *logBuffer
}

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) { return b.buf.Write(p) }

// NewLogHandler returns a handler that appends to the log of the client's
// broker. It asks for the broker's rank, within ctx. opts may be nil; its Level
// is honoured, and ReplaceAttr for the attributes. Only the instance owner may
// write to the log: the broker drops what others send.
func NewLogHandler(ctx context.Context, c *Client, opts *slog.HandlerOptions) (*LogHandler, error) {
	rank, err := c.Rank(ctx)
	if err != nil {
		return nil, fmt.Errorf("log handler: %w", err)
	}
	var o slog.HandlerOptions
	if opts != nil {
		o = *opts
	}
	level := o.Level
	if level == nil {
		level = slog.LevelInfo
	}
	replace := o.ReplaceAttr
	o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		ownField := a.Key == slog.LevelKey && a.Value.Any() == noLevel ||
			a.Key == slog.MessageKey && a.Value.String() == noMessageText
		if len(groups) == 0 && ownField {
			return slog.Attr{} // the line's own fields say that
		}
		if replace != nil {
			return replace(groups, a)
		}
		return a
	}
	out := &logBuffer{}
	return &LogHandler{
		c:     c,
		head:  fmt.Sprintf("%d %s %d", rank, logApp(), os.Getpid()),
		level: level,
		text:  slog.NewTextHandler(out, &o),
		out:   out,
	}, nil
}

// Enabled reports whether records of a level are logged.
func (h *LogHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle appends a record to the log: one line, the message and then the
// attributes as key=value. The broker confirms nothing; an error says that the
// line was not accepted for sending. The end of ctx does not keep it from that,
// and a program is not held up by its log: while the connection is being
// restored lines are lost, and while the broker takes nothing Handle waits for a
// second.
func (h *LogHandler) Handle(ctx context.Context, r slog.Record) error {
	at := r.Time
	if at.IsZero() {
		at = time.Now()
	}
	line := fmt.Appendf(nil, "<%d>1 %s %s - - %s", logPriority(r.Level),
		at.UTC().Format("2006-01-02T15:04:05.000000Z"), h.head, oneLine(r.Message))
	attrs, err := h.format(ctx, r)
	if err != nil {
		return err
	}
	if len(attrs) > 0 {
		line = append(append(line, ' '), attrs...)
	}
	if h.c.c.sess.Restoring() {
		return &opError{op: "log", err: fmt.Errorf("%w: it is being restored", ErrConnLost), unsent: true}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logPatience)
	defer cancel()
	return h.c.Notify(ctx, "log.append", line)
}

// logPatience is how long a line waits for room on the connection.
const logPatience = time.Second

// noLevel and noMessageText mark what a record has its own fields for, so that
// attributes of the same keys are kept.
const (
	noLevel       = slog.Level(-1 << 30)
	noMessageText = "\x00"
)

// logApp is the program's name as a field of a log line, which has no spaces.
func logApp() string {
	if len(os.Args) == 0 {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, filepath.Base(os.Args[0]))
}

func (h *LogHandler) format(ctx context.Context, r slog.Record) ([]byte, error) {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.buf.Reset()
	attrs := slog.NewRecord(time.Time{}, noLevel, noMessageText, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		attrs.AddAttrs(a)
		return true
	})
	err := h.text.Handle(ctx, attrs)
	return bytes.Clone(bytes.TrimSpace(h.out.buf.Bytes())), err
}

// oneLine keeps a message from becoming two log lines.
func oneLine(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c == '\n' || c == '\r' || c == 0 {
			b[i] = ' '
		}
	}
	return string(b)
}

// logPriority is PRI as libflux writes it, severity*8 + facility: the reverse
// of syslog's order. The facility is 0.
func logPriority(l slog.Level) int {
	severity := 7
	switch {
	case l >= slog.LevelError:
		severity = 3
	case l >= slog.LevelWarn:
		severity = 4
	case l > slog.LevelInfo:
		severity = 5
	case l == slog.LevelInfo:
		severity = 6
	}
	return severity << 3
}

// WithAttrs returns a handler that adds attrs to every record.
func (h *LogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	own := *h
	own.text = h.text.WithAttrs(attrs)
	return &own
}

// WithGroup returns a handler that puts the attributes of records in a group.
func (h *LogHandler) WithGroup(name string) slog.Handler {
	own := *h
	own.text = h.text.WithGroup(name)
	return &own
}
