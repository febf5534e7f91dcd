package systemtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
)

// deadlinePatience is far longer than any return may take, so that only a caller
// that hangs passes it.
const deadlinePatience = 20 * time.Second

// deadlineSeedEnv repeats a run: its value is the seed that a failed run has printed.
const deadlineSeedEnv = "FLUX_TEST_DEADLINE_SEED"

// deadlineRounds is how often a caller waits, each time after one more call, in the
// cases where the number of calls before may matter.
const deadlineRounds = 8

// deadlineRandomRows is how many cases are tried besides those that cover all pairs.
const deadlineRandomRows = 60

var (
	errCanceled = errors.New("the caller has seen enough")
	errTimedOut = errors.New("the caller has waited long enough")
)

// The end of a ctx returns its caller, with the ctx's cause in the error, whatever
// the caller waits for, whatever was received before and whatever the broker does.
// The cases cover all pairs of the values below, all that there is of a call that
// comes after others on a socket to another process, and some more at random.
func TestDeadlineHolds(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv(deadlineSeedEnv); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("%s=%q: want a number: %v", deadlineSeedEnv, s, err)
		}
	}
	t.Logf("%s=%d", deadlineSeedEnv, seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	byTransport := make([][]deadlineCase, len(deadlineTransports))
	add := func(rows [][]int, rounds int) {
		for _, row := range rows {
			dc := newDeadlineCase(row, rng)
			dc.rounds = rounds
			byTransport[row[dimTransport]] = append(byTransport[row[dimTransport]], dc)
		}
	}
	add(pairRows(rng, deadlineDims()), 0)
	add(serialRows(), deadlineRounds)
	if !testing.Short() {
		add(randomRows(rng, deadlineDims(), deadlineRandomRows), 0)
	}
	t.Setenv("FLUX_SSH", sshStandIn(t))
	t.Setenv("FLUX_SSH_RCMD", "flux")
	t.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0") // else each stand-in takes a second to end
	for i, tr := range deadlineTransports {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			b := tr.start(t)
			for failed, k := 0, 0; k < len(byTransport[i]) && failed < 3; k++ { // each that hangs takes long
				dc := byTransport[i][k]
				if !t.Run(dc.name(), func(t *testing.T) { dc.run(t, b) }) {
					failed++
				}
			}
		})
	}
}

// deadlineCase is one way to wait and all that may matter for how the wait ends.
type deadlineCase struct {
	way      deadlineWay
	size     int // of the replies before, and of the payload of what waits
	traffic  deadlineTraffic
	hooks    bool
	deadline bool // in place of a cancel
	silence  string
	after    time.Duration // until the ctx ends
	rounds   int           // more waits, each after one more call
}

// What the broker does while the caller waits.
const (
	silenceNever   = "never"   // it answers nothing of this request
	silenceStalled = "stalled" // it neither reads nor writes
	silenceSlow    = "slow"    // it writes a few bytes at a time
)

func newDeadlineCase(row []int, rng *rand.Rand) deadlineCase {
	dc := deadlineCase{
		way: deadlineWays[row[dimWay]], size: deadlineSizes[row[dimSize]], traffic: deadlineTraffics[row[dimTraffic]],
		hooks: row[dimHooks] == 1, deadline: row[dimEnding] == 1, silence: deadlineSilences[row[dimSilence]],
		after: time.Millisecond + time.Duration(rng.Int64N(int64(14*time.Millisecond))),
	}
	if dc.way.answeredAlways && dc.silence == silenceNever {
		dc.silence = silenceStalled
	}
	return dc
}

func (dc *deadlineCase) name() string {
	hooks, ending := "plain", "cancel"
	if dc.hooks {
		hooks = "hooks"
	}
	if dc.deadline {
		ending = "deadline"
	}
	return fmt.Sprintf("%s/%d/%s/%s/%s/%s", dc.way.name, dc.size, dc.traffic.name, dc.silence, hooks, ending)
}

func (dc *deadlineCase) run(t *testing.T, b *deadlineBroker) {
	var opts []flux.DialOption
	if dc.hooks {
		opts = append(opts, flux.WithHooks(emptyHooks()))
	}
	life, over := context.WithTimeout(t.Context(), deadlinePatience)
	defer over()
	c, err := flux.Dial(life, b.uri, opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { returns(t, "the last Close", func() { c.Close() }) }()
	stop, err := dc.traffic.run(life, c, dc.size)
	if err != nil {
		t.Fatalf("traffic before: %v", err)
	}
	defer stop()
	dc.waitInSilence(t, c, b)
	for range dc.rounds {
		if err := sizedCalls(life, c, dc.size, 1); err != nil {
			t.Fatalf("a call between: %v", err)
		}
		dc.waitInSilence(t, c, b)
	}
	if dc.way.closes {
		return
	}
	returns(t, "a call after it", func() {
		r, err := c.Call(life, "x.sized", "0")
		if err = errors.Join(err, r.Err()); err != nil {
			t.Errorf("a call after it: %v", err)
		}
	})
}

// waitInSilence is wait while the broker does what the case says.
func (dc *deadlineCase) waitInSilence(t *testing.T, c *flux.Client, b *deadlineBroker) {
	switch dc.silence {
	case silenceStalled:
		b.stall(t)
	case silenceSlow:
		b.slow(t, dc.size)
	}
	defer b.heal(t)
	dc.wait(t, c, b.uri)
}

// wait lets one caller wait and its ctx end.
func (dc *deadlineCase) wait(t *testing.T, c *flux.Client, uri string) {
	w := &waiter{dc: dc, c: c, uri: uri, live: c.Stats().Live}
	cause := errCanceled
	var end context.CancelFunc
	if dc.deadline {
		cause = errTimedOut
		w.ctx, end = context.WithTimeoutCause(t.Context(), dc.after, cause)
	} else {
		ctx, cancel := context.WithCancelCause(t.Context())
		w.ctx, end = ctx, func() { cancel(cause) }
	}
	defer end()
	var err error
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		err = dc.way.run(w)
	}()
	if !dc.deadline {
		w.untilWaiting(returned)
		end()
	}
	if !closes(returned) {
		t.Fatalf("still there %v after the end of its ctx", deadlinePatience)
	}
	switch {
	case dc.way.clean != nil && dc.way.clean(w):
		if err != nil {
			t.Errorf("ended with %v, want no error", err)
		}
	case err == nil:
		if dc.silence != silenceSlow {
			t.Error("ended without an error")
		}
	case !errors.Is(err, cause) || !errors.Is(err, w.ctx.Err()):
		t.Errorf("ended with %v, want %v because of %v", err, w.ctx.Err(), cause)
	}
}

// waiter is the caller of a case.
type waiter struct {
	dc    *deadlineCase
	ctx   context.Context
	c     *flux.Client
	uri   string
	live  int         // requests that had no reply before
	ready atomic.Bool // it waits for what it was to wait for
}

// untilWaiting returns when the caller waits, as far as that can be seen, or has
// returned.
func (w *waiter) untilWaiting(returned <-chan struct{}) {
	over := func() bool {
		select {
		case <-returned:
			return true
		default:
			return false
		}
	}
	if waiting := w.dc.way.waiting; waiting != nil {
		poll(func() bool { return over() || waiting(w) })
		return
	}
	select {
	case <-returned:
	case <-time.After(w.dc.after):
	}
}

// poll asks until the answer is yes, or the patience of the tests is over: what is
// looked at next says more.
func poll(yes func() bool) {
	patience := time.NewTimer(deadlinePatience)
	defer patience.Stop()
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-patience.C:
			return
		case <-tick.C:
		}
	}
}

func (w *waiter) payload() []byte { return make([]byte, w.dc.size) }

// returns fails the test if f does not return.
func returns(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	if !closes(done) {
		t.Fatalf("%s has not returned after %v", what, deadlinePatience)
	}
}

// closes reports whether done is closed within the patience of the tests.
func closes(done <-chan struct{}) bool {
	timer := time.NewTimer(deadlinePatience)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

func emptyHooks() flux.Hooks {
	return flux.Hooks{
		Connected: func(bool) {}, Disconnected: func(error) {},
		Sent: func(*codec.Message) {}, Received: func(*codec.Message) {},
		Queued: func(string, int, int) {}, SlowConsumer: func(string) {},
		Retired: func(string, uint32) {}, Missed: func(int) {},
	}
}
