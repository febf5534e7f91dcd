package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxStderr is how much of what a child writes to its stderr is kept.
const maxStderr = 16 << 10

// child is a process whose stdin and stdout are a socket, until it is reaped.
type child struct {
	cmd    *exec.Cmd
	pipe   *os.File // our end of its stderr
	stderr headBuffer
	done   chan struct{} // closed when it is reaped and its stderr is read
}

// startChild runs argv and returns the other end of its stdin and stdout. Two
// goroutines last as long as the process: one reads its stderr, one reaps it.
func startChild(argv []string) (*net.UnixConn, *child, error) {
	c, theirs, err := socketpair()
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	r, w, err := os.Pipe()
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	defer w.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, w
	if err := cmd.Start(); err != nil {
		c.Close()
		r.Close()
		return nil, nil, startError(argv[0], err)
	}
	kid := &child{cmd: cmd, pipe: r, done: make(chan struct{})}
	read := make(chan struct{})
	go func() {
		io.Copy(&kid.stderr, r)
		close(read)
	}()
	go func() {
		cmd.Wait()
		// A process that it left behind may hold its stderr open for ever.
		r.SetReadDeadline(time.Now().Add(sshGrace / 4))
		<-read
		r.Close()
		close(kid.done)
	}()
	return c, kid, nil
}

// end waits for the child to end by itself, for as long as ctx and d last,
// then kills it. When end returns the child is reaped, unless the system does
// not even let it be killed.
func (kid *child) end(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-kid.done:
		return
	case <-t.C:
	case <-ctx.Done():
	}
	kid.cmd.Process.Kill()
	kid.pipe.Close() // other processes that hold it write nothing more that matters
	t.Reset(sshGrace)
	select {
	case <-kid.done:
	case <-t.C:
	}
}

// startError says that prog could not be run, in the words of the C client.
func startError(prog string, err error) error {
	why := err
	var errno syscall.Errno
	if errors.Is(err, exec.ErrNotFound) || prog == "" {
		errno, why = syscall.ENOENT, syscall.ENOENT
	}
	text := err.Error()
	if errno != 0 || errors.As(err, &errno) {
		text = errno.Error()
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	return &sshError{fmt.Sprintf("ssh-connector: %s: %s\nHint: set %s in environment to override", prog, text, SSHEnv), why}
}

// headBuffer keeps the first maxStderr bytes of what is written to it.
type headBuffer struct {
	mu  sync.Mutex
	buf []byte
}

func (b *headBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf = append(b.buf, p[:min(len(p), maxStderr-len(b.buf))]...)
	return len(p), nil
}

// text is what was written, trimmed.
func (b *headBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.TrimSpace(string(b.buf))
}
