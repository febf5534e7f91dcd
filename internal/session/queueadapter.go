package session

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// queueAdapter makes a foreign connection, which can only Send, accept messages
// without waiting. What is queued waits here for a goroutine that sends it in order.
type queueAdapter struct {
	t transport.Conn

	// Guarded by mu.
	mu       sync.Mutex
	messages []*codec.Message
	sending  bool
	err      error         // of a Send that says that the connection is gone
	room     chan struct{} // closed when the queue gets shorter; nil while nobody waits
	sent     chan struct{} // closed when all is sent; nil while nobody waits
}

const (
	// queueAdapterLimit is how many messages are queued before waitRoom waits.
	queueAdapterLimit = 1024
	// queueAdapterPatience is how long a close waits for the queue to be sent.
	queueAdapterPatience = time.Second
)

func newQueueAdapter(t transport.Conn) *queueAdapter { return &queueAdapter{t: t} }

// queue accepts a copy of m.
func (q *queueAdapter) queue(m *codec.Message) error {
	// Later there is nobody to tell.
	if _, _, err := codec.AppendSplit(nil, m, 0); err != nil {
		return err
	}
	own := *m
	own.Payload = slices.Clone(m.Payload)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return q.err
	}
	q.messages = append(q.messages, &own)
	if !q.sending {
		q.sending = true
		go q.send()
	}
	return nil
}

// full reports whether waitRoom would wait.
func (q *queueAdapter) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err == nil && len(q.messages) >= queueAdapterLimit
}

// waitRoom waits, within ctx, while too much is queued.
func (q *queueAdapter) waitRoom(ctx context.Context) error {
	for {
		q.mu.Lock()
		if q.err != nil || len(q.messages) < queueAdapterLimit {
			q.mu.Unlock()
			return ctx.Err()
		}
		if q.room == nil {
			q.room = make(chan struct{})
		}
		room := q.room
		q.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// send sends what is queued until nothing is.
func (q *queueAdapter) send() {
	for {
		q.mu.Lock()
		if q.room != nil {
			close(q.room)
			q.room = nil
		}
		if len(q.messages) == 0 || q.err != nil {
			q.messages, q.sending = nil, false
			if q.sent != nil {
				close(q.sent)
				q.sent = nil
			}
			q.mu.Unlock()
			return
		}
		m := q.messages[0]
		q.messages = q.messages[1:]
		q.mu.Unlock()
		err := q.t.Send(context.Background(), m)
		if err != nil && !errors.Is(err, codec.ErrTooLarge) && !errors.Is(err, codec.ErrUnsendable) {
			q.mu.Lock()
			q.err = err
			q.mu.Unlock()
			q.t.Close() // so that the reader hears of it
		}
	}
}

// waitSent waits, for as long as a close may take and within ctx, for what was queued
// to be sent.
func (q *queueAdapter) waitSent(ctx context.Context) {
	q.mu.Lock()
	if !q.sending {
		q.mu.Unlock()
		return
	}
	if q.sent == nil {
		q.sent = make(chan struct{})
	}
	sent := q.sent
	q.mu.Unlock()
	t := time.NewTimer(queueAdapterPatience)
	defer t.Stop()
	select {
	case <-sent:
	case <-t.C:
	case <-ctx.Done():
	}
}
