package flux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/session"
)

// Defaults of the serve options.
const (
	defaultMaxInFlight  = 16384
	defaultDrainTimeout = 10 * time.Second
)

// ErrDrainTimeout is the error of a [Client.Serve] that ended requests itself
// because their handlers did not answer within [DrainTimeout].
var ErrDrainTimeout = errors.New("requests not answered within the drain timeout were cut off")

// Serve registers a service at the client's broker and answers its requests with h
// until ctx ends (flux_service_register(3)).
//
//	mux := flux.NewServeMux()
//	mux.Handle("calc.add", flux.Unary(func(ctx context.Context, in Sum) (Result, error) {
//		return Result{in.A + in.B}, nil
//	}))
//	err := client.Serve(ctx, "calc", mux)
//
// The service's name is the part of a topic before the first period: letters,
// digits, '-' and '_'. A guest may register only names that start with the guest's
// userid and a '-'.
//
// Requests run on goroutines of their own, [MaxInFlight] at a time; then 1024
// wait, and more are refused with EAGAIN. Every request gets exactly one end. A
// handler that is no [ServeMux] is called for the instance owner only; to put
// something around a mux that lets others in, give it to an outer mux as the
// handler of "NAME.*", with [AllowRoles].
//
// The cancel requests (NAME.cancel, NAME.METHOD-cancel) and disconnect messages
// of requesters end the ctx of the handlers concerned, and the methods that
// every Flux service has are answered: ping, stats-get, stats-clear and rusage
// (see [NoDefaultMethods]). A route of a mux for the very topic comes before
// all this, a glob after.
//
// When ctx ends, Serve unregisters the service, ends the ctx of streaming
// handlers ([ErrServeEnded]), waits for the others as long as [DrainTimeout],
// then ends those too and answers for them. It returns nil if all was answered
// in time and an error that matches [ErrDrainTimeout] if not. It also returns
// when the service cannot be registered, with an error that matches [EEXIST],
// [EPERM] or [EINVAL], when the client is closed ([ErrClosed]) and when the
// connection is lost ([ErrConnLost]).
func (cl *Client) Serve(ctx context.Context, service string, h Handler, opts ...ServeOption) error {
	o := defaultServeOptions()
	for _, opt := range opts {
		opt.applyServe(&o)
	}
	if isNilHandler(h) {
		panic("flux: Serve with a nil handler")
	}
	if err := checkServiceName(service); err != nil {
		return &opError{op: "serve", topic: service, err: err}
	}
	s := newServer(cl.c, cl, service, h, ctx, o)
	defer close(s.returned)
	err := s.register(ctx)
	if err == errStopped || err != nil && ctx.Err() != nil {
		return nil // ended before the service stood
	}
	if err == nil {
		if o.onReady != nil {
			o.onReady()
		}
		select {
		case <-ctx.Done():
			err = s.drainService()
		case <-s.stop:
			err = s.drainService()
		case <-s.ended:
			err = s.err
		}
		s.removeFromTables()
	}
	if err != nil {
		return &opError{op: "serve", topic: service, err: err}
	}
	return nil
}

func defaultServeOptions() serveOptions {
	return serveOptions{maxInFlight: defaultMaxInFlight, drainTimeout: defaultDrainTimeout}
}

func checkServiceName(name string) error {
	if name == "" {
		return fmt.Errorf("empty service name: %w", EINVAL)
	}
	bad := strings.IndexFunc(name, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if bad >= 0 {
		r, _ := utf8.DecodeRuneInString(name[bad:])
		return fmt.Errorf("service name %q: character %q; want letters, digits, '-' and '_': %w", name, r, EINVAL)
	}
	if len(name) > codec.MaxService {
		return fmt.Errorf("service name of %d bytes, %d at most: %w", len(name), codec.MaxService, EINVAL)
	}
	return nil
}

// serviceRequest is the payload of service.add and service.remove.
type serviceRequest struct {
	Service string `json:"service"`
}

// register makes the server known here and then at the broker, so that the
// first request finds it.
func (s *server) register(ctx context.Context) error {
	c := s.c
	if ctx.Err() != nil {
		return ctxError(ctx)
	}
	l, err := c.sess.WaitReady(ctx, s.owner.owner, nil)
	if err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	for {
		err = s.askForName(ctx, l)
		if !errors.Is(err, ErrConnLost) || !c.sess.Replaced(ctx, s.owner.owner, l, err) {
			break
		}
		// What was asked for is gone with the connection, which may come back.
		if l, err = c.sess.WaitReady(ctx, s.owner.owner, s.stop); err != nil {
			break
		}
	}
	if err == session.ErrStopped {
		err = errStopped
	}
	if err != nil {
		s.removeFromTables()
		return s.explainRefusal(err)
	}
	return nil
}

// enter puts the server into the tables.
func (s *server) enter() error {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.owner.Err(); err != nil { // its end must find s in the table
		return err
	}
	if s.owner.shutting != nil {
		return ErrClosed
	}
	if c.services[s.name] != nil {
		return fmt.Errorf("this connection serves that name already: %w", EEXIST)
	}
	if c.services == nil {
		c.services = make(map[string]*server)
	}
	c.services[s.name] = s
	s.owner.serving[s] = struct{}{}
	c.sess.ExpectUnasked(1)
	return nil
}

// askForName asks the broker for the name.
func (s *server) askForName(ctx context.Context, l *session.Link) error {
	s.c.mu.Lock()
	s.askedOn = l
	s.c.mu.Unlock()
	a := newErrorSink("service.add")
	s.c.askWith(l, "service.add", serviceRequest{s.name}, registering{s, a}, a)
	added := a.ch
	select {
	case err := <-added:
		return err
	case <-ctx.Done():
		return s.stillAdding(l, added, ctxError(ctx))
	case <-s.stop:
		return s.stillAdding(l, added, errStopped)
	case <-s.ended:
		return s.err
	}
}

var errStopped = errors.New("stopped before the service stood")

// stillAdding deals with a registration that is not wanted any more. One that
// the broker has made already has requests to drain and is no error.
func (s *server) stillAdding(l *session.Link, added <-chan error, reason error) error {
	s.refuseRequests()
	select {
	case err := <-added:
		return err
	default:
		// The broker may be adding it: it takes the removal after that.
		s.c.ask(l, "service.remove", serviceRequest{s.name})
		return reason
	}
}

// explainRefusal says what to do about a refused registration.
func (s *server) explainRefusal(err error) error {
	switch {
	case errors.Is(err, EEXIST):
		return fmt.Errorf("the name is taken on this rank by another client or a broker module; "+
			"stop that one or choose another name: %w", err)
	case errors.Is(err, EPERM):
		uid := strconv.Itoa(os.Getuid())
		if set := s.c.opts.userid; set != nil {
			uid = strconv.FormatUint(uint64(*set), 10)
		}
		return fmt.Errorf("a guest may only register names that start with the guest's userid and a '-', such as %q: %w",
			uid+"-"+s.name, err)
	}
	return err
}

// drainService ends the service after the end of Serve's ctx: nothing accepted stays
// without an answer. The server stays in the table until it is over, so that
// requests still on their way are refused and the end of the connection finds
// those it holds.
func (s *server) drainService() error {
	timeout, cancel := context.WithTimeout(context.WithoutCancel(s.base), s.opts.drainTimeout)
	defer cancel()
	idle := s.stopAccepting()
	removed := s.unregister()
	ended := s.ended
	for ended != nil && (idle != nil || removed != nil) {
		select {
		case <-idle:
			idle = nil
		case <-removed:
			removed = nil
		case <-ended:
			ended = nil
		case <-timeout.Done():
			if n := s.answerAll(ErrDrainTimeout); n > 0 {
				return fmt.Errorf("%w: %d after %v", ErrDrainTimeout, n, s.opts.drainTimeout)
			}
			return nil
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drainErr
}

// stopAccepting makes the server refuse requests and ends its streams, at once
// those that wait. The channel closes when the last handler has returned.
func (s *server) stopAccepting() <-chan struct{} {
	idle := make(chan struct{})
	var running, waiting []*inflight
	s.mu.Lock()
	s.draining = true
	if s.requests.count == 0 {
		close(idle)
	} else {
		s.idle = idle
	}
	for _, f := range s.requests.list() {
		switch {
		case !f.req.Streaming():
		case f.started:
			running = append(running, f)
		default:
			waiting = append(waiting, f)
		}
	}
	s.mu.Unlock()
	for _, f := range running {
		f.ctx.cancel(ErrServeEnded) // its handler has the word
	}
	for _, f := range waiting {
		f.serveEnded() // flushed with service.remove
	}
	return idle
}
