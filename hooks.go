package flux

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/wiretrace"
)

// Hooks are functions that a client calls when something happens; see
// [WithHooks]. Each may be nil.
//
// They are called on a goroutine of the connection's, one at a time, in the order
// in which things happened. Sent for a request comes before Received for its
// response. A hook may use the client. It delays nothing but the hooks behind it:
// up to 65,536 messages or 64 MiB of them wait, and what comes while there is no
// room is left out of Sent, Received and Queued and counted for Missed; the other
// hooks are always called. Close does not wait for them: of a client,
// Disconnected is called last. A panic is logged, as one of a handler is. The Send of
// a connection of one's own holds up the hooks while it waits.
//
// Messages are shared with their receivers. They may be kept, but neither they nor
// their payloads may be changed.
type Hooks struct {
	// Connected is called when the connection is ready for requests: once it
	// is made, and after each reconnect with everything restored.
	Connected func(reconnect bool)
	// Disconnected is called when the connection is lost or closed.
	Disconnected func(err error)
	// Sent is called for every message that has been accepted for sending.
	Sent func(m *codec.Message)
	// Received is called for every message that has been received.
	Received func(m *codec.Message)
	// Queued is called when a message of a stream or subscription joins others
	// that its consumer has not taken, with their number and bytes.
	Queued func(topic string, messages, bytes int)
	// SlowConsumer is called when a queue limit ends a stream or subscription.
	SlowConsumer func(topic string)
	// Retired is called when a request is given up and its matchtag kept until
	// the last reply.
	Retired func(topic string, matchtag uint32)
	// Missed is called in the place of n calls of Sent, Received and Queued that
	// were left out because the hooks before them took too long.
	Missed func(n int)
}

// observer tells hooks and trace what happens, each on a goroutine of its own.
// All its methods do nothing on a nil observer.
type observer struct {
	hooks  Hooks
	trace  io.Writer
	hooked *noticeQueue // nil without hooks
	traced *noticeQueue // nil without a trace

	// Guarded by mu, which is held from accepting a message to its notice.
	mu    sync.Mutex
	first time.Time // of the first message that was traced
}

// newObserver returns nil if nobody wants to know.
func newObserver(o *dialOptions) *observer {
	if o.hooks == nil && o.trace == nil {
		return nil
	}
	w := &observer{}
	if o.hooks != nil {
		w.hooks = *o.hooks
		w.hooked = &noticeQueue{log: o.logger, missed: func(n int) {
			if w.hooks.Missed != nil {
				w.hooks.Missed(n)
			}
		}}
	}
	if o.trace != nil {
		w.traced = &noticeQueue{log: o.logger, missed: func(n int) {
			fmt.Fprintf(o.trace, "-- %d messages not traced: the writer is too slow\n", n)
		}}
		w.trace = o.trace
	}
	return w
}

// seesMessages reports whether anybody is shown messages.
func (w *observer) seesMessages() bool {
	return w != nil && (w.traced != nil || w.hooks.Sent != nil || w.hooks.Received != nil)
}

// Sending calls accept, which accepts m for sending without any I/O, and notes m if
// that did not fail. It is one step for the reader, so that nobody hears of an
// answer before.
func (w *observer) Sending(m *codec.Message, accept func() error) error {
	if w == nil || w.traced == nil && w.hooks.Sent == nil {
		return accept()
	}
	own := copyOf(m)
	w.mu.Lock()
	defer w.mu.Unlock()
	err := accept()
	if err == nil {
		w.addMessageLocked(w.hooks.Sent, own, nil)
	}
	return err
}

// SendingSlowly is Sending for an accept that may wait. The notice comes first;
// what is due after it waits until accept has returned.
func (w *observer) SendingSlowly(m *codec.Message, accept func() error) error {
	if w == nil || w.traced == nil && w.hooks.Sent == nil {
		return accept()
	}
	sent := &outcome{known: make(chan struct{})}
	w.mu.Lock()
	w.addMessageLocked(w.hooks.Sent, copyOf(m), sent)
	w.mu.Unlock()
	err := accept()
	sent.ok = err == nil
	close(sent.known)
	return err
}

// outcome is whether a message was sent, once that is known.
type outcome struct {
	known chan struct{}
	ok    bool
}

// copyOf is m for somebody who keeps it: m is the sender's again soon.
func copyOf(m *codec.Message) *codec.Message {
	own := *m
	own.Payload = bytes.Clone(m.Payload)
	return &own
}

func (w *observer) Received(m *codec.Message) {
	if w == nil || w.traced == nil && w.hooks.Received == nil {
		return
	}
	own := *m
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addMessageLocked(w.hooks.Received, &own, nil)
}

// addMessageLocked adds the notice of a message, which is not called if that was not sent.
func (w *observer) addMessageLocked(hook func(*codec.Message), m *codec.Message, sent *outcome) {
	size := len(m.Payload) + itemOverhead
	add := func(q *noticeQueue, show func()) {
		q.addNotice(size, false, func() {
			if sent != nil {
				if <-sent.known; !sent.ok {
					return
				}
			}
			show()
		})
	}
	if w.traced != nil {
		if w.first.IsZero() {
			w.first = time.Now()
		}
		at := time.Since(w.first)
		add(w.traced, func() { w.trace.Write(wiretrace.Format(at, m)) })
	}
	if hook != nil {
		add(w.hooked, func() { hook(m) })
	}
}

func (w *observer) Connected(reconnect bool) {
	if w != nil && w.hooks.Connected != nil {
		w.hooked.addNotice(0, true, func() { w.hooks.Connected(reconnect) })
	}
}

func (w *observer) Disconnected(err error) {
	if w != nil && w.hooks.Disconnected != nil {
		w.hooked.addNotice(0, true, func() { w.hooks.Disconnected(err) })
	}
}

func (w *observer) slowConsumer(topic string) {
	if w != nil && w.hooks.SlowConsumer != nil {
		w.hooked.addNotice(0, true, func() { w.hooks.SlowConsumer(topic) })
	}
}

func (w *observer) Retired(topic string, matchtag uint32) {
	if w != nil && w.hooks.Retired != nil {
		w.hooked.addNotice(0, true, func() { w.hooks.Retired(topic, matchtag) })
	}
}

// queued tells of a backlog; depth is asked only if somebody wants to know.
func (w *observer) queued(topic string, depth func() (messages, bytes int)) {
	if w == nil || w.hooks.Queued == nil {
		return
	}
	if messages, bytes := depth(); messages > 1 {
		w.hooked.addNotice(itemOverhead, false, func() { w.hooks.Queued(topic, messages, bytes) })
	}
}

// waitForTrace waits a bounded time, within ctx, for the trace to be written. It
// does not wait for hooks, because one of them may be closing the client.
func (w *observer) waitForTrace(ctx context.Context) {
	if w == nil || w.traced == nil {
		return
	}
	t := time.NewTimer(noticePatience)
	defer t.Stop()
	select {
	case <-w.traced.whenIdle():
	case <-t.C:
	case <-ctx.Done():
	}
}

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

	// Guarded by mu.
	mu      sync.Mutex
	list    []notice // added since the last ones were taken
	waiting int      // notices that have not been called
	bytes   int
	leftOut int // notices left out since the last one in the list
	running bool
	idle    chan struct{} // closed when there is nothing to do; nil while nobody waits
}

type notice struct {
	size int // bytes
	call func()
}

// addNotice adds a notice. One that need not be called may be left out.
func (q *noticeQueue) addNotice(size int, always bool, call func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !always && (q.waiting >= noticeLimit || q.bytes+size > noticeBytes && q.waiting > 0) {
		q.leftOut++
		return
	}
	q.tellMissedLocked()
	q.list = append(q.list, notice{size, call})
	q.waiting++
	q.bytes += size
	if !q.running {
		q.running = true
		go q.runNotices()
	}
}

// tellMissedLocked adds the notice of those that were left out.
func (q *noticeQueue) tellMissedLocked() {
	if n := q.leftOut; n > 0 {
		q.leftOut = 0
		q.list = append(q.list, notice{0, func() { q.missed(n) }})
		q.waiting++
	}
}

// runNotices calls what is due until nothing is.
func (q *noticeQueue) runNotices() {
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
		for len(list) > 0 {
			n := list[0]
			list[0], list = notice{}, list[1:]
			q.callNotice(n, list)
		}
	}
}

// callNotice calls one. A panic is a bug of the hook's and must not stay hidden. A
// hook that ends its goroutine, as t.Fatal does, does not end the queue: the rest
// follows on another one.
func (q *noticeQueue) callNotice(n notice, rest []notice) {
	returned := false
	defer func() {
		p := recover()
		switch {
		case p != nil:
			log := q.log
			if log == nil {
				log = slog.Default()
			}
			log.Error("flux: hook panicked", "panic", p, "stack", string(debug.Stack()))
		case !returned:
			q.mu.Lock()
			q.list = append(rest, q.list...)
			q.mu.Unlock()
			go q.runNotices()
		}
		q.mu.Lock()
		q.waiting--
		q.bytes -= n.size
		q.mu.Unlock()
	}()
	n.call()
	returned = true
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
