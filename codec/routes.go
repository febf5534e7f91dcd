package codec

import (
	"bytes"
	"fmt"
	"iter"
	"strings"
)

// Routes is a route stack in its wire form, without the delimiter: each entry
// a size and its bytes, the most recent hop first, the origin last. The nil
// value is the empty stack. A Routes is not changed once made: Push and Pop
// return others.
type Routes []byte

// MakeRoutes returns the stack of the given hops, the most recent first. An
// empty hop is refused by the encoder, as it would read as the delimiter.
func MakeRoutes(hops ...string) Routes {
	var r Routes
	for _, hop := range hops {
		r = append(AppendPartSize(r, len(hop)), hop...)
	}
	return r
}

// All yields the hops, the most recent first.
func (r Routes) All() iter.Seq[string] {
	return func(yield func(string) bool) {
		for b := []byte(r); len(b) > 0; {
			hop, rest, err := nextPart(b)
			if err != nil || !yield(string(hop)) {
				return
			}
			b = rest
		}
	}
}

// Len is the number of hops.
func (r Routes) Len() int {
	n := 0
	for b := []byte(r); len(b) > 0; n++ {
		_, rest, err := nextPart(b)
		if err != nil {
			return n
		}
		b = rest
	}
	return n
}

// Origin is the hop next to the delimiter: the identity of the sender of a
// request. Two requests come from one sender exactly when their origins are
// equal. It is "" for the empty stack.
func (r Routes) Origin() string {
	var last []byte
	for b := []byte(r); len(b) > 0; {
		hop, rest, err := nextPart(b)
		if err != nil {
			break
		}
		last, b = hop, rest
	}
	return string(last)
}

// Push returns the stack with hop as its most recent entry.
func (r Routes) Push(hop string) Routes {
	out := make(Routes, 0, PartSize(len(hop))+len(r))
	out = append(AppendPartSize(out, len(hop)), hop...)
	return append(out, r...)
}

// Pop returns the most recent hop and the rest of the stack; ok is false for
// the empty stack.
func (r Routes) Pop() (hop string, rest Routes, ok bool) {
	if len(r) == 0 {
		return "", nil, false
	}
	h, b, err := nextPart(r)
	if err != nil {
		return "", nil, false
	}
	return string(h), b, true
}

// Equal reports whether both stacks have the same hops, which does not depend
// on how the sizes of the parts are spelled.
func (r Routes) Equal(o Routes) bool {
	if bytes.Equal(r, o) {
		return true
	}
	for len(r) > 0 && len(o) > 0 {
		a, restA, errA := nextPart(r)
		b, restB, errB := nextPart(o)
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			return false
		}
		r, o = restA, restB
	}
	return len(r) == len(o)
}

// String shows the stack as Flux traces do: |aaaaaaaa!bbbbbbbb|, the origin
// first, each hop cut to eight characters.
func (r Routes) String() string {
	var hops []string
	for hop := range r.All() {
		hops = append(hops, hop[:min(len(hop), 8)])
	}
	for i, j := 0, len(hops)-1; i < j; i, j = i+1, j-1 {
		hops[i], hops[j] = hops[j], hops[i]
	}
	return "|" + strings.Join(hops, "!") + "|"
}

// check says whether r is a well formed stack that the encoder may emit.
func (r Routes) check() error {
	for b := []byte(r); len(b) > 0; {
		hop, rest, err := nextPart(b)
		if err != nil {
			return fmt.Errorf("route stack of %d bytes is not a list of parts: %w", len(r), err)
		}
		if len(hop) == 0 {
			return fmt.Errorf("empty hop in the route stack: it would read as the delimiter")
		}
		b = rest
	}
	return nil
}
