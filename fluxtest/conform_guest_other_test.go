//go:build !unix

package fluxtest_test

import (
	"net"
	"testing"
)

// guestUID is the user who is a guest.
const guestUID = 1234

// guestHelper connects as another user, which is not known how to do here.
type guestHelper struct{}

func newGuestHelper(*testing.T) *guestHelper { return nil }

func (*guestHelper) connect(c *convo, _ string) net.Conn {
	c.skip("a real guest takes a system of the UNIX kind")
	return nil
}
