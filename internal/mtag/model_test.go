package mtag

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// model is the table in the plainest terms. Tags have their turns round and
// round; at its turn a tag is given out if it is free and was freed more than
// half a round ago.
type model struct {
	limit uint32
	state []State
	val   []int
	ripe  []int64 // the turn from which a free tag may be given out
	turn  int64
}

func newModel(limit uint32) *model {
	return &model{limit: limit, state: make([]State, limit+1), val: make([]int, limit+1), ripe: make([]int64, limit+1)}
}

func (m *model) count(s State) (n int) {
	for _, got := range m.state[1:] {
		if got == s {
			n++
		}
	}
	return n
}

// run plays a script of operations, two bytes each, on both and compares.
func run(t *testing.T, limit uint32, script []byte) {
	tab := Table[int]{max: limit}
	m := newModel(limit)
	for i := 0; i+1 < len(script); i += 2 {
		tag := uint32(script[i+1])%limit + 1
		switch script[i] % 8 {
		case 0, 1, 2, 3:
			m.take(t, &tab, i)
		case 4, 5:
			tab.Free(tag)
			if m.state[tag] != Free {
				m.state[tag], m.val[tag], m.ripe[tag] = Free, 0, m.turn+int64(limit/2)+1
			}
		case 6:
			want := m.state[tag] == Live
			if got := tab.Retire(tag, -i); got != want {
				t.Fatalf("op %d: Retire(%d) = %v, want %v", i, tag, got, want)
			}
			if want {
				m.state[tag], m.val[tag] = Retired, -i
			}
		case 7:
			if script[i+1] < 250 {
				tab.Free(uint32(script[i+1]) + limit + 1) // no such tag
				break
			}
			m.drain(t, &tab)
		}
		m.compare(t, &tab)
	}
}

func (m *model) take(t *testing.T, tab *Table[int], v int) {
	tag, ok := tab.Take(v)
	if want := m.count(Free) > 0; ok != want {
		t.Fatalf("Take = %v with %d free tags", ok, m.count(Free))
	}
	if !ok {
		return
	}
	var want uint32
	for want == 0 {
		m.turn++
		if o := uint32((m.turn-1)%int64(m.limit)) + 1; m.state[o] == Free && m.turn >= m.ripe[o] {
			want = o
		}
	}
	if tag != want {
		t.Fatalf("Take = %d, want %d of 1..%d", tag, want, m.limit)
	}
	m.state[tag], m.val[tag] = Live, v
}

func (m *model) drain(t *testing.T, tab *Table[int]) {
	got := tab.Drain()
	var want []int
	for tag := range m.state {
		if m.state[tag] == Live {
			want = append(want, m.val[tag])
		}
		m.state[tag], m.val[tag], m.ripe[tag] = Free, 0, 0
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("Drain = %v, want %v", got, want)
	}
}

func (m *model) compare(t *testing.T, tab *Table[int]) {
	if tab.Live() != m.count(Live) || tab.Retired() != m.count(Retired) {
		t.Fatalf("Live, Retired = %d, %d, want %d, %d", tab.Live(), tab.Retired(), m.count(Live), m.count(Retired))
	}
	for tag := uint32(1); tag <= m.limit; tag++ {
		if v, s := tab.Get(tag); v != m.val[tag] || s != m.state[tag] {
			t.Fatalf("Get(%d) = %d, %d, want %d, %d", tag, v, s, m.val[tag], m.state[tag])
		}
	}
	seen := 0
	tab.All(func(tag uint32, v int, s State) bool {
		if s == Free || s != m.state[tag] || v != m.val[tag] {
			t.Fatalf("All: %d, %d, %d, want %d, %d", tag, v, s, m.val[tag], m.state[tag])
		}
		seen++
		return true
	})
	if seen != m.count(Live)+m.count(Retired) {
		t.Fatalf("All saw %d tags, want %d", seen, m.count(Live)+m.count(Retired))
	}
}

func TestModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, limit := range []uint32{1, 2, 3, 4, 7, 16, 63, 64, 65, 200} {
		for range 50 {
			script := make([]byte, 600)
			for i := range script {
				script[i] = byte(r.Uint32())
			}
			run(t, limit, script)
		}
	}
}

func FuzzModel(f *testing.F) {
	f.Add(byte(3), []byte{0, 0, 0, 0, 0, 0, 0, 0, 6, 1, 4, 1, 0, 0})
	f.Add(byte(1), []byte{0, 0, 0, 0, 4, 0, 0, 0, 7, 255, 0, 0})
	f.Add(byte(8), []byte{0, 0, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0})
	f.Fuzz(func(t *testing.T, limit byte, script []byte) {
		if len(script) > 4096 {
			return
		}
		run(t, uint32(limit%200)+1, script)
	})
}
