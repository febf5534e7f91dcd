package flux

import (
	"testing"
	"testing/synctest"
)

// A bubble's channels must not be met outside of it: nothing that a call leaves
// behind may reach a client elsewhere.
func TestCallInManyBubbles(t *testing.T) {
	call := func(t *testing.T) {
		c, _ := servePeer(t, echo)
		for range 3 {
			r, err := c.Call(t.Context(), "a.b", "x")
			if err != nil {
				t.Fatal(err)
			}
			wantBytes(t, r, []byte("x\x00"))
		}
	}
	call(t)
	for range 10 {
		synctest.Test(t, call)
	}
	call(t)
}
