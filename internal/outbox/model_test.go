package outbox

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
)

// outboxModel is what an outbox must do, told in the simplest way.
type outboxModel struct {
	limit  Limit
	lossy  bool
	queue  []item[int] // not received yet; in a gap the size is -1 and v is -n
	ended  bool
	closes bool // the channel closes when the queue is empty
}

func (m *outboxModel) load() (msgs, bytes int) {
	for _, v := range m.queue {
		if v.v > 0 {
			msgs++
			bytes += v.size
		}
	}
	return msgs, bytes
}

func (m *outboxModel) over(size int) bool {
	msgs, bytes := m.load()
	return msgs >= m.limit.Messages || msgs > 0 && bytes+size > m.limit.Bytes
}

// full reports whether an item more is refused: the one that is being sent, behind
// those in the channel, does not count.
func (m *outboxModel) full(size int) bool {
	msgs, bytes := m.load()
	if at := min(chanRoom, m.limit.Messages); len(m.queue) > at {
		msgs--
		bytes -= m.queue[at].size
	}
	return msgs >= m.limit.Messages || msgs > 0 && bytes+size > m.limit.Bytes
}

func (m *outboxModel) push(v, size int) bool {
	if m.ended {
		return true
	}
	if !m.lossy && m.full(size) {
		return false
	}
	for m.lossy && m.over(size) {
		at := 0
		if m.queue[0].v < 0 {
			at = 1
		} else {
			m.queue = slices.Insert(m.queue, 0, item[int]{})
			at = 1
		}
		m.queue[0].v--
		m.queue = slices.Delete(m.queue, at, at+1)
	}
	m.queue = append(m.queue, item[int]{v: v, size: size})
	return true
}

// The end of a stream in the tests of this file.
const modelEnd = -1 << 30

func (m *outboxModel) finish(last bool) {
	if m.ended {
		return
	}
	m.ended, m.closes = true, true
	if last {
		m.queue = append(m.queue, item[int]{v: modelEnd})
	}
}

// playOutbox performs the operations that ops encodes on an outbox and on the
// model and compares all that can be seen, in a bubble, so that a goroutine left
// behind is noticed too.
func playOutbox(t *testing.T, ops []byte) {
	if len(ops) < 2 || len(ops) > 200 {
		return
	}
	limit := Limit{1 + int(ops[0])%70, 1 + 4*int(ops[1])}
	lossy := ops[0] >= 128
	synctest.Test(t, func(t *testing.T) {
		b := New[int](limit)
		if lossy {
			b = newLossy(limit.Messages, limit.Bytes)
		}
		m := &outboxModel{limit: limit, lossy: lossy}
		closed := 0
		b.WhenClosed(func() { closed++ })
		next := 1
		receive := func() {
			synctest.Wait()
			select {
			case v, ok := <-b.ch:
				switch {
				case len(m.queue) == 0 && !m.closes:
					t.Fatalf("received %d, %t, want nothing", v, ok)
				case len(m.queue) == 0 && ok:
					t.Fatalf("received %d, want the end", v)
				case len(m.queue) > 0 && v != m.queue[0].v:
					t.Fatalf("received %d, %t, want %d", v, ok, m.queue[0].v)
				}
				if ok {
					m.queue = m.queue[1:]
				}
			default:
				if len(m.queue) > 0 || m.closes {
					t.Fatalf("nothing to receive, want %v", m.queue)
				}
			}
		}
		for _, op := range ops[2:] {
			switch arg := int(op >> 3); op & 7 {
			case 0, 1, 2: // push some of the same size
				for range arg + 1 {
					synctest.Wait() // for the feeder
					if got, want := b.Push(next, arg), m.push(next, arg); got != want {
						t.Fatalf("push %d of %d bytes is %t, want %t with %v queued", next, arg, got, want, m.queue)
					}
					next++
				}
			case 3, 4: // receive some
				for range arg + 1 {
					receive()
				}
			case 5:
				synctest.Wait()
				if !m.ended {
					msgs, bytes := m.load()
					wantDepth(t, b, msgs, bytes)
				}
			case 6:
				if arg == 0 {
					end := modelEnd
					b.Finish(&end)
					m.finish(true)
				} else if arg == 1 {
					b.Finish(nil)
					m.finish(false)
				}
			case 7:
				if arg < 2 {
					playAbort(t, b, m, arg == 0)
				}
			}
		}
		if !m.ended {
			b.Finish(nil)
			m.finish(false)
		}
		for range len(m.queue) + 1 {
			receive()
		}
		synctest.Wait()
		if closed != 1 || b.feeding || b.list.len() > 0 {
			t.Errorf("at the end: %d closes, feeding %t, %d in the list", closed, b.feeding, b.list.len())
		}
	})
}

// playAbort aborts and tells the model what may be left.
func playAbort(t *testing.T, b *Outbox[int], m *outboxModel, last bool) {
	synctest.Wait()
	end := modelEnd - 1
	if last {
		b.Abort(&end)
	} else {
		b.Abort(nil)
	}
	synctest.Wait()
	if m.closes && len(m.queue) <= len(b.ch) {
		return // it had ended, with all of it in the channel
	}
	m.queue = m.queue[:min(len(m.queue), len(b.ch))]
	if last {
		if len(b.ch) == 1 {
			m.queue = nil
		} else {
			m.queue = m.queue[:len(b.ch)-1]
		}
		m.queue = append(m.queue, item[int]{v: end})
	}
	m.ended, m.closes = true, true
}

func FuzzOutbox(f *testing.F) {
	f.Add([]byte{0, 0})
	f.Add([]byte{32, 255, 0xf8, 0xf8, 0x03, 0x06})
	f.Add([]byte{33, 255, 0xf8, 0xf8, 0x03, 0x07})
	f.Add([]byte{128, 255, 0xf8, 0xf8, 0x03, 0x0e})
	f.Add([]byte{200, 3, 0x18, 0x18, 0x18, 0x03, 0x38, 0x05, 0x07})
	f.Fuzz(playOutbox)
}

func TestOutboxModel(t *testing.T) {
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range rounds {
		ops := make([]byte, 2+r.IntN(60))
		for i := range ops {
			ops[i] = byte(r.Uint32())
		}
		playOutbox(t, ops)
		if t.Failed() {
			t.Fatalf("ops %x", ops)
		}
	}
}
