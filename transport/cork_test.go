package transport

import (
	"context"
	"slices"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// tags receives n messages and returns their matchtags.
func tags(t *testing.T, c Conn, n int) (got []uint32) {
	t.Helper()
	var m codec.Message
	for range n {
		if err := c.Recv(&m); err != nil {
			t.Fatalf("after %d messages: %v", len(got), err)
		}
		got = append(got, m.Matchtag)
	}
	return got
}

// One message leaves at once; a flow leaves in order and all of it, although
// nobody flushes after the last.
func TestFlushSoon(t *testing.T) {
	a, b := Pipe(Config{})
	defer b.Close()
	q := a.(Queuer)
	var want []uint32
	for n := uint32(1); n <= 20_000; n++ {
		if err := q.AdmitFlow(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := q.Queue(request("flow.item", n, nil), false); err != nil {
			t.Fatal(err)
		}
		q.FlushSoon()
		if n == 1 {
			if got := tags(t, b, 1); got[0] != 1 { // no goroutine is needed for that
				t.Fatalf("the first is %d", got[0])
			}
			continue
		}
		want = append(want, n)
		if n%1000 == 0 {
			if got := tags(t, b, len(want)); !slices.Equal(got, want) {
				t.Fatalf("messages up to %d are lost or out of order", n)
			}
			want = want[:0]
		}
	}
	if len(want) > 0 {
		tags(t, b, len(want))
	}
	a.Close()
	if err := b.Recv(new(codec.Message)); err == nil {
		t.Error("one message too many")
	}
}

// What is held back leaves with a message that must not wait, and with Close.
func TestFlushSoonThenMore(t *testing.T) {
	for _, last := range []string{"flush", "close"} {
		a, b := Pipe(Config{})
		q := a.(Queuer)
		const n = 200
		for i := range uint32(n) {
			if err := q.Queue(request("flow.item", i+1, nil), false); err != nil {
				t.Fatal(err)
			}
			q.FlushSoon()
		}
		if last == "flush" {
			if err := a.Send(context.Background(), request("quick.one", n+1, nil)); err != nil {
				t.Fatal(err)
			}
			tags(t, b, n+1)
			a.Close()
		} else {
			a.Close()
			tags(t, b, n)
		}
		b.Close()
	}
}
