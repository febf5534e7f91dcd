//go:build !unix

package transport

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

// dialFD fails: there are no descriptors to take over here.
func dialFD(context.Context, URI, Config) (Conn, error) {
	return nil, fmt.Errorf("fd:// is not available on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
