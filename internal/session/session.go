// Package session is one conversation with a broker. It registers requests and
// sends them, matches replies to requests by matchtag, gives requests up, and ends
// or restores the conversation when the connection is lost.
//
// It knows messages but not what they mean. Replies go to the Sink of their
// request. Requests, events, and the loss and return of the connection go to the
// Handler.
package session

import (
	"context"
	"io"
	"log/slog"
	"sync"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// Handler is what a session tells of everything that is not a reply. No lock of
// the session is held during a call. Request and Event run on the reader, so they
// must not wait.
type Handler interface {
	// Request gives a request that the broker has sent over l.
	Request(l *Link, m *codec.Message)
	// Event gives an event.
	Event(m *codec.Message)
	// Lost says that a link is over and that another will take its place. It is
	// called before the requests on it fail. wasReady is false for a link that
	// was lost before all was restored on it.
	Lost(l *Link, wasReady bool)
	// Restore prepares a new link on which no requests of owners are sent yet.
	Restore(l *Link) error
	// Ended says that the session is over for good. It may be called again, for
	// what was started meanwhile.
	Ended(err error)
}

// Observer is told what happens, in order. Its methods do not wait.
type Observer interface {
	// Sending calls accept and notes m if that did not fail.
	Sending(m *codec.Message, accept func() error) error
	// SendingSlowly is Sending for an accept that may wait.
	SendingSlowly(m *codec.Message, accept func() error) error
	Received(m *codec.Message)
	Retired(topic string, matchtag uint32)
	Connected(reconnect bool)
	Disconnected(err error)
}

// Config is what a session is made with. Only Handler must be set.
type Config struct {
	Handler    Handler
	Observer   Observer
	Dial       func(context.Context) (transport.Conn, error) // nil: no way to dial again
	Reconnect  *Policy                                       // nil: a lost connection is gone for good
	Logger     *slog.Logger
	MatchDebug io.Writer // reports of matchtags left over and late replies
	UserID     *uint32   // stamped on messages that have none
	Roles      *uint32   // likewise
	MaxMessage int       // bytes of a message; 0 means the default
	KeepMemory bool      // received messages are shown to others, so their memory is not used again
}

// Session is one conversation with a broker. All methods may be called
// concurrently.
//
// Lock order: a lock of the Handler's, Session.mu, a lock of the Observer's, then
// the locks of framing and of queueAdapter, under which nothing else is taken.
// Nothing that can wait, does I/O or calls the Handler or a Sink is done with
// Session.mu held.
type Session struct {
	cfg      Config
	counters Counters
	life     context.Context // ends when the session has ended
	endLife  context.CancelFunc

	mu sync.Mutex
	state
}

// state is what a session is doing. Guarded by Session.mu.
type state struct {
	link       *Link         // the present one, or the last
	readyAgain chan struct{} // closed when link is ready or err is set
	err        error         // why the session has ended
	owners     map[*Owner]struct{}
	unasked    int      // reasons to expect messages that answer nothing
	debugLines []string // for reportTags
}

// phase is how far a session is.
type phase uint8

const (
	phaseIdle      phase = iota // nothing is under way and nothing but replies is expected
	phaseActive                 // requests may be sent
	phaseRestoring              // the connection is lost and is being made again
	phaseEnded                  // nothing can be started any more
)

// phaseLocked decides how far the session is. Nothing else does.
func (st *state) phaseLocked() phase {
	switch {
	case st.err != nil:
		return phaseEnded
	case !st.link.ready:
		return phaseRestoring
	case st.unasked == 0 && st.link.tags.Live()+st.link.tags.Retired() == 0:
		return phaseIdle
	}
	return phaseActive
}

// New makes a session of a connection whose handshake is over. Start sets its
// reader off.
func New(t transport.Conn, cfg Config) *Session {
	s := &Session{cfg: cfg}
	s.life, s.endLife = context.WithCancel(context.Background())
	s.owners = make(map[*Owner]struct{})
	s.readyAgain = make(chan struct{})
	s.link = s.newLink(t)
	s.link.ready = true
	close(s.readyAgain)
	return s
}

// Start sets the reader off.
func (s *Session) Start() {
	if s.cfg.Observer != nil {
		s.cfg.Observer.Connected(false)
	}
	go s.readLoop(s.link)
}

// Context ends when the session has ended.
func (s *Session) Context() context.Context { return s.life }

// Err returns why nothing can be started any more, for owner or, if that is nil,
// for anybody.
func (s *Session) Err(owner *Owner) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.errLocked(owner)
}

func (s *Session) errLocked(owner *Owner) error {
	if owner != nil && owner.err != nil {
		return owner.err
	}
	return s.err
}

// Restoring reports whether the connection is lost and is being made again.
func (s *Session) Restoring() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phaseLocked() == phaseRestoring
}

// Link returns the present link, or the last.
func (s *Session) Link() *Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link
}

// IsReady reports whether l is the present link and requests may be sent on it.
func (s *Session) IsReady(l *Link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link == l && l.ready
}

// ExpectUnasked adds n to the number of reasons for which messages may come that
// answer nothing: services and subscriptions.
func (s *Session) ExpectUnasked(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unasked += n
	if n > 0 {
		s.link.needReaderLocked()
	}
}

// End ends the session for good. It is the single exit path: the first reason
// stays, and all that waits for something fails with it.
func (s *Session) End(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
		if s.link.ready && s.cfg.Observer != nil {
			s.cfg.Observer.Disconnected(err)
		}
		for o := range s.owners {
			o.endLocked(err)
		}
		s.owners = nil
		select {
		case <-s.readyAgain:
		default:
			close(s.readyAgain)
		}
	}
	err = s.err
	live := s.takeDownLocked(s.link)
	s.mu.Unlock()
	s.endLife()
	s.reportTags()
	failAll(live, err)
	s.cfg.Handler.Ended(err)
}

// Close closes the connection of a session that has ended. What was accepted for
// sending is written first, for a bounded time and within ctx. If something was not
// written when ctx ended, the error is that of ctx.
func (s *Session) Close(ctx context.Context) error {
	l := s.Link() // not to be replaced any more
	l.Flush()
	return l.close(ctx)
}

// takeDownLocked marks a link as over and takes the requests out of its table.
// Each of them is then the caller's to fail.
func (s *Session) takeDownLocked(l *Link) []*Request {
	l.ready, l.dead = false, true
	s.collectTagsLocked(l)
	live := l.tags.Drain()
	l.needReaderLocked()
	for _, r := range live {
		r.leftLocked()
	}
	return live
}

func failAll(list []*Request, err error) {
	for _, r := range list {
		r.fail(err)
	}
}
