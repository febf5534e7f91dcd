package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/flux-sdk/flux/transport"
)

// Policy says how a lost connection is made again. Zero values stand for defaults.
type Policy struct {
	MinBackoff, MaxBackoff time.Duration // of the pause before an attempt; 50 ms and 5 s
	MaxAttempts            int           // in a row that may fail; 0 means no limit
	AttemptTimeout         time.Duration // of the dial of one attempt; 30 s
}

func (p Policy) orDefault() Policy {
	if p.MinBackoff <= 0 {
		p.MinBackoff = 50 * time.Millisecond
	}
	if p.MaxBackoff <= 0 {
		p.MaxBackoff = 5 * time.Second
	}
	p.MaxBackoff = max(p.MaxBackoff, p.MinBackoff)
	if p.AttemptTimeout <= 0 {
		p.AttemptTimeout = 30 * time.Second
	}
	return p
}

// backoff is the pause before an attempt, counted from 1.
func (p Policy) backoff(attempt int) time.Duration {
	d := p.MinBackoff
	for i := 1; i < attempt && d < p.MaxBackoff; i++ {
		d += min(d, p.MaxBackoff-d)
	}
	return d - rand.N(d/2+1)
}

// restorable reports whether a lost connection is made again.
func (s *Session) restorable() bool { return s.cfg.Reconnect != nil && s.cfg.Dial != nil }

// lost is where the reader of a link ends, whatever ended it.
func (s *Session) lost(l *Link, cause error) {
	if err := LostError(cause); s.takeDown(l, err, s.restorable()) {
		go s.restoreLoop(nil, err)
	}
	l.close(context.Background())
}

// takeDown is the exit path of a link: what was in flight on it fails. If the
// session is to live on, it reports whether the caller has to restore it. A link
// that is not ready yet is part of a restore already, and a dead one has been
// dealt with but for what its reader accepted since.
func (s *Session) takeDown(l *Link, err error, comesBack bool) bool {
	live, wasReady, ends := s.loseLink(l, err, comesBack)
	if ends {
		s.End(err)
		return false
	}
	s.reportTags()
	// Before anything that hears of the loss ends a service: that cuts nothing off.
	s.cfg.Handler.Lost(l, wasReady)
	failAll(live, err)
	return wasReady
}

// loseLink is the part of takeDown that changes the state. ends says that the
// session is over.
func (s *Session) loseLink(l *Link, err error, comesBack bool) (live []*Request, wasReady, ends bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wasReady = l.ready
	if s.err != nil || wasReady && !comesBack {
		return nil, wasReady, true
	}
	if wasReady {
		s.readyAgain = make(chan struct{})
		if s.cfg.Observer != nil {
			s.cfg.Observer.Disconnected(err)
		}
	}
	return s.takeDownLocked(l), wasReady, false
}

// restoreLoop makes the connection again until that works, the policy gives up or
// the session ends. The first attempt uses t, if it is not nil.
func (s *Session) restoreLoop(t transport.Conn, cause error) {
	policy := Policy{MaxAttempts: 1} // asked for by hand: what was dialled is it
	if s.cfg.Reconnect != nil {
		policy = *s.cfg.Reconnect
	}
	policy = policy.orDefault()
	s.log(slog.LevelWarn, "connection lost", "error", cause)
	last := cause
	for attempt := 1; policy.MaxAttempts == 0 || attempt <= policy.MaxAttempts; attempt++ {
		if t == nil {
			if !Sleep(s.life, policy.backoff(attempt)) {
				return
			}
			ctx, cancel := context.WithTimeout(s.life, policy.AttemptTimeout)
			t, last = s.cfg.Dial(ctx)
			cancel()
		} else {
			last = nil
		}
		if last == nil {
			last = s.restore(t)
		}
		switch {
		case last == nil:
			s.log(slog.LevelInfo, "connection restored", "attempts", attempt)
			return
		case s.life.Err() != nil:
			return
		}
		s.log(slog.LevelDebug, "attempt to reconnect failed", "attempt", attempt, "error", last)
		t = nil
	}
	s.End(fmt.Errorf("%w: gave up after %d attempts to reconnect: %w", ErrConnLost, policy.MaxAttempts, last))
}

// log tells the logger, if there is one. It must not be called on a reader: the
// logger may use this session.
func (s *Session) log(level slog.Level, msg string, args ...any) {
	if s.cfg.Logger != nil {
		s.cfg.Logger.Log(context.Background(), level, "flux: "+msg, args...)
	}
}

// Sleep waits for d and reports whether ctx has not ended.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// restore makes t the connection, has the Handler prepare it, and then lets
// requests be sent.
func (s *Session) restore(t transport.Conn) error {
	l := s.newLink(t)
	if err := s.replaceLink(l); err != nil {
		t.Close()
		return err
	}
	go s.readLoop(l)
	err := s.cfg.Handler.Restore(l)
	if err == nil {
		err = s.makeReady(l)
	}
	if err != nil {
		s.takeDown(l, LostError(err), true)
		l.close(context.Background())
	}
	return err
}

func (s *Session) replaceLink(l *Link) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.link = l
	return nil
}

// makeReady ends the restore: waiting requests are let go on.
func (s *Session) makeReady(l *Link) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return s.err
	case l.dead:
		return ErrConnLost
	}
	l.ready = true
	close(s.readyAgain)
	s.counters.Reconnects.Add(1)
	if s.cfg.Observer != nil {
		s.cfg.Observer.Connected(true)
	}
	return nil
}

// Reconnect replaces the connection by a new one, live or not, and waits within
// ctx and the owner's life until it is restored. While a lost connection is being
// made again it only waits for that.
func (s *Session) Reconnect(ctx context.Context, owner *Owner) error {
	if s.cfg.Dial == nil {
		return errors.New("a client made by NewClient has nothing to dial")
	}
	l, _, err := s.readyLink(owner)
	if err != nil {
		return err
	}
	if l != nil {
		t, err := s.redial(ctx, owner)
		if err != nil {
			return err
		}
		s.replace(l, t)
	}
	_, err = s.WaitReady(ctx, owner, nil)
	return err
}

// redial dials within ctx and the owner's life.
func (s *Session) redial(ctx context.Context, owner *Owner) (transport.Conn, error) {
	both, cancel := owner.With(ctx)
	defer cancel()
	t, err := s.cfg.Dial(both)
	if both.Err() == nil {
		return t, err
	}
	if err == nil {
		t.Close()
	}
	if err = s.Err(owner); err == nil {
		err = ContextError(ctx)
	}
	return nil, err
}

// replace makes t the connection in place of l, unless l is lost already.
func (s *Session) replace(l *Link, t transport.Conn) {
	if !s.takeDown(l, errReplaced, true) {
		t.Close()
		return
	}
	go func() {
		l.close(context.Background())
		// Its reader may still be delivering: that comes before what is new.
		select {
		case <-l.ended:
		case <-s.life.Done():
		}
		s.restoreLoop(t, errReplaced)
	}()
}
