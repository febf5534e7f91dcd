//go:build !linux

package transport

import "net"

// localIO is the poller's way: elsewhere the system does not say in which
// process the other end is.
func localIO(c *net.UnixConn) rawIO { return asRawIO(c) }

func wakesThread(rawIO) bool { return false }
