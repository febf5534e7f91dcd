package transport

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
	mixed := func(other *codec.Message) func(*rest, int) {
		return func(r *rest, n int) { r.received([]*codec.Message{event, other}[n%100/99]) }
	}
	calls := func(r *rest, n int) {
		if r.received(event); n%100 == 0 {
			r.sending(1, true)
		}
	}
	call := func(r *rest, _ int) { r.received(final); r.sending(2, true) }
	const long = restShare * restShort
	for _, tt := range []struct {
		name string
		gap  time.Duration // between messages, of which four are read at once
		trip time.Duration // of the replies before
		wait int32         // requests that wait for replies
		feed func(r *rest, n int)
		goOn bool // who sent those before did not wait
		want bool
	}{
		{"fast events", restGap / 2, 0, 0, func(r *rest, _ int) { r.received(event) }, false, true},
		{"fast stream", restGap / 2, 0, 1, func(r *rest, _ int) { r.received(item) }, false, true},
		{"slow events", 2 * restGap, 0, 0, func(r *rest, _ int) { r.received(event) }, false, false},
		{"requests among them", restGap / 2, 0, 0, mixed(request("some.call", 1, nil)), false, false},
		{"responses among them", restGap / 2, 0, 1, mixed(final), false, false},
		{"calls begin", restGap / 2, 0, 1, calls, false, false},
		{"few calls begin that take long", restGap / 2, time.Second, restCrowd - 1, calls, false, false},
		{"many calls begin that take long", restGap / 2, long, restCrowd, calls, false, true},
		{"calls", restGap / 2, 0, restCrowd, call, false, false},
		{"calls that are answered soon", restGap / 2, long - 1, restCrowd, call, false, false},
		{"calls that take long", restGap / 2, long, restCrowd, call, false, true},
		{"few calls that take long", restGap / 2, long, restCrowd - 1, call, false, false},
		{"slow calls", 2 * restGap, long, restCrowd, call, false, false},
		{"calls of one who goes on", restGap / 2, long, restCrowd - 4, call, true, true},
		{"few calls of one who goes on", restGap / 2, long, restCrowd - 5, call, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &rest{can: true}
				for range tripLeast {
					r.trips.begin(3, !tt.goOn)
					time.Sleep(tt.trip)
					r.trips.end(3)
				}
				read := func(n int) bool {
					for i := range 4 {
						time.Sleep(tt.gap)
						tt.feed(r, 4*n+i)
					}
					return r.due(tt.wait)
				}
				for n := range restAfter/4 - 1 {
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
		r := &rest{can: true}
		rested := 0
		for range 100 * restAfter {
			time.Sleep(restGap / 2)
			r.received(codec.NewEvent("flow.event"))
			if r.due(0) {
				rested++
			}
		}
		if rested == 0 || rested > 100*restTries {
			t.Errorf("it rests %d times, want at most %d times in %d messages", rested, restTries, restAfter)
		}
	})
}

// A rest is a fraction of what a reply takes.
func TestRestPause(t *testing.T) {
	for _, tt := range []struct{ trip, want time.Duration }{
		{0, restPause}, // of events
		{restShare * restShort, restShort},
		{restShare * restShort * 3 / 2, restShort * 3 / 2},
		{restShare * restPause, restPause},
		{time.Hour, restPause},
	} {
		synctest.Test(t, func(t *testing.T) {
			var r rest
			for range tripLeast {
				r.trips.begin(3, true)
				time.Sleep(tt.trip)
				r.trips.end(3)
			}
			r.due(restCrowd)
			if got := r.pause(); got != tt.want {
				t.Errorf("after replies that took %v it rests for %v, want %v", tt.trip, got, tt.want)
			}
		})
	}
}

// A broker in this process gets no rest: that would keep its goroutines waiting.
func TestRestWhere(t *testing.T) {
	a, b := Pipe(Config{})
	defer a.Close()
	defer b.Close()
	if a.(*streamConn).r.rest.can {
		t.Error("a pipe's reader rests")
	}
}

// Bodies that came together share memory, but no byte of it.
func TestBodiesShareBlocks(t *testing.T) {
	a, b := Pipe(Config{})
	defer b.Close()
	q := a.(Queuer)
	var want [][]byte
	for n := range 300 {
		p := pattern(n * 7 % 1500)
		want = append(want, p)
		if err := q.Queue(request("some.topic", uint32(n+1), p), false); err != nil {
			t.Fatal(err)
		}
	}
	q.Flush()
	msgs := make([]codec.Message, len(want))
	for n := range msgs {
		if err := b.Recv(&msgs[n]); err != nil {
			t.Fatal(err)
		}
		_ = append(msgs[n].Payload, "beyond its end"...) // must not be the next one's memory
	}
	for n, m := range msgs {
		if string(m.Payload) != string(want[n]) {
			t.Fatalf("payload %d of %d bytes is not what was sent", n, len(want[n]))
		}
	}
	a.Close()
}
