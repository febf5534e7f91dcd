package systemtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

// dmesg is what the broker's log has got from this process.
func dmesg(t testing.TB, c *flux.Client) (lines []string) {
	t.Helper()
	for line, err := range flux.StreamAs[string](t.Context(), c, "log.dmesg", map[string]bool{"follow": false}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, " "+filepath.Base(os.Args[0])+" ") {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestLogHandlerLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess(), fluxtest.Size(4))
		c := b.ClientAt(3)
		h, err := flux.NewLogHandler(t.Context(), c, &slog.HandlerOptions{Level: slog.LevelDebug})
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(h)
		head := func(pri int) string {
			return fmt.Sprintf("<%d>1 2000-01-01T00:00:00.000000Z 3 %s %d - - ", pri, filepath.Base(os.Args[0]), os.Getpid())
		}
		ctx := t.Context()
		var want []string
		for _, tt := range []struct {
			log  func()
			want string
		}{
			{func() { log.Debug("low") }, head(7<<3) + "low"},
			{func() { log.Info("plain") }, head(6<<3) + "plain"},
			{func() { log.Log(ctx, slog.LevelInfo+1, "notice") }, head(5<<3) + "notice"},
			{func() { log.Warn("careful") }, head(4<<3) + "careful"},
			{func() { log.Error("bad") }, head(3<<3) + "bad"},
			{func() { log.Log(ctx, slog.LevelError+4, "worse") }, head(3<<3) + "worse"},
			{func() { log.Info("") }, head(6 << 3)},
			{func() { log.Info("with", "a", 1, "b", "two words", "err", errors.New("x=y")) },
				head(6<<3) + `with a=1 b="two words" err="x=y"`},
			{func() { log.With("a", 1).WithGroup("g").With("b", 2).Info("in", "c", 3) }, head(6<<3) + "in a=1 g.b=2 g.c=3"},
			{func() { log.WithGroup("g").Info("group", slog.Group("h", "i", 1)) }, head(6<<3) + "group g.h.i=1"},
			{func() { log.Info("own", "time", 1, "level", 2, "msg", 3) }, head(6<<3) + "own time=1 level=2 msg=3"},
			{func() { log.Info("two\nlines\r\nor\x00three", "a", "b\nc") }, head(6<<3) + `two lines  or three a="b\nc"`},
			{func() { log.Info("gr\u00fc\u00dfe \u4e16\u754c", "k\u00e9y", "\u00e9") },
				head(6<<3) + "gr\u00fc\u00dfe \u4e16\u754c k\u00e9y=\u00e9"},
		} {
			tt.log()
			want = append(want, tt.want)
		}
		synctest.Wait()
		mustEqual(t, "log", dmesg(t, c), want)
		for _, r := range b.Requests() {
			if m := r.Message; m.Topic == "log.append" && (m.Flags&codec.FlagNoResponse == 0 || m.Matchtag != 0) {
				t.Errorf("log.append with flags %s and tag %d, want no response", m.Flags, m.Matchtag)
			}
		}
		mustBeIdle(t, c)
	})
}

func TestLogHandlerOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess())
		c := b.Client()
		var level slog.LevelVar
		h, err := flux.NewLogHandler(t.Context(), c, &slog.HandlerOptions{
			Level: &level, AddSource: true,
			ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
				switch a.Key {
				case "secret":
					return slog.String("secret", "***")
				case slog.SourceKey:
					s := a.Value.Any().(*slog.Source)
					return slog.String(a.Key, filepath.Base(s.File))
				case slog.LevelKey, slog.MessageKey, slog.TimeKey:
					t.Errorf("ReplaceAttr is called for %s", a.Key)
				}
				return a
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(h)
		log.Debug("not shown")
		level.Set(slog.LevelWarn)
		log.Info("not shown either")
		log.Warn("shown", "secret", "x")
		plain, err := flux.NewLogHandler(t.Context(), c, nil)
		if err != nil {
			t.Fatal(err)
		}
		slog.New(plain).Debug("not shown")
		slog.New(plain).Info("plain")
		synctest.Wait()
		lines := dmesg(t, c)
		if len(lines) != 2 || !strings.HasSuffix(lines[0], " - - shown source=loghandler_test.go secret=***") ||
			!strings.HasSuffix(lines[1], " - - plain") {
			t.Errorf("the log has %q", lines)
		}
	})
}

// The handler is one as log/slog wants them.
func TestLogHandlerConforms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess())
		c := b.Client()
		h, err := flux.NewLogHandler(t.Context(), c, nil)
		if err != nil {
			t.Fatal(err)
		}
		line := regexp.MustCompile(`^<(\d+)>1 (\S+) \S+ \S+ \S+ - - (\S+) ?(.*)$`)
		err = slogtest.TestHandler(h, func() (results []map[string]any) {
			synctest.Wait()
			for _, l := range dmesg(t, c) {
				f := line.FindStringSubmatch(l)
				if f == nil {
					t.Fatalf("line %q", l)
				}
				m := map[string]any{slog.LevelKey: f[1], slog.MessageKey: f[3], slog.TimeKey: f[2]}
				for attr := range strings.FieldsSeq(f[4]) {
					key, value, _ := strings.Cut(attr, "=")
					at := m
					for {
						group, rest, ok := strings.Cut(key, ".")
						if !ok {
							break
						}
						if at[group] == nil {
							at[group] = make(map[string]any)
						}
						at, key = at[group].(map[string]any), rest
					}
					at[key] = value
				}
				results = append(results, m)
			}
			return results
		})
		if err != nil && !strings.Contains(err.Error(), "zero Record.Time") {
			t.Error(err) // a log line has a time whatever the record has
		}
	})
}

// A program is not held up by its log.
func TestLogHandlerDoesNotHoldUp(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		h, err := flux.NewLogHandler(t.Context(), c, nil)
		if err != nil {
			t.Fatal(err)
		}
		record := slog.NewRecord(time.Now(), slog.LevelInfo, "hello", 0)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.Handle(gone, record); err != nil {
			t.Errorf("a record of what has ended: %v", err)
		}
		handle := func(within time.Duration, want error) {
			t.Helper()
			began := time.Now()
			err := h.Handle(t.Context(), record)
			mustMatch(t, "Handle", err, want)
			if d := time.Since(began); d > within {
				t.Errorf("Handle took %v, want %v", d, within)
			}
		}
		b.Stall()
		for {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			err := c.Notify(ctx, "jam", make([]byte, 1<<20))
			cancel()
			if err != nil {
				break
			}
		}
		handle(time.Second, context.DeadlineExceeded)
		b.Down()
		b.Resume()
		synctest.Wait()
		handle(0, flux.ErrConnLost)
		b.Up()
		if err := c.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := h.Handle(t.Context(), record); err != nil {
			t.Error(err)
		}
		c.Close()
		handle(0, flux.ErrClosed)
	}, flux.WithReconnect(flux.ReconnectPolicy{MaxBackoff: time.Second}))
}

// A client whose logger writes to the log of the very broker it has lost comes
// back all the same.
func TestLoggerMayUseTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess())
		var relay relayHandler
		var text syncBuffer
		relay.set(slog.NewTextHandler(&text, nil))
		c := b.Client(flux.WithReconnect(quick), flux.WithLogger(slog.New(&relay)))
		h, err := flux.NewLogHandler(t.Context(), c, nil)
		if err != nil {
			t.Fatal(err)
		}
		relay.set(h)
		for range 3 {
			restart(t, b, c)
			synctest.Wait() // what is logged of this comeback is not to be sent after the next one
		}
		if lines := dmesg(t, c); len(lines) != 1 || !strings.Contains(lines[0], "flux: connection restored attempts=1") {
			t.Errorf("the log has %q", lines)
		}
		relay.set(slog.NewTextHandler(&text, nil))
		restart(t, b, c)
		c.Close()
		synctest.Wait()
		if got := text.String(); !strings.Contains(got, `level=WARN msg="flux: connection lost" error=`) ||
			!strings.Contains(got, "level=INFO") {
			t.Errorf("the logger got %q", got)
		}
	})
}

// relayHandler is a handler that can be replaced.
type relayHandler struct {
	mu sync.Mutex
	h  slog.Handler
}

func (r *relayHandler) set(h slog.Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h = h
}

func (r *relayHandler) Enabled(context.Context, slog.Level) bool { return true }
func (r *relayHandler) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *relayHandler) WithGroup(string) slog.Handler            { return r }
func (r *relayHandler) Handle(ctx context.Context, rec slog.Record) error {
	r.mu.Lock()
	h := r.h
	r.mu.Unlock()
	return h.Handle(ctx, rec)
}

// Without a logger the client says nothing, whatever happens to it.
func TestLoggerIsSilentByDefault(t *testing.T) {
	var b bytes.Buffer
	former := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&b, nil)))
	defer slog.SetDefault(former)
	out := onStderr(t, func() {
		inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
			mustServe(t, c, "calc", echo)
			events, _ := mustSubscribe(t, c, "a", flux.QueueLimit(1, 0))
			restart(t, b, c)
			for range 3 {
				b.Emit("a", nil)
			}
			synctest.Wait()
			for range events {
			}
			b.Client().Call(t.Context(), "calc.x", []byte{0xff})
			b.Disconnect()
			c.Close()
		})
	})
	if b.Len() > 0 || out != "" {
		t.Errorf("the client says %q, %q", b.String(), out)
	}
}

func TestLogHandlerRefused(t *testing.T) {
	b := fluxtest.New(t)
	c := b.Client()
	c.Close()
	_, err := flux.NewLogHandler(t.Context(), c, nil)
	mustMatch(t, "NewLogHandler", err, flux.ErrClosed)
}

// "flux dmesg" shows it.
func TestLogHandlerReal(t *testing.T) {
	r := fluxtest.Real(t, 2)
	if r == nil {
		return
	}
	c := r.ClientAt(1)
	h, err := flux.NewLogHandler(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	log.Warn("hello from a test", "answer", 42)
	log.Error("and\nonce more")
	c.Attr(t.Context(), "version") // comes after them
	cmd := exec.Command("flux", "dmesg")
	cmd.Env = append(os.Environ(), "FLUX_URI="+r.URIOf(1))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		filepath.Base(os.Args[0]) + ".warning[1]: hello from a test answer=42\n",
		filepath.Base(os.Args[0]) + ".err[1]: and once more\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("flux dmesg does not show %q:\n%s", want, out)
		}
	}
}
