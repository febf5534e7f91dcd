//go:build unix

package transport

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
)

// dialFD takes over fd://N, a connected descriptor on which the handshake byte
// is still to come. The descriptor is the connection's from then on.
func dialFD(ctx context.Context, uri URI, cfg Config) (Conn, error) {
	n, err := strconv.ParseUint(uri.Path, 10, 31)
	if err != nil {
		return nil, fmt.Errorf("%w %q: want fd://N with a descriptor's decimal number", ErrInvalidURI, uri)
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(int(n), &st); err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", n, err)
	}
	// On the runtime's poller, or a Close could not wake a blocked Read.
	if err := syscall.SetNonblock(int(n), true); err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", n, err)
	}
	syscall.CloseOnExec(int(n))
	var c deadliner = os.NewFile(uintptr(n), uri.String())
	if nc, err := net.FileConn(c.(*os.File)); err == nil {
		c.Close()
		c = nc
	}
	if err := shake(ctx, c); err != nil {
		c.Close()
		return nil, err
	}
	return NewConn(c, cfg), nil
}
