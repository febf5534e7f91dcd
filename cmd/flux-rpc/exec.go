package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flux-sdk/flux"
)

const (
	// maxErrorText is how much of standard error goes into an error response.
	maxErrorText = 4096
	// pipeDelay is how long a command's output is read after its end, because
	// something it started may hold it open.
	pipeDelay = 2 * time.Second
)

// execHandler serves requests with a shell command.
type execHandler struct {
	service, command string
	timeout          time.Duration
	maxOutput        int // of a response, in bytes
	env              []string
	log              func(*flux.Request, time.Duration, error) // may be nil
}

// errCommandTimeout is the answer to a request whose command took too long.
var errCommandTimeout = &flux.Error{Errno: flux.ETIMEDOUT, Message: "the command took too long"}

// errOutput is the answer to a request whose command wrote too much.
func (h *execHandler) errOutput() error {
	return &flux.Error{
		Errno: flux.EMSGSIZE, Message: fmt.Sprintf("the command wrote more than %s", sizeText(h.maxOutput)),
	}
}

// start prepares the command for a request; ctx's end kills it with all that it
// started.
func (h *execHandler) start(ctx context.Context, r *flux.Request) (*exec.Cmd, *tail, error) {
	body, err := r.Bytes()
	if err != nil {
		return nil, nil, err
	}
	cmd, err := shellCommand(ctx, h.command)
	if err != nil {
		return nil, nil, err
	}
	cmd.Env = append(append(os.Environ(), h.env...), requestEnv(h.service, r)...)
	cmd.Stdin = bytes.NewReader(newPayload(body).body)
	stderr := &tail{max: maxErrorText}
	cmd.Stderr = stderr
	cmd.WaitDelay = pipeDelay
	return cmd, stderr, nil
}

// bound adds the handler's timeout to a request's context.
func (h *execHandler) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if h.timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, h.timeout, errCommandTimeout)
}

// logged calls f and tells of it.
func (h *execHandler) logged(r *flux.Request, f func() error) error {
	start := time.Now()
	err := f()
	if h.log != nil {
		h.log(r, time.Since(start), err)
	}
	return err
}

// serveOnce answers with all of the command's output.
func (h *execHandler) serveOnce(ctx context.Context, w flux.Responder, r *flux.Request) error {
	return h.logged(r, func() error {
		ctx, cancel := h.bound(ctx)
		defer cancel()
		ctx, tooMuch := context.WithCancelCause(ctx)
		defer tooMuch(nil)
		cmd, stderr, err := h.start(ctx, r)
		if err != nil {
			return err
		}
		stdout := &limitedBuffer{max: h.maxOutput, full: func() { tooMuch(h.errOutput()) }}
		cmd.Stdout = stdout
		if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
			return failure(ctx, err, stderr)
		}
		if stdout.b.Len() == 0 {
			return nil
		}
		return w.Respond(responseOf(stdout.b.Bytes()))
	})
}

// serveLines answers with each line of output as it comes.
func (h *execHandler) serveLines(ctx context.Context, w flux.Responder, r *flux.Request) error {
	return h.logged(r, func() error {
		ctx, cancel := h.bound(ctx)
		defer cancel()
		cmd, stderr, err := h.start(ctx, r)
		if err != nil {
			return err
		}
		stdout, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			return err
		}
		sendErr := h.sendLines(w, stdout)
		if sendErr != nil {
			cancel() // nobody takes what it goes on to write
		}
		if err := cmd.Wait(); err != nil && sendErr == nil {
			return failure(ctx, err, stderr)
		}
		return sendErr
	})
}

func (h *execHandler) sendLines(w flux.Responder, r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, h.maxOutput)
	for lines.Scan() {
		if err := w.Send(responseOf(bytes.Clone(lines.Bytes()))); err != nil {
			return err
		}
	}
	// A killed command's pipe is closed under the reader; Wait says why.
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return h.errOutput()
	case err != nil && !errors.Is(err, os.ErrClosed):
		return err
	}
	return nil
}

// responseOf makes a payload of a command's output: JSON and text lose the end
// of their last line, and anything else is bytes.
func responseOf(out []byte) any {
	text := strings.TrimSuffix(string(out), "\n")
	if strings.IndexByte(text, 0) >= 0 || !utf8.ValidString(text) {
		return out
	}
	return text
}

// failure makes an error response of a command that failed.
func failure(ctx context.Context, err error, stderr *tail) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause // it was killed, because the request is over
	}
	text := strings.TrimSpace(stderr.String())
	if name, rest, ok := strings.Cut(text, ":"); ok && strings.HasPrefix(name, "E") {
		if errno, perr := parseErrno(name); perr == nil {
			return &flux.Error{Errno: errno, Message: strings.TrimSpace(rest)}
		}
	}
	if text == "" {
		text = err.Error() // "exit status 3"
	}
	return &flux.Error{Errno: flux.EIO, Message: text}
}

// limitedBuffer keeps up to max bytes of what is written to it, and calls full when there is more.
type limitedBuffer struct {
	b    bytes.Buffer
	max  int
	full func()
}

func (l *limitedBuffer) Write(p []byte) (int, error) {
	if l.b.Len()+len(p) > l.max {
		l.full()
		return 0, io.ErrShortWrite
	}
	return l.b.Write(p)
}

// tail keeps the end of what is written to it.
type tail struct {
	max int
	b   []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-t.max):]
	return len(p), nil
}

func (t *tail) String() string { return strings.ToValidUTF8(string(t.b), "\ufffd") }
