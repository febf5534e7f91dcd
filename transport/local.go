package transport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The local connector's retry policy (flux_open(3)): a broker that is just
// starting has no socket yet.
const (
	RetryCountEnv = "FLUX_LOCAL_CONNECTOR_RETRY_COUNT"

	defaultRetries = 5
	firstBackoff   = 16 * time.Millisecond
	maxBackoff     = 2 * time.Second

	// maxSocketPath is the size of sun_path less its NUL.
	maxSocketPath = 107
)

// retries reads the retry policy from the environment.
func retries() (int, error) {
	s, ok := os.LookupEnv(RetryCountEnv)
	if !ok {
		return defaultRetries, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: %s=%q: want a number, 0 or more", ErrInvalidURI, RetryCountEnv, s)
	}
	return n, nil
}

// dialLocal connects to local://PATH, the socket of a broker on this host.
func dialLocal(ctx context.Context, uri URI, cfg Config) (Conn, error) {
	switch {
	case uri.Path == "":
		return nil, fmt.Errorf("%w %q: want local://PATH", ErrInvalidURI, uri)
	case len(uri.Path) > maxSocketPath:
		return nil, fmt.Errorf("%w %q: path of %d bytes, a socket's has %d at most",
			ErrInvalidURI, uri, len(uri.Path), maxSocketPath)
	}
	count, err := retries()
	if err != nil {
		return nil, err
	}
	c, err := connectRetry(ctx, count, func(ctx context.Context) (deadliner, error) {
		return connectLocal(ctx, uri.Path)
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("broker socket %s was not found: %w", uri.Path, err)
	}
	if err != nil {
		return nil, err
	}
	if err := shake(ctx, c); err != nil {
		c.Close()
		return nil, err
	}
	return NewConn(c, cfg), nil
}

// connectRetry connects, and tries again with doubling pauses, count times
// after the first.
func connectRetry[C any](ctx context.Context, count int, connect func(context.Context) (C, error)) (none C, err error) {
	backoff := firstBackoff
	for try := 0; ; {
		c, err := connect(ctx)
		wait := backoff
		switch {
		case err == nil:
			return c, nil
		case ctx.Err() != nil:
			return none, context.Cause(ctx)
		case errors.Is(err, syscall.EAGAIN):
			// The broker's backlog is full: a blocking connect would wait for its turn.
			wait = firstBackoff
		case try == count:
			return none, err
		default:
			try++
			backoff = min(2*backoff, maxBackoff)
		}
		if !pause(ctx, wait) {
			return none, context.Cause(ctx)
		}
	}
}

// socketAddr is the address of the socket file at path. Package net reads a
// leading @ as a name outside the file system.
func socketAddr(path string) *net.UnixAddr {
	if strings.HasPrefix(path, "@") {
		path = "./" + path
	}
	return &net.UnixAddr{Name: path, Net: "unix"}
}

// pause waits for d and reports whether ctx is still on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
