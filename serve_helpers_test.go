package flux

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/peertest"
)

// front is the broker that a service sees: it registers what it is asked to and
// keeps the replies. It is for a synctest bubble.
type front struct {
	t testing.TB
	c *Client
	p *peertest.Peer

	tag uint32 // the last one sent

	mu     sync.Mutex
	refuse Errno  // the answer to service.add and service.remove
	hold   string // the one of these that is left unanswered
	got    []*codec.Message
	asks   []string // what the router was asked for: "service.add calc"
	held   []*codec.Message
}

func newFront(t testing.TB, opts ...DialOption) *front {
	t.Helper()
	f := &front{t: t}
	f.c, f.p = servePeer(t, f.handle, opts...)
	return f
}

func (f *front) handle(p *peertest.Peer, m *codec.Message) {
	if m.Type != codec.TypeRequest {
		f.mu.Lock()
		f.got = append(f.got, m)
		f.mu.Unlock()
		return
	}
	switch m.Topic {
	case "service.add", "service.remove":
		var req serviceRequest
		if b, err := codec.JSONPayload(m.Payload); err != nil || json.Unmarshal(b, &req) != nil {
			f.t.Errorf("%s with payload %q", m.Topic, m.Payload)
		}
		f.mu.Lock()
		f.asks = append(f.asks, m.Topic+" "+req.Service)
		hold, refuse := f.hold == m.Topic, f.refuse
		if hold {
			f.held = append(f.held, m)
		}
		f.mu.Unlock()
		switch {
		case hold:
		case refuse != 0:
			p.Refuse(m, uint32(refuse), "")
		default:
			p.Respond(m, nil)
		}
	case "attr.get":
		p.Respond(m, json.RawMessage(`{"value":"3","flags":1}`))
	default:
		f.mu.Lock()
		f.got = append(f.got, m)
		f.mu.Unlock()
	}
}

// refuseAll makes the router refuse, for 0 no more.
func (f *front) refuseAll(errno Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = errno
}

// holdAll makes the router leave one kind of request unanswered.
func (f *front) holdAll(topic string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hold = topic
}

// release answers the requests that were held.
func (f *front) release() {
	f.mu.Lock()
	held := f.held
	f.held, f.hold = nil, ""
	f.mu.Unlock()
	for _, m := range held {
		f.p.Respond(m, nil)
	}
}

// asked returns what the router was asked for since the last time.
func (f *front) asked() []string {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	asks := f.asks
	f.asks = nil
	return asks
}

// served is a Serve that runs.
type served struct {
	cancel context.CancelFunc
	done   chan error
}

// serve runs Serve until the test ends it, and waits until it stands.
func (f *front) serve(name string, h Handler, opts ...ServeOption) *served {
	ctx, cancel := context.WithCancel(context.Background())
	s := &served{cancel: cancel, done: make(chan error, 1)}
	f.t.Cleanup(cancel)
	go func() { s.done <- f.c.Serve(ctx, name, h, opts...) }()
	synctest.Wait()
	return s
}

// stop ends the service and returns what Serve did.
func (s *served) stop() error {
	s.cancel()
	return <-s.done
}

// running fails the test if Serve has returned.
func (s *served) running(t testing.TB) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-s.done:
		t.Fatalf("Serve has returned: %v", err)
	default:
	}
}

type requestMod func(*codec.Message)

func from(origin string) requestMod {
	return func(m *codec.Message) { m.Routes = codec.MakeRoutes("broker-0", "connector", origin) }
}
func as(userid uint32, roles Role) requestMod {
	return func(m *codec.Message) { m.UserID, m.Rolemask = userid, uint32(roles) }
}
func tagged(tag uint32) requestMod { return func(m *codec.Message) { m.Matchtag = tag } }
func streaming(m *codec.Message)   { m.Flags |= codec.FlagStreaming }
func quiet(m *codec.Message)       { m.Flags, m.Matchtag = m.Flags|codec.FlagNoResponse, 0 }
func with(payload any) requestMod {
	return func(m *codec.Message) {
		b, err := codec.EncodePayload(payload, nil)
		if err != nil {
			panic(err)
		}
		m.Payload = b
	}
}

// send sends a request as the broker delivers one, by default from the owner,
// connected to the same broker, with a matchtag of its own.
func (f *front) send(topic string, mods ...requestMod) *codec.Message {
	f.tag++
	m := codec.NewRequest(topic)
	m.UserID, m.Rolemask, m.Matchtag = 0, uint32(RoleOwner|RoleLocal), f.tag
	from("client-1")(m)
	for _, mod := range mods {
		mod(m)
	}
	f.p.Send(m)
	return m
}

// start is send that waits until the handler runs, if one is to run.
func (f *front) start(topic string, mods ...requestMod) *codec.Message {
	m := f.send(topic, mods...)
	synctest.Wait()
	return m
}

// cancelOf sends the cancel request for m, as its sender does.
func (f *front) cancelOf(m *codec.Message, topic string, mods ...requestMod) {
	f.send(topic, slices.Concat([]requestMod{quiet, with(json.RawMessage(fmt.Sprintf(`{"matchtag":%d}`, m.Matchtag))),
		func(c *codec.Message) { c.Routes, c.UserID, c.Rolemask = m.Routes, m.UserID, m.Rolemask }}, mods)...)
}

// disconnect sends the message that tells of the end of a requester.
func (f *front) disconnect(topic string, mods ...requestMod) {
	f.send(topic, append([]requestMod{quiet}, mods...)...)
}

// replies returns what the service has sent since the last time, all of it: it
// waits until nothing moves any more.
func (f *front) replies() []*codec.Message {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	got := f.got
	f.got = nil
	return got
}

// want fails the test unless the replies since the last time are these, and fit
// the request. They are spelled as show does.
func (f *front) want(req *codec.Message, want ...string) {
	f.t.Helper()
	var got []string
	for _, m := range f.replies() {
		got = append(got, show(m))
		f.fits(req, m)
	}
	if !slices.Equal(got, want) {
		f.t.Errorf("replies to %s are %q, want %q", req.Topic, got, want)
	}
}

// fits fails the test unless m is a response to req as libflux makes one.
func (f *front) fits(req, m *codec.Message) {
	f.t.Helper()
	like := codec.NewResponse(req)
	like.Flags |= codec.FlagRoute
	like.Errnum, like.Payload = m.Errnum, m.Payload
	f.c.c.sess.Stamp(like)
	got := *m
	got.Flags &^= codec.FlagPayload
	if fmt.Sprint(got) != fmt.Sprint(*like) {
		f.t.Errorf("reply is %+v, want %+v", got, *like)
	}
}

// show is a response in short: `ok {"x":1}`, `ENODATA`, `EIO "some text"`.
func show(m *codec.Message) string {
	s := "ok"
	if m.Errnum != 0 {
		s = Errno(m.Errnum).Name()
	}
	switch text, err := codec.TextPayload(m.Payload); {
	case !m.HasPayload():
		return s
	case err != nil:
		return fmt.Sprintf("%s % x", s, m.Payload)
	case m.Errnum != 0:
		return fmt.Sprintf("%s %q", s, text)
	default:
		return s + " " + text
	}
}

// block is a handler that waits for the end of its ctx and returns its cause.
func block(ctx context.Context, _ Responder, _ *Request) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// underRace reports whether the race detector is on: it takes no more than 8128
// goroutines at once.
var underRace = sync.OnceValue(func() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
})

// many is a number of concurrent requests that is large but bearable.
func many() int {
	if underRace() {
		return 2000
	}
	return 10000
}

// books fails the test unless a service has so many requests running, waiting
// and in all.
func (f *front) books(name string, running, waiting, active int) {
	f.t.Helper()
	synctest.Wait()
	f.c.c.mu.Lock()
	s := f.c.c.services[name]
	f.c.c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != running || len(s.waiting) != waiting || s.requests.count != active {
		f.t.Errorf("%d requests are running, %d waiting, %d in all, want %d, %d, %d",
			s.running, len(s.waiting), s.requests.count, running, waiting, active)
	}
	if active == 0 && (len(s.requests.requesters) != 0 || len(s.ordered) != 0) {
		f.t.Errorf("%d senders and %d lanes are left", len(s.requests.requesters), len(s.ordered))
	}
}
