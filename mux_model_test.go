package flux

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

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
			if got, want := names[m.find(topic, false)], model.find(topic); got != want {
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
		if r := m.find("a.b", false); r == nil {
			t.Fatal("no route")
		}
		select {
		case <-done:
			return
		default:
		}
	}
}
