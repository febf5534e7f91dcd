//go:build !unix

package transport

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
)

// socketpair fails: a child process cannot be given a socket here.
func socketpair() (*net.UnixConn, *os.File, error) {
	return nil, nil, fmt.Errorf("ssh:// is not available on %s, which has no socket pairs: %w", runtime.GOOS, errors.ErrUnsupported)
}
