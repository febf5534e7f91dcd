package flux

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
)

// serviceModel is muxModel with what else decides on the answer to a request.
type serviceModel struct {
	muxModel
	opts map[int]modelOptions // by handler
}

type modelOptions struct {
	roles                 Role // 0 for the default
	streaming, sequential bool
	inline                bool
}

func (o modelOptions) routeOptions() (opts []RouteOption) {
	if o.roles != 0 {
		opts = append(opts, AllowRoles(o.roles))
	}
	if o.streaming {
		opts = append(opts, Streaming())
	}
	if o.sequential {
		opts = append(opts, Sequential())
	}
	if o.inline {
		opts = append(opts, Inline())
	}
	return opts
}

// replies are what m is to be answered with.
func (sm *serviceModel) replies(m *codec.Message) []string {
	streaming := m.Flags&codec.FlagStreaming != 0
	id := sm.find(m.Topic)
	if id == 0 || !sm.handler(id).literal() {
		switch m.Topic { // only a route for the very topic has precedence
		case "calc.stats-clear":
			switch {
			case m.Flags&codec.FlagNoResponse != 0:
				return nil
			case Role(m.Rolemask)&RoleOwner == 0:
				return []string{`EPERM "Request requires owner credentials"`}
			case streaming:
				return []string{"ENODATA"}
			}
			return []string{"ok"}
		case "calc.cancel", "calc.a-cancel", "calc.disconnect":
			if m.Flags&codec.FlagNoResponse != 0 {
				return nil
			}
		}
	}
	o := sm.opts[id]
	allowed := o.roles | RoleOwner
	switch {
	case m.Flags&codec.FlagNoResponse != 0:
		return nil
	case id == 0:
		return []string{noService(m.Topic)}
	case Role(m.Rolemask)&allowed == 0 && allowed == RoleOwner:
		return []string{`EPERM "Request requires owner credentials"`}
	case Role(m.Rolemask)&allowed == 0:
		return []string{`EPERM "Request rejected due to insufficient privilege"`}
	case o.streaming && !streaming:
		return []string{"EPROTO"}
	case streaming:
		return []string{fmt.Sprintf("ok %d", id), "ENODATA"}
	}
	return []string{fmt.Sprintf("ok %d", id)}
}

func (sm *serviceModel) handler(id int) *modelHandler {
	return sm.handlers[slices.IndexFunc(sm.handlers, func(h *modelHandler) bool { return h.id == id })]
}

var (
	servicePatterns = []string{"calc.a", "calc.b", "calc.*", "*", "", "calc.?", "calc.a*", "calc.cancel", "calc.*cancel",
		"calc.stats-clear", "calc.disconnect", "other.a"}
	serviceTopics = []string{"calc.a", "calc.b", "calc.ab", "calc.a.b", "calc", "calc.", "calc.stats-clear",
		"calc.cancel", "calc.a-cancel", "calc.disconnect", "calc2.a"}
	modelRoles = []Role{RoleNone, RoleOwner, RoleUser, RoleLocal, RoleAdmin, RoleUser | RoleLocal, RoleOwner | RoleLocal, RoleAll}
)

// Whatever the routes and the requests, the answers are those of the model, and
// a handler runs only if its request is answered by it.
func TestServeModel(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) { serveModel(t, seed) })
	}
}

func serveModel(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 9))
	pick := func(n int) int { return rng.IntN(n) }
	mux, model := NewServeMux(), &serviceModel{opts: make(map[int]modelOptions)}
	var log []string
	for id := 1; id <= 2+pick(10); id++ {
		o := modelOptions{streaming: pick(4) == 0, sequential: pick(4) == 0, inline: pick(3) == 0}
		if pick(2) == 0 {
			o.roles = modelRoles[pick(len(modelRoles))]
		}
		h := &modelHandler{id: id, pattern: servicePatterns[pick(len(servicePatterns))], running: pick(4) > 0}
		h.route = mux.Override(h.pattern, HandlerFunc(func(ctx context.Context, w Responder, r *Request) error {
			if Role(r.msg.Rolemask)&(o.roles|RoleOwner) == 0 || o.streaming && !r.Streaming() {
				t.Errorf("seed %d: handler runs for %+v", seed, r.msg)
			}
			return say(fmt.Sprint(id))(ctx, w, r)
		}), o.routeOptions()...)
		if !h.running {
			h.route.Stop()
		}
		model.handlers = append(model.handlers, h)
		model.opts[id] = o
		log = append(log, fmt.Sprintf("%d %q running %v %+v", id, h.pattern, h.running, o))
	}
	f := newFront(t)
	f.serve("calc", mux)

	reqs := make(map[uint32]*codec.Message)
	want := make(map[uint32][]string)
	for range 200 {
		m := f.send(serviceTopics[pick(len(serviceTopics))],
			as(uint32(pick(3)), modelRoles[pick(len(modelRoles))]),
			func(m *codec.Message) {
				switch pick(4) {
				case 0: // of its own sender, for a disconnect among them
					quiet(m)
					from("client-2")(m)
				case 1:
					streaming(m)
				}
			})
		switch {
		case serviceOf(m.Topic) == "calc":
			want[m.Matchtag] = append(want[m.Matchtag], model.replies(m)...)
		case m.Flags&codec.FlagNoResponse == 0:
			want[m.Matchtag] = []string{noService(m.Topic)}
		}
		reqs[m.Matchtag] = m
	}
	got := make(map[uint32][]string)
	for _, m := range f.replies() {
		got[m.Matchtag] = append(got[m.Matchtag], show(m))
	}
	for tag, m := range reqs {
		if !slices.Equal(got[tag], want[tag]) {
			t.Errorf("seed %d, routes %q: %s of %v, %s got %q, want %q", seed, log, m.Topic, Role(m.Rolemask), m.Flags, got[tag], want[tag])
		}
	}
}
