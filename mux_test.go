package flux

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
)

// muxModel is what protocol.md 8.3 says of requests, word by word: a list of
// handlers in the order in which they were added.
type muxModel struct{ handlers []*modelHandler }

type modelHandler struct {
	id      int
	pattern string
	running bool
	route   *Route
}

func (h *modelHandler) literal() bool {
	return h.pattern != "" && !strings.ContainsAny(h.pattern, "*?[")
}

// find returns the id of the handler of a topic, 0 for none.
func (mm *muxModel) find(topic string) int {
	for _, h := range slices.Backward(mm.handlers) {
		if h.literal() && h.pattern == topic {
			if h.running {
				return h.id
			}
			break
		}
	}
	for _, h := range slices.Backward(mm.handlers) {
		if !h.literal() && h.running && codec.Match(h.pattern, topic) {
			return h.id
		}
	}
	return 0
}

func (mm *muxModel) has(pattern string) bool {
	return slices.ContainsFunc(mm.handlers, func(h *modelHandler) bool { return h.pattern == pattern })
}

var (
	modelPatterns = []string{"a.b", "a.c", "a.b.c", "b", "a.*", "*", "", "a.?", "[ab].*", "a.[bc]", "*.c", "a.b*"}
	modelTopics   = []string{"a.b", "a.c", "a.b.c", "b", "a.", "a", "b.c", "a.[bc]", "a.*", "c.d", "."}
)

// playMux does to a mux and to its model what the bytes of data say, two for
// each operation, and compares them after each.
func playMux(data []byte) error {
	m, model := NewServeMux(), &muxModel{}
	names := make(map[*Route]int)
	log := []string{}
	for i := 0; i+1 < len(data); i += 2 {
		op, arg := data[i]%7, int(data[i+1])
		if op < 2 || len(model.handlers) == 0 {
			pattern := modelPatterns[arg%len(modelPatterns)]
			log = append(log, fmt.Sprintf("add %q override %v", pattern, op == 1))
			if err := addBoth(m, model, names, i/2+1, pattern, op == 1); err != nil {
				return fmt.Errorf("%q: %w", log, err)
			}
		} else {
			at := arg % len(model.handlers)
			h := model.handlers[at]
			switch op {
			case 2, 3:
				log = append(log, fmt.Sprintf("stop %d %q", h.id, h.pattern))
				h.running = false
				h.route.Stop()
			case 4, 5:
				log = append(log, fmt.Sprintf("start %d %q", h.id, h.pattern))
				h.running = true
				h.route.Start()
			case 6:
				log = append(log, fmt.Sprintf("remove %d %q", h.id, h.pattern))
				h.route.Remove()
				model.handlers = slices.Delete(model.handlers, at, at+1)
			}
		}
		for _, topic := range modelTopics {
			if got, want := names[m.findRoute(topic, false)], model.find(topic); got != want {
				return fmt.Errorf("%q: %q goes to %d, want %d", log, topic, got, want)
			}
		}
	}
	return nil
}

func addBoth(m *ServeMux, model *muxModel, names map[*Route]int, id int, pattern string, override bool) (err error) {
	dup := !override && model.has(pattern)
	defer func() {
		if p := recover(); (p != nil) != dup {
			err = errors.Join(err, fmt.Errorf("duplicate %v, panic %v", dup, p))
		}
	}()
	add := m.Handle
	if override {
		add = m.Override
	}
	r := add(pattern, say(pattern))
	names[r] = id
	model.handlers = append(model.handlers, &modelHandler{id, pattern, true, r})
	return nil
}

func TestMuxModel(t *testing.T) {
	const runs = 500
	for seed := range uint64(runs) {
		rng := rand.New(rand.NewPCG(seed, 8))
		data := make([]byte, rng.IntN(120))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		if err := playMux(data); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func FuzzMux(f *testing.F) {
	f.Add([]byte{0, 0, 0, 4, 2, 0, 1, 0, 6, 2, 4, 0})
	f.Add([]byte{0, 5, 0, 6, 1, 5, 3, 2, 6, 0, 0, 5})
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := playMux(data); err != nil {
			t.Fatal(err)
		}
	})
}

// Routes may change while requests are dispatched.
func TestMuxConcurrent(t *testing.T) {
	m := NewServeMux()
	m.Handle("a.*", say("glob"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 2000 {
			r := m.Override("a.b", say("exact"))
			r.Stop()
			r.Start()
			r.Remove()
		}
	}()
	for {
		if r := m.findRoute("a.b", false); r == nil {
			t.Fatal("no route")
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

// say is a handler that responds with its own name.
func say(name string) HandlerFunc {
	return func(_ context.Context, w Responder, r *Request) error {
		if r.Streaming() {
			return w.Send(name)
		}
		return w.Respond(name)
	}
}

// serveMux serves a mux as "calc" in a bubble.
func serveMux(t *testing.T, build func(m *ServeMux), test func(t *testing.T, f *front, s *served),
	opts ...ServeOption) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := NewServeMux()
		build(m)
		f := newFront(t)
		s := f.serve("calc", m, opts...)
		test(t, f, s)
	})
}

// The rules of flux_msg_handler_create(3), see protocol.md 8.3.
func TestMuxDispatch(t *testing.T) {
	const unknown = `ENOSYS "Unknown service method 'calc.add'"`
	for _, tt := range []struct {
		name  string
		build func(m *ServeMux)
		want  string
	}{
		{"nothing", func(m *ServeMux) {}, unknown},
		{"exact", func(m *ServeMux) { m.Handle("calc.add", say("exact")) }, "ok exact"},
		{"other topics", func(m *ServeMux) {
			m.Handle("calc.ad", say("shorter"))
			m.Handle("calc.add.x", say("longer"))
			m.Handle("add", say("no service"))
		}, unknown},
		{"exact before glob", func(m *ServeMux) {
			m.Handle("calc.add", say("exact"))
			m.Handle("calc.*", say("glob"))
		}, "ok exact"},
		{"newest exact", func(m *ServeMux) {
			m.Handle("calc.add", say("first"))
			m.Override("calc.add", say("second"))
			m.Override("calc.add", say("third"))
		}, "ok third"},
		{"newest glob", func(m *ServeMux) {
			m.Handle("calc.a*", say("first"))
			m.Handle("*", say("second"))
			m.Handle("calc.z*", say("third"))
		}, "ok second"},
		{"pattern of nothing matches all", func(m *ServeMux) { m.Handle("", say("all")) }, "ok all"},
		{"set", func(m *ServeMux) { m.Handle("calc.[a-c]dd", say("set")) }, "ok set"},
		{"glob of a whole topic is no exact route", func(m *ServeMux) {
			m.Handle("calc.ad[d]", say("glob"))
			m.Handle("calc.*", say("newer glob"))
		}, "ok newer glob"},
		{"stopped exact", func(m *ServeMux) { m.Handle("calc.add", say("exact")).Stop() }, unknown},
		{"stopped exact lets a glob take over", func(m *ServeMux) {
			m.Handle("calc.*", say("glob"))
			m.Handle("calc.add", say("exact")).Stop()
		}, "ok glob"},
		{"stopped exact does not uncover", func(m *ServeMux) {
			m.Handle("calc.add", say("first"))
			m.Override("calc.add", say("second")).Stop()
		}, unknown},
		{"stopped hidden exact is no matter", func(m *ServeMux) {
			m.Handle("calc.add", say("first")).Stop()
			m.Override("calc.add", say("second"))
		}, "ok second"},
		{"stopped glob lets an older take over", func(m *ServeMux) {
			m.Handle("calc.*", say("first"))
			m.Handle("calc.a*", say("second")).Stop()
		}, "ok first"},
		{"started again", func(m *ServeMux) {
			r := m.Handle("calc.add", say("exact"))
			r.Stop()
			r.Stop()
			r.Start()
		}, "ok exact"},
		{"removed exact", func(m *ServeMux) { m.Handle("calc.add", say("exact")).Remove() }, unknown},
		{"removed exact uncovers", func(m *ServeMux) {
			m.Handle("calc.add", say("first"))
			m.Override("calc.add", say("second")).Remove()
		}, "ok first"},
		{"removed hidden exact", func(m *ServeMux) {
			r := m.Handle("calc.add", say("first"))
			m.Override("calc.add", say("second"))
			r.Remove()
		}, "ok second"},
		{"removed glob", func(m *ServeMux) {
			m.Handle("calc.*", say("first"))
			r := m.Override("calc.*", say("second"))
			r.Remove()
			r.Remove()
			r.Start()
		}, "ok first"},
		{"removed and added again", func(m *ServeMux) {
			m.Handle("calc.add", say("first")).Remove()
			m.Handle("calc.add", say("second"))
		}, "ok second"},
		{"zero mux", func(m *ServeMux) {
			*m = ServeMux{}
			m.Handle("calc.add", say("exact"))
		}, "ok exact"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			serveMux(t, tt.build, func(t *testing.T, f *front, _ *served) {
				f.want(f.send("calc.add"), tt.want)
				f.want(f.send("calc.add", quiet))
			})
		})
	}
}

// A request may be refused in many ways, and each of them is silent if no
// response is wanted.
func TestMuxRefuses(t *testing.T) {
	const (
		ownerOnly = `EPERM "Request requires owner credentials"`
		otherRole = `EPERM "Request rejected due to insufficient privilege"`
		reached   = "ok reached"
	)
	guest, admin, nobody := as(1234, RoleUser|RoleLocal), as(1234, RoleAdmin), as(1234, RoleNone)
	for _, tt := range []struct {
		name string
		opts []RouteOption
		mod  requestMod
		want []string
	}{
		{"owner", nil, as(0, RoleOwner), []string{reached}},
		{"guest", nil, guest, []string{ownerOnly}},
		{"nobody", nil, nobody, []string{ownerOnly}},
		{"owner's userid alone", nil, as(0, RoleUser), []string{ownerOnly}},
		{"allowing the owner changes nothing", []RouteOption{AllowRoles(RoleOwner)}, guest, []string{ownerOnly}},
		{"allowing nobody changes nothing", []RouteOption{AllowRoles(RoleNone)}, guest, []string{ownerOnly}},
		{"guest allowed", []RouteOption{AllowRoles(RoleUser)}, guest, []string{reached}},
		{"owner where guests are allowed", []RouteOption{AllowRoles(RoleUser)}, as(0, RoleOwner), []string{reached}},
		{"admin where guests are allowed", []RouteOption{AllowRoles(RoleUser)}, admin, []string{otherRole}},
		{"nobody where guests are allowed", []RouteOption{AllowRoles(RoleUser)}, nobody, []string{otherRole}},
		{"local guest where locals are allowed", []RouteOption{AllowRoles(RoleLocal)}, guest, []string{reached}},
		{"two options", []RouteOption{AllowRoles(RoleUser), AllowRoles(RoleAdmin)}, admin, []string{reached}},
		{"all allowed", []RouteOption{AllowRoles(RoleAll)}, guest, []string{reached}},
		{"nobody where all are allowed", []RouteOption{AllowRoles(RoleAll)}, nobody, []string{otherRole}},
		{"not streaming", []RouteOption{Streaming()}, as(0, RoleOwner), []string{"EPROTO"}},
		{"streaming", []RouteOption{Streaming()}, streaming, []string{reached, "ENODATA"}},
		{"streaming to a plain route", nil, streaming, []string{reached, "ENODATA"}},
		{"roles come first", []RouteOption{Streaming()}, guest, []string{ownerOnly}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runs := 0
			serveMux(t, func(m *ServeMux) {
				m.HandleFunc("calc.add", func(ctx context.Context, w Responder, r *Request) error {
					runs++
					return say("reached")(ctx, w, r)
				}, append(tt.opts, Sequential())...)
				m.Handle("calc.*", say("glob"), AllowRoles(RoleAll))
			}, func(t *testing.T, f *front, _ *served) {
				f.want(f.send("calc.add", tt.mod), tt.want...)
				f.want(f.send("calc.add", tt.mod, quiet))
			})
			want := 0
			if tt.want[0] == reached {
				want = 2
			}
			if runs != want {
				t.Errorf("handler ran %d times, want %d", runs, want)
			}
		})
	}
}

// The checks are made as well when the mux is behind another handler.
func TestMuxBehindHandler(t *testing.T) {
	inner := NewServeMux()
	inner.Handle("calc.add", say("add"))
	inner.Handle("calc.open", say("open"), AllowRoles(RoleUser))
	inner.Handle("calc.watch", say("watch"), Streaming(), Sequential())
	guest := as(1234, RoleUser)
	serveMux(t, func(m *ServeMux) {
		m.HandleFunc("calc.*", func(ctx context.Context, w Responder, r *Request) error {
			return inner.ServeFlux(ctx, w, r)
		}, AllowRoles(RoleAll))
	}, func(t *testing.T, f *front, _ *served) {
		f.want(f.send("calc.add"), "ok add")
		f.want(f.send("calc.add", guest), `EPERM "Request requires owner credentials"`)
		f.want(f.send("calc.open", guest), "ok open")
		f.want(f.send("calc.watch"), "EPROTO")
		f.want(f.send("calc.watch", streaming), "ok watch", "ENODATA")
		f.want(f.send("calc.none"), `ENOSYS "Unknown service method 'calc.none'"`)
		f.want(f.send("calc.none", quiet))
	})
}

// A handler that is no mux gets every method, of the owner only.
func TestPlainHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		f.serve("calc", say("any"))
		f.want(f.send("calc.add"), "ok any")
		f.want(f.send("calc.a.b.c"), "ok any")
		f.want(f.send("calc"), "ok any")
		f.want(f.send("calc.add", streaming), "ok any", "ENODATA")
		f.want(f.send("calc.add", as(1234, RoleUser)), `EPERM "Request requires owner credentials"`)
		f.want(f.send("calc2.add"), `ENOSYS "Unknown service method 'calc2.add'"`)
	})
}

// The text of the dispatcher is cut where libflux cuts it.
func TestMuxLongTopic(t *testing.T) {
	serveMux(t, func(*ServeMux) {}, func(t *testing.T, f *front, _ *served) {
		topic := "calc." + strings.Repeat("x", 500)
		text := ("Unknown service method '" + topic + "'")[:255]
		f.want(f.send(topic), `ENOSYS "`+text+`"`)
	})
}

func TestMuxPanics(t *testing.T) {
	m := NewServeMux()
	m.Handle("calc.add", say("add"))
	m.Handle("calc.*", say("glob"))
	var noFunc HandlerFunc
	var noMux *ServeMux
	client, _ := newPeer(t)
	for _, tt := range []struct {
		name string
		f    func()
		want string
	}{
		{"duplicate", func() { m.Handle("calc.add", say("again")) }, `"calc.add" has a route already`},
		{"duplicate func", func() { m.HandleFunc("calc.add", say("again")) }, `"calc.add" has a route already`},
		{"duplicate glob", func() { m.Handle("calc.*", say("again")) }, `"calc.*" has a route already`},
		{"nil", func() { m.Handle("calc.nil", nil) }, `nil handler for "calc.nil"`},
		{"nil func", func() { m.HandleFunc("calc.nil", nil) }, `nil handler for "calc.nil"`},
		{"nil handler func", func() { m.Handle("calc.nil", noFunc) }, `nil handler for "calc.nil"`},
		{"nil mux", func() { m.Handle("calc.nil", noMux) }, `nil handler for "calc.nil"`},
		{"nil override", func() { m.Override("calc.add", nil) }, `nil handler for "calc.add"`},
		{"nil unary", func() { Unary[int, int](nil) }, "nil function"},
		{"nil stream", func() { ServerStream[int, int](nil) }, "nil function"},
		{"nil serve", func() { client.Serve(t.Context(), "calc", nil) }, "nil handler"},
		{"nil mux served", func() { client.Serve(t.Context(), "calc", noMux) }, "nil handler"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if text, _ := recover().(string); !strings.HasPrefix(text, "flux: ") || !strings.Contains(text, tt.want) {
					t.Errorf("panic is %q, want one with %q", text, tt.want)
				}
			}()
			tt.f()
		})
	}
	// None of these left anything behind.
	if m.findRoute("calc.nil", true) != nil || len(m.exact["calc.add"]) != 1 || len(m.globs) != 1 {
		t.Error("a panic changed the mux")
	}
}

// What a service does by itself gives way to a route for the very topic, and to
// nothing else.
func TestMuxRouteTakesOver(t *testing.T) {
	for _, method := range []string{"cancel", "watch-cancel", "disconnect", "ping", "stats-get", "stats-clear", "rusage"} {
		topic := "calc." + method
		serveMux(t, func(m *ServeMux) { m.Handle(topic, say("own")) }, func(t *testing.T, f *front, _ *served) {
			f.want(f.send(topic, with(object1{"matchtag": 1})), "ok own")
		})
		serveMux(t, func(m *ServeMux) { m.Handle("calc.*", say("glob")) }, func(t *testing.T, f *front, _ *served) {
			f.send(topic, quiet, with(object1{"matchtag": 1}))
			for _, m := range f.replies() {
				t.Errorf("%s: the glob took over: %s", topic, show(m))
			}
		})
		serveMux(t, func(m *ServeMux) { m.Handle(topic, say("own")).Stop() }, func(t *testing.T, f *front, _ *served) {
			f.send(topic, with(object1{"matchtag": 1}))
			for _, m := range f.replies() {
				if s := show(m); s == "ok own" {
					t.Errorf("%s: a stopped route took over: %s", topic, s)
				}
			}
		})
	}
}
