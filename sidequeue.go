package flux

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// sideQueue gives a transport that can only Send a way to accept without
// waiting: what is queued waits here for a goroutine that sends it in order.
type sideQueue struct {
	t transport.Conn

	mu   sync.Mutex
	q    []*codec.Message
	busy bool
	err  error
	room chan struct{} // closed when the queue gets shorter; nil while nobody waits
	idle chan struct{} // closed when all is sent; nil while nobody waits
}

// sideQueueLimit is how many messages wait before admit does.
const sideQueueLimit = 1024

// sideQueuePatience is how long a close waits for the queue to be sent.
const sideQueuePatience = time.Second

func newSideQueue(t transport.Conn) *sideQueue { return &sideQueue{t: t} }

func (s *sideQueue) queue(m *codec.Message) error {
	// Later there is nobody to tell.
	if _, _, err := codec.AppendSplit(nil, m, 0); err != nil {
		return err
	}
	own := *m
	own.Payload = slices.Clone(m.Payload)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.q = append(s.q, &own)
	if !s.busy {
		s.busy = true
		go s.drain()
	}
	return nil
}

func (s *sideQueue) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err == nil && len(s.q) >= sideQueueLimit
}

func (s *sideQueue) admit(ctx context.Context) error {
	for {
		s.mu.Lock()
		if s.err != nil || len(s.q) < sideQueueLimit {
			s.mu.Unlock()
			return ctx.Err()
		}
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room := s.room
		s.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *sideQueue) drain() {
	for {
		s.mu.Lock()
		if s.room != nil {
			close(s.room)
			s.room = nil
		}
		if len(s.q) == 0 || s.err != nil {
			s.q, s.busy = nil, false
			if s.idle != nil {
				close(s.idle)
				s.idle = nil
			}
			s.mu.Unlock()
			return
		}
		m := s.q[0]
		s.q = s.q[1:]
		s.mu.Unlock()
		err := s.t.Send(context.Background(), m)
		if err != nil && !errors.Is(err, codec.ErrTooLarge) && !errors.Is(err, codec.ErrUnsendable) {
			s.mu.Lock()
			s.err = err
			s.mu.Unlock()
		}
	}
}

// settle waits, for as long as a close may take, for what was queued to be sent.
func (s *sideQueue) settle() {
	s.mu.Lock()
	if !s.busy {
		s.mu.Unlock()
		return
	}
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	idle := s.idle
	s.mu.Unlock()
	t := time.NewTimer(sideQueuePatience)
	defer t.Stop()
	select {
	case <-idle:
	case <-t.C:
	}
}
