package flux

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/flux-sdk/flux/codec"
)

// takeConvention deals with the messages by which requesters end their requests:
// disconnect and cancel (RFC 6). It reports whether m is one. Neither is ever
// answered, so what wants a response and is no proper cancel request is not
// taken for one.
func (s *server) takeConvention(m *codec.Message) bool {
	method := m.Topic[strings.LastIndexByte(m.Topic, '.')+1:]
	wanted := m.Flags&codec.FlagNoResponse == 0
	switch {
	case method == "disconnect":
		if wanted {
			return false
		}
		for _, f := range s.endableBy(m, codec.MatchtagNone) {
			f.endSilently(ErrPeerDisconnected)
		}
		return true
	case method == "cancel", strings.HasSuffix(method, "-cancel"):
		tag, ok := cancelTag(m)
		if !ok {
			return !wanted
		}
		for _, f := range s.endableBy(m, tag) {
			f.peerCanceled()
		}
		return true
	}
	return false
}

// cancelTag is the matchtag of the request that m is to cancel.
func cancelTag(m *codec.Message) (tag uint32, ok bool) {
	var req struct {
		Matchtag uint32 `json:"matchtag"`
	}
	b, err := codec.JSONPayload(m.Payload)
	if err != nil || json.Unmarshal(b, &req) != nil {
		return 0, false
	}
	return req.Matchtag, req.Matchtag != codec.MatchtagNone
}

// endableBy lists the requests that m's sender may end, all or those of one tag:
// sent over the same connection by the same user, or by anybody if the sender
// of m is the owner.
func (s *server) endableBy(m *codec.Message, tag uint32) []*inflight {
	origin := m.Routes.Origin()
	s.mu.Lock()
	defer s.mu.Unlock()
	var requests, list []*inflight
	if tag == codec.MatchtagNone {
		requests = s.requests.fromOrigin(origin)
	} else {
		requests = s.requests.withTag(origin, tag)
	}
	for _, f := range requests {
		if Role(m.Rolemask)&RoleOwner != 0 || Role(m.Rolemask)&RoleUser != 0 && m.UserID == f.req.msg.UserID {
			list = append(list, f)
		}
	}
	return list
}

// defaultRoutes are the methods that every Flux service has.
func (s *server) defaultRoutes() map[string]*Route {
	routes := make(map[string]*Route)
	add := func(method string, h HandlerFunc, roles Role) {
		routes[s.name+"."+method] = &Route{h: h, opts: routeOptions{roles: roles}}
	}
	add("ping", s.ping, RoleAll)
	add("stats-get", s.statsGet, RoleAll)
	add("stats-clear", s.statsClear, RoleOwner)
	add("rusage", s.rusage, RoleAll)
	return routes
}

// ping returns the request's object with what the service sees of its sender.
func (s *server) ping(ctx context.Context, w Responder, r *Request) error {
	var v map[string]json.RawMessage
	if err := r.Decode(&v); err != nil {
		return EPROTO
	}
	rank, err := s.owner.Rank(ctx)
	if err != nil {
		return err
	}
	var hops []string // the sender first
	for hop := range r.msg.Routes.All() {
		hops = append(hops, hop[:min(len(hop), 8)])
	}
	slices.Reverse(hops)
	for key, value := range map[string]any{
		"route": strings.Join(hops, "!"), "userid": r.UserID(), "rolemask": uint32(r.Roles()), "rank": rank,
	} {
		b, err := json.Marshal(value)
		if err != nil {
			return err
		}
		v[key] = b
	}
	return w.Respond(v)
}

// typeCounts are the messages of one direction by type.
type typeCounts struct {
	Request  uint64 `json:"request"`
	Response uint64 `json:"response"`
	Event    uint64 `json:"event"`
	Control  uint64 `json:"control"`
}

func (s *server) statsGet(_ context.Context, w Responder, _ *Request) error {
	n := s.c.sess.Counters()
	return w.Respond(map[string]typeCounts{"tx": typeCounts(n.Sent.Counts()), "rx": typeCounts(n.Received.Counts())})
}

func (s *server) statsClear(context.Context, Responder, *Request) error {
	n := s.c.sess.Counters()
	n.Sent.Reset()
	n.Received.Reset()
	return nil
}

func (s *server) rusage(_ context.Context, w Responder, r *Request) error {
	req := struct {
		Who string `json:"who"`
	}{"self"}
	if r.msg.HasPayload() {
		if err := r.Decode(&req); err != nil {
			return EPROTO
		}
	}
	v, ok := rusage(req.Who)
	if !ok {
		return &Error{Topic: r.Topic(), Errno: EINVAL, Message: fmt.Sprintf("%s is unsupported", req.Who)}
	}
	return w.Respond(v)
}
