package framing

import (
	"bytes"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// What is borrowed is what Recv would give, whichever way the body was read, and
// both may be called in turn.
func TestRecvBorrowed(t *testing.T) {
	for _, name := range []string{"pipe", "unix"} {
		t.Run(name, func(t *testing.T) {
			a, b := pipe(Config{})
			if name == "unix" {
				a, b = connected(t)
			}
			defer a.Close()
			defer b.Close()
			sizes := []int{0, 1, 300, bigFrame, 3 * bigFrame, 3*bigFrame + 1, claimStep, 64, 2 * claimStep, 100 << 10, 5}
			go func() {
				for i, n := range sizes {
					m := codec.NewRequest("some.topic")
					m.Matchtag = uint32(i)
					m.Routes = codec.MakeRoutes("one", "two")
					m.SetPayload(pattern(n))
					if a.Send(t.Context(), m) != nil {
						return
					}
				}
			}()
			var m codec.Message
			for i, n := range sizes {
				recv := b.RecvBorrowed
				if i%4 == 3 {
					recv = b.Recv
				}
				if err := recv(&m); err != nil {
					t.Fatalf("message %d: %v", i, err)
				}
				if m.Matchtag != uint32(i) || !bytes.Equal(m.Payload, pattern(n)) || m.Routes.String() != "|two!one|" {
					t.Errorf("message %d of %d bytes came as %d with %d bytes", i, n, m.Matchtag, len(m.Payload))
				}
			}
			a.Close()
			if err := b.RecvBorrowed(&m); err == nil {
				t.Error("no error at the end of the stream")
			}
		})
	}
}

// Passing messages on costs no memory.
func TestRecvBorrowedAllocatesNothing(t *testing.T) {
	a, b := pipe(Config{})
	defer a.Close()
	defer b.Close()
	m := codec.NewRequest("some.topic")
	m.SetPayload(pattern(400))
	var got codec.Message
	n := testing.AllocsPerRun(100, func() {
		if err := a.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if err := b.RecvBorrowed(&got); err != nil {
			t.Fatal(err)
		}
	})
	if n > 0.5 {
		t.Errorf("%v allocations per message, want 0", n)
	}
}
