package systemtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
)

// returnPatience is far longer than any return may take, so that only a call
// that hangs passes it.
const returnPatience = 10 * time.Second

// A deadline holds after large replies have come over a socket from another
// process: what was read of them must not make a later read wait without end.
func TestDeadlineAfterLargeReplies(t *testing.T) {
	uri := otherProcess(t)
	for _, size := range []int{0, 100, 16<<10 - 1, 16 << 10, 16<<10 + 1, 40_000, 64 << 10, 1 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			c, err := flux.Dial(t.Context(), uri)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			payload := bytes.Repeat([]byte("x"), size)
			for round := range 40 {
				if _, err := c.Call(t.Context(), "x.echo", payload); err != nil {
					t.Fatal(err)
				}
				if round >= 30 { // some ways of reading begin only after many calls
					endsInTime(t, c)
				}
			}
		})
	}
}

// endsInTime makes a call that is never answered.
func endsInTime(t *testing.T, c *flux.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Millisecond)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := c.Call(ctx, "x.never", nil)
		ended <- err
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the call ended with %v, want the deadline", err)
		}
	case <-time.After(returnPatience):
		t.Fatal("the call is still there long after its deadline")
	}
}
