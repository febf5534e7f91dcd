package flux

import "reflect"

const (
	// slabBytes is what items of a batch are allocated together in: the largest
	// object that the garbage collector scans without a look at its type. One
	// item that is kept keeps the others, which is why only small ones are.
	slabBytes   = 512
	slabPayload = 512
)

// slab makes one allocation of several small items that arrive together. It
// belongs to the reader of a link.
type slab[T any] struct{ rest []T }

// next returns a new item for a payload of size bytes; more says that others
// follow at once.
func (s *slab[T]) next(size int, more bool) *T {
	if size > slabPayload || !more && len(s.rest) == 0 {
		return new(T)
	}
	if len(s.rest) == 0 {
		s.rest = make([]T, s.len())
	}
	v := &s.rest[0]
	s.rest = s.rest[1:]
	return v
}

// len is how many items share an allocation.
func (*slab[T]) len() int { return max(1, slabBytes/int(reflect.TypeFor[T]().Size())) }
