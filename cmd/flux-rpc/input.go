package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/flux-sdk/flux/codec"
)

// maxInput is how much is read of any input, in bytes. A message cannot carry more.
const maxInput = codec.DefaultMaxSize

// inputChunk is the size of the pieces in which an input is read, in bytes.
const inputChunk = 1 << 20

// stdinName is the name of standard input on the command line.
const stdinName = "-"

// errTooMuchInput is the error of an input that has more than a message can carry.
var errTooMuchInput = fmt.Errorf("more than %s, which is the most that a message can carry", sizeText(maxInput))

// readInput returns all that the file has, or standard input if name is "-". It ends with ctx, whose cause is
// then the error. If want is not nil, it gets the beginning of the input, without white space, as soon as there
// is any. If it reports false, the rest is not read.
func readInput(ctx context.Context, name string, want func(begin []byte) bool) ([]byte, error) {
	what := "reading " + name
	if name == stdinName {
		what = "reading standard input"
	}
	return await(ctx, what, func() ([]byte, error) { return openAndRead(ctx, name, want) })
}

// await returns what f returns, or the cause of the end of ctx with what was going on if that is first. It is for what
// can wait for ever and cannot be interrupted on every system: opening and reading a pipe or a terminal. The goroutine
// of f then ends with the process, which has nothing left to do.
func await[T any](ctx context.Context, what string, f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		if r.err == nil || ctx.Err() == nil {
			return r.v, r.err
		}
	case <-ctx.Done():
	}
	var none T
	return none, fmt.Errorf("%s: %w", what, context.Cause(ctx))
}

func openAndRead(ctx context.Context, name string, want func([]byte) bool) ([]byte, error) {
	f := os.Stdin
	switch {
	case name == "":
		return nil, usagef("want the name of a file after the @")
	case name != stdinName:
		var err error
		if f, err = os.Open(name); err != nil {
			return nil, &usageError{err}
		}
		defer f.Close()
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Size() > maxInput {
		return nil, usagef("%s: %w", name, errTooMuchInput)
	}
	b, err := readAll(ctx, f, maxInput, want)
	var path *fs.PathError
	switch {
	case err == nil || ctx.Err() != nil:
		return b, err
	case errors.As(err, &path):
		return nil, &usageError{err} // which names the file
	}
	return nil, usagef("%s: %w", name, err)
}

// readAll reads until the end of r, up to limit bytes. What is read is kept in pieces until its size is known, so that
// an endless input takes limit bytes of memory and not several times that.
func readAll(ctx context.Context, r io.Reader, limit int, want func(begin []byte) bool) ([]byte, error) {
	var pieces [][]byte
	total := 0
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		piece := make([]byte, min(inputChunk, limit-total+1))
		n, err := readPiece(r, piece)
		total += n
		pieces = append(pieces, piece[:n])
		if total > limit {
			return nil, errTooMuchInput
		}
		if begin := bytes.TrimSpace(piece[:n]); want != nil && len(begin) > 0 {
			if !want(begin) {
				err = io.EOF
			}
			want = nil
		}
		switch {
		case errors.Is(err, io.EOF):
			return bytes.Join(pieces, nil), nil
		case err != nil:
			return nil, err
		}
	}
}

// readPiece fills p as far as the input goes. A single read decides nothing: a pipe gives a few bytes at a time.
func readPiece(r io.Reader, p []byte) (int, error) {
	n, err := io.ReadFull(r, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// lineGuard passes on the lines of a recording as long as ctx lasts, none is longer than maxRecordLine, and all
// together have no more than limit bytes.
type lineGuard struct {
	ctx         context.Context
	r           io.Reader
	limit       int
	total, line int
}

// maxRecordLine is the longest line of a recording, in bytes. Recorded frames have 100,000 bytes at most, as
// hexadecimal digits and as JSON.
const maxRecordLine = 16 << 20

func (g *lineGuard) Read(p []byte) (int, error) {
	if g.ctx.Err() != nil {
		return 0, context.Cause(g.ctx)
	}
	n, err := g.r.Read(p)
	g.total += n
	// Lines that begin and end in p are as long as p at most.
	begin := bytes.IndexByte(p[:n], '\n')
	if begin < 0 {
		begin = n
	}
	longest := g.line + begin
	if end := bytes.LastIndexByte(p[:n], '\n'); end >= 0 {
		g.line = n - end - 1
	} else {
		g.line = longest
	}
	switch {
	case longest > maxRecordLine:
		return 0, fmt.Errorf("a line of more than %s: this is no recording", sizeText(maxRecordLine))
	case g.total > g.limit:
		return 0, fmt.Errorf("more than %s", sizeText(g.limit))
	}
	return n, err
}
