package framing

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
)

func flowItem() *codec.Message {
	m := codec.NewResponse(request("flow.item", 1, nil))
	m.Flags |= codec.FlagStreaming
	return m
}

// The reader rests only in a flow that is long, fast, and not mixed with what
// somebody waits for.
func TestRestDue(t *testing.T) {
	event, item := codec.NewEvent("flow.event"), flowItem()
	final := codec.NewResponse(request("some.call", 1, nil))
	mixed := func(other *codec.Message) func(*readThrottle, int) {
		return func(r *readThrottle, n int) { r.received([]*codec.Message{event, other}[n%100/99]) }
	}
	calls := func(r *readThrottle, n int) {
		if r.received(event); n%100 == 0 {
			r.requested()
		}
	}
	call := func(r *readThrottle, _ int) { r.received(final); r.requested() }
	for _, tt := range []struct {
		name string
		gap  time.Duration // between messages, of which four are read at once
		feed func(r *readThrottle, n int)
		want bool
	}{
		{"fast events", throttleGap / 2, func(r *readThrottle, _ int) { r.received(event) }, true},
		{"fast stream", throttleGap / 2, func(r *readThrottle, _ int) { r.received(item) }, true},
		{"slow events", 2 * throttleGap, func(r *readThrottle, _ int) { r.received(event) }, false},
		{"requests among them", throttleGap / 2, mixed(request("some.call", 1, nil)), false},
		{"responses among them", throttleGap / 2, mixed(final), false},
		{"calls begin", throttleGap / 2, calls, false},
		{"calls", throttleGap / 2, call, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &readThrottle{on: true}
				read := func(n int) bool {
					for i := range 4 {
						time.Sleep(tt.gap)
						tt.feed(r, 4*n+i)
					}
					return r.due()
				}
				for n := range throttleAfter/4 - 1 {
					if read(n) {
						t.Fatalf("it rests after %d messages", 4*n+4)
					}
				}
				rested := 0
				for n := range 1000 {
					if read(n) {
						rested++
					}
				}
				// The first read of a flow has nothing to compare with, and replies
				// before the first read are not known for one.
				if tt.want != (rested >= 998) || !tt.want && rested > 0 {
					t.Errorf("it rests before %d of 1000 reads", rested)
				}
			})
		})
	}
}

// A rest that brings next to nothing is not followed by another for long, even
// if what it brings seems to come fast.
func TestRestYield(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &readThrottle{on: true}
		rested := 0
		for range 100 * throttleAfter {
			time.Sleep(throttleGap / 2)
			r.received(codec.NewEvent("flow.event"))
			if r.due() {
				rested++
			}
		}
		if rested == 0 || rested > 100*throttleTries {
			t.Errorf("it rests %d times, want at most %d times in %d messages", rested, throttleTries, throttleAfter)
		}
	})
}

// A broker in this process gets no rest: that would keep its goroutines waiting.
func TestRestWhere(t *testing.T) {
	a, b := pipe(Config{})
	defer a.Close()
	defer b.Close()
	if a.r.throttle.on {
		t.Error("a pipe's reader rests")
	}
}
