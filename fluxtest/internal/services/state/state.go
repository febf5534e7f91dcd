// Package state is the service of the brokers' state machines (state-machine.get
// and so on).
package state

import (
	"slices"
	"sync"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest/internal/router"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
)

// names are the states of a broker, in their order and by number.
var names = []string{
	"load-builtins", "join", "config-sync", "init", "quorum", "run",
	"cleanup", "shutdown", "finalize", "goodbye", "unload-builtins", "exit",
}

const (
	stateInit = 3 // from here on the broker is online
	stateRun  = 5
	stateExit = 11
)

// Names lists the states of a broker in their order.
func Names() []string { return slices.Clone(names) }

// Known reports whether there is a state of that name.
func Known(name string) bool { return slices.Contains(names, name) }

// States is the service. Nothing but the test changes the states.
type States struct {
	ranks []*rankState
}

// rankState is the state of one rank.
type rankState struct {
	rank *router.Rank

	// Guarded by mu.
	mu       sync.Mutex
	number   int
	since    time.Time
	waiters  service.Pending
	monitors service.Pending
}

// New makes the service for an instance whose ranks are in a state, by name.
func New(inst *router.Instance, name string) *States {
	s := new(States)
	for _, r := range inst.Ranks() {
		s.ranks = append(s.ranks, &rankState{rank: r})
	}
	s.Set(name)
	return s
}

// Set puts all ranks in a state, by name, and answers what waits for it.
func (s *States) Set(name string) {
	n := slices.Index(names, name)
	for _, at := range s.ranks {
		at.set(n)
	}
}

// Waiting is the number of requests that wait for a state or watch it. It is for
// tests.
func (s *States) Waiting() int {
	n := 0
	for _, at := range s.ranks {
		at.mu.Lock()
		n += at.waiters.Len() + at.monitors.Len()
		at.mu.Unlock()
	}
	return n
}

// Service is what is to be registered.
func (s *States) Service() *service.Service {
	return &service.Service{Name: "state-machine", Methods: map[string]service.Method{
		"get":        {Allow: flux.RoleUser, Serve: service.NoArgs(s.get)},
		"wait":       {Allow: flux.RoleUser, Serve: service.NoArgs(s.wait)},
		"monitor":    {Serve: service.NoArgs(s.monitor)},
		"disconnect": {Allow: flux.RoleUser, Serve: s.disconnect},
	}}
}

func (at *rankState) set(n int) {
	at.mu.Lock()
	defer at.mu.Unlock()
	at.number, at.since = n, time.Now()
	at.rank.SetOnline(n >= stateInit)
	at.waiters.Delete(at.answerWaitLocked)
	at.monitors.Delete(func(r *service.Request) bool { return !at.reportLocked(r) })
}

// answerWaitLocked answers a state-machine.wait if its time has come.
func (at *rankState) answerWaitLocked(r *service.Request) bool {
	switch {
	case at.number < stateRun:
		return false
	case at.number == stateRun:
		r.OK()
	default:
		r.Fail(flux.ENOENT, "broker has surpassed RUN state")
	}
	return true
}

// reportLocked tells a monitor the state; true says that it wants to hear more.
func (at *rankState) reportLocked(r *service.Request) bool {
	final := int64(stateExit)
	if n, ok := r.Object().Int("final"); ok {
		final = n
	}
	n := int64(at.number)
	if n <= final {
		r.Respond(struct {
			State int64 `json:"state"`
		}{n})
		if !r.Streaming() {
			return false
		}
		if n < final {
			return true
		}
	}
	r.End()
	return false
}

func (s *States) get(r *service.Request) {
	at := s.ranks[r.Rank()]
	at.mu.Lock()
	defer at.mu.Unlock()
	r.Respond(struct {
		State    string  `json:"state"`
		Duration float64 `json:"duration"`
	}{names[at.number], time.Since(at.since).Seconds()})
}

func (s *States) wait(r *service.Request) {
	at := s.ranks[r.Rank()]
	at.mu.Lock()
	defer at.mu.Unlock()
	if !at.answerWaitLocked(r) {
		at.waiters.Add(r.KeepHeader())
	}
}

func (s *States) monitor(r *service.Request) {
	at := s.ranks[r.Rank()]
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.reportLocked(r) {
		at.monitors.Add(r.Keep()) // with the payload, which names the final state
	}
}

func (s *States) disconnect(r *service.Request) {
	at := s.ranks[r.Rank()]
	at.mu.Lock()
	defer at.mu.Unlock()
	at.waiters.Disconnect(r)
	at.monitors.Disconnect(r)
}
