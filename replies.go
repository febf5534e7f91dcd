package flux

import (
	"sync"
	"sync/atomic"
)

// repliesLen is how many small replies that come together share an allocation,
// of slabBytes.
const repliesLen = 6

// replies makes replies, of memory of those that have been released where there
// is any. It belongs to the reader of a link.
type replies struct {
	slab *replySlab
	used int // of slab
}

// replySlab is used again once all of it has been released.
type replySlab struct {
	kept  atomic.Int32 // not released
	items [repliesLen]reply
}

// Replies that have been released, alone and in slabs.
var oneReply, replySlabs sync.Pool

// next returns an empty reply for a payload of size bytes; more says that others
// follow at once.
func (s *replies) next(size int, more bool) *reply {
	if size > slabPayload || !more && s.slab == nil {
		if r, ok := oneReply.Get().(*reply); ok {
			return r
		}
		return new(reply)
	}
	if s.slab == nil {
		s.slab = newReplySlab()
	}
	r := &s.slab.items[s.used]
	if s.used++; s.used == repliesLen {
		*s = replies{}
	}
	return r
}

func newReplySlab() *replySlab {
	s, ok := replySlabs.Get().(*replySlab)
	if !ok {
		s = new(replySlab)
		for i := range s.items {
			s.items[i].slab = s
		}
	}
	s.kept.Store(repliesLen)
	return s
}

// recycle lets a later message use what nobody refers to any more.
func (r *reply) recycle() {
	r.of = nil
	if r.slab == nil {
		oneReply.Put(r)
	} else if r.slab.kept.Add(-1) == 0 {
		replySlabs.Put(r.slab)
	}
}
