package flux

import (
	"math/bits"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// A slab of replies is of the size that the garbage collector scans at least cost.
func TestReplySlab(t *testing.T) {
	if size := reflect.TypeFor[replySlab]().Size(); bits.UintSize == 64 && (size > slabBytes || size+reflect.TypeFor[reply]().Size() <= slabBytes) {
		t.Errorf("a slab of %d replies has %d bytes; %d are to be made use of", repliesLen, size, slabBytes)
	}
}

// A reply is used again once it is released, and never before. Whoever still has
// a released Response learns so, whatever became of its memory.
func TestReplyReuse(t *testing.T) {
	l := &link{}
	var kept, gone []Response
	tags := make(map[*reply]uint32) // of what is kept
	again := 0
	seen := make(map[*reply]bool)
	for n := range uint32(20_000) {
		l.follows = rand.IntN(10) > 0
		m := codec.NewResponse(codec.NewRequest("a.b"))
		m.Matchtag = n + 1
		m.SetPayload(make([]byte, rand.IntN(2)*slabPayload+rand.IntN(2)))
		r := l.newReply("a.b", m, jsonCodec{})
		if tag, taken := tags[r.r]; taken {
			t.Fatalf("response %d has the memory of %d", m.Matchtag, tag)
		}
		if seen[r.r] {
			again++
		}
		seen[r.r] = true
		kept, tags[r.r] = append(kept, r), m.Matchtag
		for len(kept) > 50 {
			i := rand.IntN(len(kept))
			r := kept[i]
			if got := r.Message().Matchtag; got != tags[r.r] {
				t.Fatalf("the matchtag is %d, was %d", got, tags[r.r])
			}
			delete(tags, r.r)
			kept[i] = kept[len(kept)-1]
			kept = kept[:len(kept)-1]
			r.Release()
			gone = append(gone, r)
		}
		for len(gone) > 100 {
			i := rand.IntN(len(gone))
			r := gone[i]
			r.Release() // which must not take it from whoever has it now
			if _, err := r.Bytes(); err != ErrReleased || r.Err() != nil || r.Message() != nil {
				t.Fatalf("a released response: %v, %v, %v", err, r.Err(), r.Message())
			}
			gone[i] = gone[len(gone)-1]
			gone = gone[:len(gone)-1]
		}
	}
	if again == 0 {
		t.Error("no memory was used again")
	}
}
