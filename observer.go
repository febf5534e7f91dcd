package flux

import (
	"bytes"
	"sync"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// Hooks are functions that a client calls when something happens; see
// [WithHooks]. Each may be nil. They are called with no lock held, from any
// goroutine and concurrently, the reader's included: a hook must return soon
// and must not wait for this client. Messages are shared and not to be changed
// or kept, their payload included.
type Hooks struct {
	// Connected is called when the connection is ready for requests: once it
	// is made, and after each reconnect with everything restored.
	Connected func(reconnect bool)
	// Disconnected is called when the connection is lost or closed.
	Disconnected func(err error)
	// Sent is called when a message has been accepted for sending: one after the
	// other in the order in which they are sent, and before Received is for what
	// they bring about.
	Sent func(m *codec.Message)
	// Received is called for every message, before it is delivered.
	Received func(m *codec.Message)
	// Queued is called when a message of a stream or subscription joins others
	// that its consumer has not taken, with their number and bytes.
	Queued func(topic string, messages, bytes int)
	// SlowConsumer is called when a queue limit ends a stream or subscription.
	SlowConsumer func(topic string)
	// Retired is called when a request is given up and its matchtag kept until
	// the last reply.
	Retired func(topic string, matchtag uint32)
}

// observer passes messages and events on to hooks and trace. All its methods
// do nothing on a nil observer.
type observer struct {
	hooks Hooks
	trace *tracer

	mu      sync.Mutex
	notes   []*codec.Message // accepted for sending, not passed on yet
	noted   uint64           // how many there were
	passed  uint64           // how many of them have been passed on
	passing bool             // somebody is at the notes
	more    sync.Cond        // passed is more, or passing has become false; with mu
	changes []func()         // of the connection, not passed on yet
	telling bool             // somebody is at the changes
}

// seesMessages reports whether anybody is shown messages.
func (w *observer) seesMessages() bool {
	return w != nil && (w.hooks.Sent != nil || w.hooks.Received != nil || w.trace != nil)
}

// newObserver returns nil if nobody wants to know.
func newObserver(o *dialOptions) *observer {
	if o.hooks == nil && o.trace == nil {
		return nil
	}
	w := &observer{}
	w.more.L = &w.mu
	if o.hooks != nil {
		w.hooks = *o.hooks
	}
	if o.trace != nil {
		w.trace = newTracer(o.trace)
	}
	return w
}

func (w *observer) sent(m *codec.Message) {
	if w.trace != nil {
		w.trace.message(m)
	}
	if w.hooks.Sent != nil {
		w.hooks.Sent(m)
	}
}

func (w *observer) received(m *codec.Message) {
	w.catchUp()
	if w.trace != nil {
		w.trace.message(m)
	}
	if w.hooks.Received != nil {
		w.hooks.Received(m)
	}
}

// becomes notes a change of the connection. It is called under the lock that
// guards the change; whoever made it is to call tell without.
func (w *observer) becomes(change func()) {
	if w == nil {
		return
	}
	w.mu.Lock()
	w.changes = append(w.changes, change)
	w.mu.Unlock()
}

// tell passes the changes on in their order, whoever made them. From inside a
// hook it leaves that to the caller of the hook.
func (w *observer) tell() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.telling {
		return
	}
	w.telling = true
	defer func() { w.telling = false }()
	for len(w.changes) > 0 {
		w.tellFirst()
	}
}

func (w *observer) tellFirst() {
	next := w.changes[0]
	w.changes = w.changes[1:]
	w.mu.Unlock()
	defer w.mu.Lock()
	next()
}

// queue accepts m with q, which writes nothing yet, and notes it. Others may
// write it at any time, so the two are one step: what answers m finds the note.
func (w *observer) queue(q transport.Queuer, m *codec.Message) error {
	return w.note(m, func() error { return q.Queue(m, false) })
}

// note keeps m for the next flush, if accept does not fail.
func (w *observer) note(m *codec.Message, accept func() error) error {
	if w.trace == nil && w.hooks.Sent == nil {
		return accept()
	}
	own := *m
	own.Payload = bytes.Clone(m.Payload)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := accept(); err != nil {
		return err
	}
	w.notes = append(w.notes, &own)
	w.noted++
	return nil
}

// flush passes the notes on in their order. It leaves that to whoever is at it:
// inside a hook, to its caller.
func (w *observer) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pass()
}

// catchUp returns when all that has been noted until now has been passed on. It
// belongs to the reader, which is not inside a hook then.
func (w *observer) catchUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for upTo := w.noted; w.passed < upTo; {
		if w.passing {
			w.more.Wait()
		} else {
			w.pass()
		}
	}
}

// pass is flush with mu held.
func (w *observer) pass() {
	if w.passing {
		return
	}
	w.passing = true
	defer func() {
		w.passing = false
		w.more.Broadcast() // somebody else goes on after a panic
	}()
	for len(w.notes) > 0 {
		w.passFirst()
	}
}

func (w *observer) passFirst() {
	next := w.notes[0]
	w.notes[0], w.notes = nil, w.notes[1:]
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.passed++
		w.more.Broadcast()
	}()
	w.sent(next)
}

// close waits a bounded time for the trace to be written.
func (w *observer) close() {
	if w != nil && w.trace != nil {
		w.trace.drain()
	}
}

func (w *observer) connected(reconnect bool) {
	if w != nil && w.hooks.Connected != nil {
		w.hooks.Connected(reconnect)
	}
}

func (w *observer) disconnected(err error) {
	if w != nil && w.hooks.Disconnected != nil {
		w.hooks.Disconnected(err)
	}
}

func (w *observer) slowConsumer(topic string) {
	if w != nil && w.hooks.SlowConsumer != nil {
		w.hooks.SlowConsumer(topic)
	}
}

// queued tells of a backlog; depth is asked only if somebody wants to know.
func (w *observer) queued(topic string, depth func() (messages, bytes int)) {
	if w == nil || w.hooks.Queued == nil {
		return
	}
	if messages, bytes := depth(); messages > 1 {
		w.hooks.Queued(topic, messages, bytes)
	}
}
