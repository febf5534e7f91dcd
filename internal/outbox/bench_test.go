package outbox

import "testing"

// The consumer is there before the next item is.
func BenchmarkOutboxKeepUp(b *testing.B) {
	q := New[*int](testLimit)
	v := new(int)
	b.ReportAllocs()
	for b.Loop() {
		q.Push(v, 100)
		<-q.ch
	}
}

// A burst that the channel's buffer holds.
func BenchmarkOutboxBurst(b *testing.B) {
	q := New[*int](testLimit)
	v := new(int)
	b.ReportAllocs()
	for b.Loop() {
		for range 16 {
			q.Push(v, 100)
		}
		for range 16 {
			<-q.ch
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(16*b.N), "ns/item")
}

// Consumer and producer side by side, as fast as they can.
func BenchmarkOutboxPipeline(b *testing.B) {
	q := New[*int](Limit{1 << 30, plenty})
	v := new(int)
	b.ReportAllocs()
	go func() {
		for range b.N {
			q.Push(v, 100)
		}
		q.Finish(nil)
	}()
	for range q.ch {
	}
}

// All of it waits in the list before any is received.
func BenchmarkOutboxSpill(b *testing.B) {
	const n = 10000
	v := new(int)
	b.ReportAllocs()
	for b.Loop() {
		q := New[*int](testLimit)
		for range n {
			q.Push(v, 100)
		}
		q.Finish(nil)
		for range q.ch {
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*b.N), "ns/item")
}

func BenchmarkOutboxDropOldest(b *testing.B) {
	q := NewLossy[*int](Limit{100, plenty}, func(int) *int { return nil })
	v := new(int)
	b.ReportAllocs()
	for b.Loop() {
		q.Push(v, 100)
	}
	q.Abort(nil)
}
