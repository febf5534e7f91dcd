package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// endless gives a byte again and again, and counts.
type endless struct {
	b byte
	n int
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.b
	}
	e.n += len(p)
	return len(p), nil
}

func TestReadAll(t *testing.T) {
	ctx := t.Context()
	const limit = 3 * inputChunk
	for _, n := range []int{0, 1, inputChunk - 1, inputChunk, inputChunk + 1, limit - 1, limit} {
		want := bytes.Repeat([]byte("x"), n)
		for name, r := range map[string]io.Reader{
			"all": bytes.NewReader(want), "halves": iotest.HalfReader(bytes.NewReader(want)),
		} {
			got, err := readAll(ctx, r, limit, nil)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: read %d of %d bytes, %v", name, len(got), n, err)
			}
		}
	}
	e := &endless{b: 'x'}
	if _, err := readAll(ctx, e, limit, nil); !errors.Is(err, errTooMuchInput) || e.n > limit+1 {
		t.Errorf("endless input: %v after %d bytes", err, e.n)
	}
	if _, err := readAll(ctx, iotest.ErrReader(io.ErrNoProgress), limit, nil); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("an input that fails: %v", err)
	}
}

// What cannot be meant is not read on.
func TestReadAllBegin(t *testing.T) {
	e := &endless{b: 'x'}
	b, err := readAll(t.Context(), io.MultiReader(strings.NewReader("\n\n"), e), 1<<40, beginsObject)
	if err != nil || !bytes.HasPrefix(b, []byte("\n\nxxx")) || e.n > 2*inputChunk {
		t.Errorf("%.10q, %v after %d bytes", b, err, e.n)
	}
}

// The end of the context ends an input that goes on.
func TestReadAllEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reads := 0
	r := readerFunc(func(p []byte) (int, error) {
		if reads++; reads == 3 {
			cancel(io.ErrClosedPipe)
		}
		return len(p), nil
	})
	if _, err := readAll(ctx, r, 1<<40, nil); !errors.Is(err, io.ErrClosedPipe) || reads != 3 {
		t.Errorf("%v after %d reads", err, reads)
	}
	if _, err := await(ctx, "waiting", func() (int, error) { select {} }); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("await: %v", err)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestLineGuard(t *testing.T) {
	long := strings.Repeat("x", maxRecordLine)
	for _, c := range []struct {
		name  string
		r     io.Reader
		limit int
		want  string // in the error
	}{
		{"lines", strings.NewReader(strings.Repeat("abc\n", 1000)), 4000, ""},
		{"the longest line", strings.NewReader(long + "\n" + long), maxInput, ""},
		{"a longer line", strings.NewReader(long + "x\n"), maxInput, "a line of more than 16 MiB"},
		{"no line", &endless{}, maxInput, "a line of more than 16 MiB"},
		{"many lines", &endless{b: '\n'}, 10000, "more than 10000 B"},
	} {
		_, err := io.Copy(io.Discard, &lineGuard{ctx: t.Context(), r: c.r, limit: c.limit})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g := &lineGuard{ctx: ctx, r: &endless{}, limit: maxInput}
	if _, err := g.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestSizeFlag(t *testing.T) {
	for s, want := range map[string]int{
		"1": 1, "100": 100, "1K": 1024, "1k": 1024, "2KiB": 2048, "16M": 16 << 20, "16mib": 16 << 20, "1G": 1 << 30,
		"1073741824": 1 << 30, "5B": 5, "0": 0, "-1": 0, "2G": 0,
		"1073741825": 0, "99999999999999G": 0, "x": 0, "": 0, "1.5M": 0, "M": 0,
	} {
		var f sizeFlag
		err := f.Set(s)
		if int(f) != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v; want %d", s, f, err, want)
		}
		if again := sizeFlag(0); err == nil && (again.Set(f.String()) != nil || again != f) {
			t.Errorf("%q is shown as %q, which is read as %d", s, f.String(), again)
		}
	}
}

func FuzzMember(f *testing.F) {
	for _, s := range []string{"a=b", "a:=1", "a:={}", "=", ":=", "a==b", "a=\xff",
		"a", "", "{", "a:=[1", "\"a\"=b", "a:=\"\xff\"",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		if strings.Contains(arg, "=@") {
			return // names a file
		}
		payload, err := membersPayload(t.Context(), []string{arg})
		if err != nil {
			var usage *usageError
			if !errors.As(err, &usage) {
				t.Errorf("%q: %v is no usage error", arg, err)
			}
			return
		}
		b := payload.(json.RawMessage)
		if _, err := objectPayload(b, ""); err != nil {
			t.Errorf("%q makes %s: %v", arg, b, err)
		}
	})
}

func FuzzDurationFlag(f *testing.F) {
	for _, s := range []string{"0", "5", "5s", "-1s", "-5", "1e3", "NaN", "+Inf", "1h30m", "", "99999999h", "0x1p-2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := newDuration()
		if err := d.Set(s); err == nil && *d.d < 0 {
			t.Errorf("%q is taken as %v", s, *d.d)
		} else if err == nil {
			again := newDuration()
			if err := again.Set(d.String()); err != nil || *again.d != *d.d {
				t.Errorf("%q is shown as %q, which is read as %v, %v", s, d.String(), *again.d, err)
			}
		}
	})
}

func newDuration() durationFlag { return durationFlag{new(time.Duration)} }
