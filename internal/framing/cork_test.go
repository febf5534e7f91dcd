package framing

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// tags receives n messages and returns their matchtags.
func tags(t *testing.T, c *Conn, n int) (got []uint32) {
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
	a, b := pipe(Config{})
	defer b.Close()
	q := a
	var want []uint32
	for n := uint32(1); n <= 20_000; n++ {
		if err := q.AdmitFlow(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := q.Queue(request("flow.item", n, nil)); err != nil {
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
		a, b := pipe(Config{})
		q := a
		const n = 200
		for i := range uint32(n) {
			if err := q.Queue(request("flow.item", i+1, nil)); err != nil {
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

// countedIO counts the writes of a stream.
type countedIO struct {
	Stream
	writes int // by one sender, or after it has ended
}

func (c *countedIO) TryWrite(p []byte) (int, error) {
	c.writes++
	return c.Stream.TryWrite(p)
}

// Single messages are a write each; those of a flow are not.
func TestFlushSoonHoldsBack(t *testing.T) {
	for _, tt := range []struct {
		name     string
		gap      time.Duration
		min, max int
	}{
		{"slow", corkGap, 200, 200},
		{"fast", 0, corkAfter, 199}, // how many more is the machine's load
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := BytePipe()
				raw := &countedIO{Stream: ours}
				a, b := New(raw, Config{}), New(theirs, Config{})
				for n := range uint32(200) {
					if err := a.Queue(request("flow.item", n+1, nil)); err != nil {
						t.Fatal(err)
					}
					a.FlushSoon()
					if tt.gap > 0 {
						time.Sleep(tt.gap)
					}
				}
				tags(t, b, 200)
				synctest.Wait()
				if raw.writes < tt.min || raw.writes > tt.max {
					t.Errorf("200 messages are %d writes, want %d to %d", raw.writes, tt.min, tt.max)
				}
				a.Close()
				b.Close()
			})
		})
	}
}

// One who sends many waits where a single sender need not.
func TestAdmitFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe(Config{})
		defer a.Close()
		defer b.Close()
		q := a
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for size := 0; size < flowLimit+pipeBuffer+chunkSize; size += 100_000 {
			if err := q.AdmitFlow(ctx); size < flowLimit && err != nil {
				t.Fatalf("after %d bytes: %v", size, err)
			}
			if err := q.Queue(request("flow.item", 1, pattern(100_000))); err != nil {
				t.Fatal(err)
			}
			q.Flush()
		}
		if err := q.AdmitFlow(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("AdmitFlow: %v, want to wait", err)
		}
		if err := q.Admit(t.Context()); err != nil {
			t.Errorf("Admit: %v", err)
		}
	})
}

// One request is written by its sender. With others under way the sender does
