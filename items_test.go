package flux

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
)

const plenty = math.MaxInt / 2 // bytes

// inBubble runs f in a bubble, where a goroutine that is left behind fails the test.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// count is the numbers from first to last.
func count(first, last int) []int {
	var s []int
	for i := first; i <= last; i++ {
		s = append(s, i)
	}
	return s
}

// rest receives until the channel closes.
func rest[T any](ch <-chan T) []T {
	var s []T
	for v := range ch {
		s = append(s, v)
	}
	return s
}

// ready receives as long as there is something to be had.
func ready[T any](ch <-chan T) []T {
	var s []T
	for {
		synctest.Wait()
		select {
		case v, ok := <-ch:
			if !ok {
				return s
			}
			s = append(s, v)
		default:
			return s
		}
	}
}

func wantItems[T comparable](t testing.TB, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("received %v, want %v", got, want)
	}
}

func TestQueueDefaults(t *testing.T) {
	for _, tt := range []struct{ given, want queueOption }{
		{queueOption{}, queueOption{65536, 64 << 20}},
		{queueOption{-1, -1}, queueOption{65536, 64 << 20}},
		{queueOption{0, 5}, queueOption{65536, 5}},
		{queueOption{5, 0}, queueOption{5, 64 << 20}},
	} {
		var o callOptions
		tt.given.applyStream(&o)
		if got := queueOption(orDefault(o.limit)); got != tt.want {
			t.Errorf("QueueLimit%v is %v, want %v", tt.given, got, tt.want)
		}
	}
}
