package flux

import "github.com/flux-sdk/flux/codec"

// runMax is how many items are taken to the queue of their stream at once.
const runMax = 64

// moreItems deals with the items of a stream that are in memory behind one of
// its items: what is decided by the matchtag has been decided for that one.
func (c *conn) moreItems(l *link, s *stream, m *codec.Message) {
	if l.repeats == nil || c.opts.matchDebug != nil { // which wants to know of each
		return
	}
	run := l.run[:0]
	for len(run) < runMax && l.repeats.RecvRepeat(m) {
		run = append(run, boxed[Response]{v: l.newReply(s.topic, m, c.codec), size: itemSize(m)})
	}
	if len(run) == 0 {
		return
	}
	l.follows = l.more()
	c.stats.rx.response.Add(uint64(len(run)))
	n, full := s.out.pushRun(run)
	if full {
		s.tooSlow()
		n++ // that was the one that was too much
	}
	c.stats.responses.Add(uint64(n))
	c.stats.late.Add(uint64(len(run) - n))
	clear(run)
	l.run = run
}
