package flux

import (
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// noticeLimit and noticeBytes bound what waits for hooks or a trace, in
	// messages and in bytes.
	noticeLimit = 65536
	noticeBytes = 64 << 20
	// noticePatience is how long Close waits for a trace.
	noticePatience = time.Second
)

// noticeQueue calls functions in order, on a goroutine that lives while there are
// any. The way in never waits for them.
type noticeQueue struct {
	log    *slog.Logger
	missed func(n int)

	mu      sync.Mutex
	list    []notice
	bytes   int
	left    int // notices left out since the last one in the list
	running bool
	idle    chan struct{} // closed when there is nothing to do; nil while nobody waits
}

type notice struct {
	size int // bytes
	call func()
}

// add adds a notice. One that need not be called may be left out.
func (q *noticeQueue) add(size int, always bool, call func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !always && (len(q.list) >= noticeLimit || q.bytes+size > noticeBytes && len(q.list) > 0) {
		q.left++
		return
	}
	q.tellMissedLocked()
	q.list = append(q.list, notice{size, call})
	q.bytes += size
	if !q.running {
		q.running = true
		go q.run()
	}
}

// tellMissedLocked adds the notice of those that were left out.
func (q *noticeQueue) tellMissedLocked() {
	if n := q.left; n > 0 {
		q.left = 0
		q.list = append(q.list, notice{0, func() { q.missed(n) }})
	}
}

// run calls what is due until nothing is.
func (q *noticeQueue) run() {
	for {
		q.mu.Lock()
		q.tellMissedLocked() // there is room
		list := q.list
		q.list = nil
		if len(list) == 0 {
			q.running = false
			if q.idle != nil {
				close(q.idle)
				q.idle = nil
			}
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		for _, n := range list {
			q.call(n)
		}
	}
}

// call calls one. A panic is a bug of the hook's and must not stay hidden.
func (q *noticeQueue) call(n notice) {
	defer func() {
		if p := recover(); p != nil {
			log := q.log
			if log == nil {
				log = slog.Default()
			}
			log.Error("flux: hook panicked", "panic", p, "stack", string(debug.Stack()))
		}
		q.mu.Lock()
		q.bytes -= n.size
		q.mu.Unlock()
	}()
	n.call()
}

// whenIdle returns a channel that closes when nothing is due any more.
func (q *noticeQueue) whenIdle() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.idle == nil {
		q.idle = make(chan struct{})
		if !q.running {
			idle := q.idle
			q.idle = nil
			close(idle)
			return idle
		}
	}
	return q.idle
}
