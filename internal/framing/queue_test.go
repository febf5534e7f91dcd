package framing

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// Whatever is added and taken in whatever order, the bytes are those of the
// frames, in order, and the size is right.
func TestFrames(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var q frames
	var want, got []byte
	for range 3000 {
		switch n := rng.IntN(10); {
		case n < 7:
			size := rng.IntN(2000)
			if rng.IntN(50) == 0 {
				size = rng.IntN(2 << 20)
			}
			m := request("some.topic", uint32(n+1), pattern(size))
			if err := q.add(m, 1<<20); err != nil {
				if size < 1<<20-100 {
					t.Fatal(err)
				}
				continue
			}
			want, _ = codec.Append(want, m)
		default:
			if b := q.take(); b != nil {
				got = append(got, b...)
				for i := range b {
					b[i] = 0xaa // nobody needs it
				}
				q.recycle(b)
			}
		}
		if q.size != len(want)-len(got) {
			t.Fatalf("size is %d, want %d", q.size, len(want)-len(got))
		}
		if q.kept > keepBytes {
			t.Fatalf("%d bytes of buffer are kept", q.kept)
		}
	}
	for b := q.take(); b != nil; b = q.take() {
		got = append(got, b...)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes are not the %d that were added", len(got), len(want))
	}
}
