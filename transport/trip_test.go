package transport

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// One request is measured at a time, and the quickest of the last few counts.
func TestTrips(t *testing.T) {
	const ms = time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		var tr trips
		trip := func(d time.Duration) {
			tr.begin(7, true)
			tr.begin(8, true) // not the one that is measured
			tr.end(8)
			time.Sleep(d)
			tr.end(7)
			tr.end(7) // there is none now
		}
		for n, tt := range []struct{ trip, want time.Duration }{
			{5 * ms, 0}, // one says nothing
			{7 * ms, 5 * ms},
			{6 * ms, 5 * ms},
			{2 * ms, 2 * ms},
			{9 * ms, 2 * ms},
			{9 * ms, 2 * ms},
			{9 * ms, 2 * ms},
			{9 * ms, 9 * ms},
		} {
			trip(tt.trip)
			if got := tr.shortest(); got != tt.want {
				t.Errorf("after trip %d the shortest is %v, want %v", n, got, tt.want)
			}
		}
		tr.begin(0, true) // that is no matchtag
		if tag := tr.tag.Load(); tag != 0 {
			t.Errorf("request %d is measured", tag)
		}
	})
}

// One of the last few that somebody waited for is enough.
func TestTripsWaited(t *testing.T) {
	var tr trips
	for n, tt := range []struct{ waits, want bool }{
		{false, false}, {true, true}, {false, true}, {false, true}, {false, true}, {false, false},
	} {
		tr.begin(7, tt.waits)
		tr.end(7)
		if got := tr.waited(); got != tt.want {
			t.Errorf("after trip %d somebody waited: %t, want %t", n, got, tt.want)
		}
	}
}

// A request whose reply does not come is given up for another.
func TestTripsPatience(t *testing.T) {
	var tr trips
	tr.begin(7, true)
	for n := range tripPatience {
		if tr.begin(8, true); tr.tag.Load() != 7 {
			t.Fatalf("given up after %d other replies", n)
		}
		tr.end(9)
	}
	if tr.begin(8, true); tr.tag.Load() != 8 {
		t.Errorf("request %d is measured after %d other replies, want 8", tr.tag.Load(), tripPatience)
	}
	if tr.n != 0 {
		t.Errorf("%d trips are known, want none", tr.n)
	}
}

// Requests begin on many goroutines while the reader takes replies.
func TestTripsRace(t *testing.T) {
	var tr trips
	var wg sync.WaitGroup
	for g := range uint32(4) {
		wg.Go(func() {
			for range 10_000 {
				tr.begin(g+1, g%2 == 0)
			}
		})
	}
	for n := range uint32(40_000) {
		tr.end(n%4 + 1)
		if d := tr.shortest(); d < 0 || d > time.Minute {
			t.Fatalf("a trip of %v", d)
		}
	}
	wg.Wait()
}
