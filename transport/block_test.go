package transport

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// Small messages that come together share memory, which is used again only when
// it has been given back for each of them.
func TestBlock(t *testing.T) {
	const batch, rounds = 60, 200
	a, b := Pipe(Config{})
	defer a.Close()
	defer b.Close()
	type held struct {
		m    codec.Message
		mem  *Memory
		want []byte
	}
	var kept []held
	blocks := make(map[*Memory]bool)
	var m codec.Message
	for n := range rounds {
		var want [][]byte
		for i := range batch {
			p := fmt.Appendf(nil, "%d/%d %s", n, i, bytes.Repeat([]byte{'x'}, rand.IntN(200)))
			want = append(want, p)
			if err := a.(Queuer).Queue(request("some.topic", 1, p), false); err != nil {
				t.Fatal(err)
			}
		}
		a.(Queuer).Flush()
		for _, p := range want {
			m = *recv(t, b)
			kept = append(kept, held{m, b.(Recycler).Memory(), p})
		}
		rand.Shuffle(len(kept), func(i, j int) { kept[i], kept[j] = kept[j], kept[i] })
		for ; len(kept) > batch/2; kept = kept[1:] {
			h := kept[0]
			if !bytes.Equal(h.m.Payload, h.want) {
				t.Fatalf("the payload is %q, was %q", h.m.Payload, h.want)
			}
			if h.mem != nil {
				blocks[h.mem] = true
			}
			h.mem.Recycle()
		}
	}
	if len(blocks) == 0 {
		t.Error("no message had memory to give back")
	}
}

// What all have given back is what later messages get.
func TestBlockReuse(t *testing.T) {
	m := newBlock()
	m.full(3)
	for n := range 3 {
		if got := newBlock(); got == m {
			t.Fatalf("the block is used again after %d of 3 have given it back", n)
		}
		m.Recycle()
	}
	if n := m.users.Load(); n != 0 {
		t.Errorf("%d users are left", n)
	}
	// They may all have done so before it is known how many there are.
	early := newBlock()
	early.Recycle()
	early.Recycle()
	if n := early.users.Load(); n != -2 {
		t.Errorf("%d users are left of a block that is in use, want -2", n)
	}
	early.full(2)
	if n := early.users.Load(); n != 0 {
		t.Errorf("%d users are left, want none", n)
	}
}
