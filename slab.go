package flux

const (
	// slabSize is how many items of a batch are allocated together. One that is
	// kept keeps the others, which is why only small ones are.
	slabSize    = 8
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
		s.rest = make([]T, slabSize)
	}
	v := &s.rest[0]
	s.rest = s.rest[1:]
	return v
}
