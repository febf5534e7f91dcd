package flux

import "sync"

// backlogs are the channels of a client that have ended behind items that their
// consumers have not received yet. Nothing else of the client knows them any
// more, and each has a goroutine, which Close must end.
type backlogs struct {
	mu     sync.Mutex
	closed bool
	m      map[backlog]struct{}
}

// backlog is a stream or a subscription.
type backlog interface {
	// drop ends the channel at once with ErrClosed.
	drop()
	// whenClosed has f called after the channel is closed, at once if it is.
	whenClosed(f func())
}

// keep remembers b until its channel closes.
func (l *backlogs) keep(b backlog) {
	l.mu.Lock()
	closed := l.closed
	if !closed {
		if l.m == nil {
			l.m = make(map[backlog]struct{})
		}
		l.m[b] = struct{}{}
	}
	l.mu.Unlock()
	if closed {
		b.drop()
		return
	}
	b.whenClosed(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.m, b)
	})
}

// close drops all there is and will be.
func (l *backlogs) close() {
	l.mu.Lock()
	l.closed = true
	list := make([]backlog, 0, len(l.m))
	for b := range l.m {
		list = append(list, b)
	}
	l.mu.Unlock()
	for _, b := range list {
		b.drop()
	}
}
