package flux

import "testing"

// The consumer is there before the next item is.
func BenchmarkOutboxKeepUp(b *testing.B) {
	q := newOutbox[*int](queueLimit{})
	v := new(int)
	b.ReportAllocs()
	for b.Loop() {
		q.push(v, 100)
		<-q.ch
	}
}

// A burst that the channel's buffer holds.
func BenchmarkOutboxBurst(b *testing.B) {
	q := newOutbox[*int](queueLimit{})
	v := new(int)
	b.ReportAllocs()
	for b.Loop() {
		for range 16 {
			q.push(v, 100)
		}
		for range 16 {
			<-q.ch
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(16*b.N), "ns/item")
}

// Consumer and producer side by side, as fast as they can.
func BenchmarkOutboxPipeline(b *testing.B) {
	q := newOutbox[*int](queueLimit{1 << 30, plenty})
	v := new(int)
	b.ReportAllocs()
	go func() {
		for range b.N {
			q.push(v, 100)
		}
		q.finish(nil)
	}()
	for range q.ch {
	}
}

// All of it waits in the spill before any is received.
func BenchmarkOutboxSpill(b *testing.B) {
	const n = 10000
	v := new(int)
	b.ReportAllocs()
	for b.Loop() {
		q := newOutbox[*int](queueLimit{})
		for range n {
			q.push(v, 100)
		}
		q.finish(nil)
		for range q.ch {
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*b.N), "ns/item")
}

func BenchmarkOutboxDropOldest(b *testing.B) {
	q := newOutbox[*int](queueLimit{100, plenty})
	q.dropOldest(func(int) *int { return nil })
	v := new(int)
	b.ReportAllocs()
	for b.Loop() {
		q.push(v, 100)
	}
	q.abort(nil)
}
