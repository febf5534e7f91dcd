package fluxtest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// stateNames are the states of a broker, in their order and by number.
var stateNames = []string{
	"load-builtins", "join", "config-sync", "init", "quorum", "run",
	"cleanup", "shutdown", "finalize", "goodbye", "unload-builtins", "exit",
}

const (
	stateInit = 3 // from here on the broker is online
	stateRun  = 5
	stateExit = 11
)

func stateNumber(name string) int { return slices.Index(stateNames, name) }

// stateMachine is the state of one rank, which nothing but the test changes.
type stateMachine struct {
	r        *rank
	number   atomic.Int32 // also guarded by mu for writing
	mu       sync.Mutex
	since    time.Time
	waiters  requests
	monitors requests
}

func (s *stateMachine) init(r *rank, name string) {
	s.r, s.since = r, time.Now()
	s.number.Store(int32(stateNumber(name)))
}

// offline is when most requests are refused.
func (s *stateMachine) offline() bool { return s.number.Load() < stateInit }

// SetState puts all ranks in a state, which is one of load-builtins, join,
// config-sync, init, quorum, run, cleanup, shutdown, finalize, goodbye,
// unload-builtins and exit. Before init the broker is not online and refuses
// most requests with EAGAIN. Those that wait for or watch the state are
// answered. An unknown name panics.
func (b *Broker) SetState(name string) {
	n := stateNumber(name)
	if n < 0 {
		panic(fmt.Sprintf("fluxtest: SetState(%q): want one of %q", name, stateNames))
	}
	var bt batch
	for _, r := range b.inst.Load().ranks {
		r.state.set(n, &bt)
	}
	bt.flush()
}

func (s *stateMachine) set(n int, bt *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number.Store(int32(n))
	s.since = time.Now()
	s.waiters = slices.DeleteFunc(s.waiters, func(req *codec.Message) bool { return s.answerWait(req, bt) })
	s.monitors = slices.DeleteFunc(s.monitors, func(req *codec.Message) bool { return !s.report(req, bt) })
}

// answerWait answers a state-machine.wait if its time has come.
func (s *stateMachine) answerWait(req *codec.Message, bt *batch) bool {
	switch n := s.number.Load(); {
	case n < stateRun:
		return false
	case n == stateRun:
		s.r.respond(req, 0, nil, bt)
	default:
		s.r.fail(req, eNOENT, "broker has surpassed RUN state", bt)
	}
	return true
}

// report tells a monitor the state; true says that it wants to hear more.
func (s *stateMachine) report(req *codec.Message, bt *batch) bool {
	final := int64(stateExit)
	if n, ok := decodeObject(req.Payload).integer("final"); ok {
		final = n
	}
	n := int64(s.number.Load())
	if n <= final {
		s.r.respond(req, 0, encodeJSON(struct {
			State int64 `json:"state"`
		}{n}), bt)
		if req.Flags&codec.FlagStreaming == 0 {
			return false
		}
		if n < final {
			return true
		}
	}
	s.r.fail(req, eNODATA, "", bt)
	return false
}

var stateMethods = map[string]method{
	"state-machine.get":        {roleUser, noArgs(stateGet)},
	"state-machine.wait":       {roleUser, noArgs(stateWait)},
	"state-machine.monitor":    {0, noArgs(stateMonitor)},
	"state-machine.disconnect": {roleUser, stateDisconnect},
}

func stateGet(c *call) {
	s := &c.r.state
	s.mu.Lock()
	defer s.mu.Unlock()
	c.respond(struct {
		State    string  `json:"state"`
		Duration float64 `json:"duration"`
	}{stateNames[s.number.Load()], time.Since(s.since).Seconds()})
}

func stateWait(c *call) {
	s := &c.r.state
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.answerWait(c.m, c.bt) {
		s.waiters = append(s.waiters, c.keep())
	}
}

func stateMonitor(c *call) {
	s := &c.r.state
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.report(c.m, c.bt) {
		req := *c.m // with the payload, which names the final state
		s.monitors = append(s.monitors, &req)
	}
}

func stateDisconnect(c *call) {
	s := &c.r.state
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiters.disconnect(c.m)
	s.monitors.disconnect(c.m)
}
