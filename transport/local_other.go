//go:build !linux

package transport

import (
	"context"
	"net"
)

// connectLocal connects to the socket at path, for the poller: elsewhere the
// system does not say in which process the other end is.
func connectLocal(ctx context.Context, path string) (deadliner, error) {
	var d net.Dialer
	c, err := d.DialUnix(ctx, "unix", nil, socketAddr(path))
	if err != nil {
		return nil, err
	}
	return c, nil
}
