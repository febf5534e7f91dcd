// Package log is the service of the brokers' logs (log.append, log.dmesg and so
// on).
package log

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest/internal/router"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
)

// ringSize is how many records a rank keeps.
const ringSize = 1024

// Severities, the graver the less: up to which one records are kept, and handed
// up the tree, and that of what is no record.
const (
	keepLevel    = 7
	forwardLevel = 3
	info         = 6
)

// Attributes are the broker attributes that tell of the log.
func Attributes() map[string]string {
	return map[string]string{
		"log-critical-level": "2",
		"log-forward-level":  strconv.Itoa(forwardLevel),
		"log-level":          strconv.Itoa(keepLevel),
		"log-ring-size":      strconv.Itoa(ringSize),
		"log-stderr-level":   "3",
	}
}

// Log is the service.
type Log struct {
	rings []*ring
}

// New makes the service for an instance.
func New(inst *router.Instance) *Log {
	l := new(Log)
	for _, r := range inst.Ranks() {
		l.rings = append(l.rings, &ring{rank: r})
		l.Append(r.Number(), info, "broker", "start: none->join")
	}
	return l
}

// Append adds a record of a rank to its log. Of a rank that there is not it is
// dropped.
func (l *Log) Append(rank uint32, severity int, app, text string) {
	if rank < uint32(len(l.rings)) {
		l.add(l.rings[rank], formatRecord(rank, severity, app, text))
	}
}

// Waiting is the number of requests that follow the logs. It is for tests.
func (l *Log) Waiting() int {
	n := 0
	for _, g := range l.rings {
		g.mu.Lock()
		n += g.followers.Len()
		g.mu.Unlock()
	}
	return n
}

// add takes a record that came to a rank, and hands it up the tree if it is
// grave.
func (l *Log) add(g *ring, record string) {
	severity := g.keep(record)
	if severity <= forwardLevel && g.rank.LinkUp() {
		l.add(l.rings[g.rank.Parent().Number()], record)
	}
}

// ring is the log of one rank.
type ring struct {
	rank *router.Rank

	// Guarded by mu.
	mu            sync.Mutex
	records       []string
	count         int // records ever kept
	local, remote int // records that came, of this rank and of others
	followers     service.Pending
}

// keep adds a record to the ring if it is one of this rank, by the host that it
// names, and returns its severity. Those of other ranks, and what is no record,
// are only counted.
func (g *ring) keep(record string) (severity int) {
	severity, host, ok := parseRecord(record)
	g.mu.Lock()
	defer g.mu.Unlock()
	if !ok || host != g.rank.Number() {
		g.remote++
		return severity
	}
	g.local++
	if severity > keepLevel {
		return severity
	}
	g.count++
	if len(g.records) == ringSize {
		g.records = append(g.records[:0], g.records[1:]...)
	}
	g.records = append(g.records, record)
	for r := range g.followers.All() {
		r.RespondBytes(append([]byte(record), 0))
	}
	return severity
}

// parseRecord reads the severity and the host of an RFC 5424 line, with the
// leniency of the broker.
func parseRecord(record string) (severity int, host uint32, ok bool) {
	fields := strings.SplitN(record, " ", 8)
	if len(fields) < 8 || slices.Contains(fields[:7], "") {
		return info, 0, false
	}
	pri, version, _ := strings.Cut(fields[0], ">")
	n, err := strconv.Atoi(strings.TrimPrefix(pri, "<"))
	if _, verr := strconv.Atoi(version); err != nil || verr != nil || pri[0] != '<' {
		return info, 0, false
	}
	rank, err := strconv.ParseUint(fields[2], 10, 32)
	if err != nil {
		rank = 0 // which is what C makes of other text
	}
	return n >> 3, uint32(rank), true
}

// formatRecord makes an RFC 5424 line with the priority as libflux writes it:
// the severity times 8 plus the facility, which is 0 here.
func formatRecord(rank uint32, severity int, app, text string) string {
	stamp := time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	return fmt.Sprintf("<%d>1 %s %d %s %d - - %s", severity*8, stamp, rank, app, os.Getpid(), text)
}

// Service is what is to be registered.
func (l *Log) Service() *service.Service {
	return &service.Service{Name: "log", Methods: map[string]service.Method{
		"append":     {Serve: l.append},
		"dmesg":      {Serve: l.dmesg},
		"clear":      {Serve: l.clear},
		"cancel":     {Serve: l.cancel},
		"disconnect": {Serve: l.disconnect},
		"stats-get":  {Serve: l.stats},
	}}
}

func (l *Log) append(r *service.Request) {
	// What a C program takes for a string ends at a NUL.
	record, _, _ := bytes.Cut(r.Payload(), []byte{0})
	l.add(l.rings[r.Rank()], string(record))
	if r.Message().Matchtag != 0 {
		r.OK()
	}
}

func (l *Log) dmesg(r *service.Request) {
	o := r.Object()
	follow, ok := o.Bool("follow")
	skip, okSkip := false, true
	if o.Has("nobacklog") {
		skip, okSkip = o.Bool("nobacklog")
	}
	if !ok || !okSkip || !r.Streaming() {
		r.Fail(flux.EPROTO, "")
		return
	}
	g := l.rings[r.Rank()]
	g.mu.Lock()
	defer g.mu.Unlock()
	if !skip {
		for _, record := range g.records {
			r.RespondBytes(append([]byte(record), 0))
		}
	}
	if !follow {
		r.End()
		return
	}
	g.followers.Add(r.KeepHeader())
}

func (l *Log) clear(r *service.Request) {
	g := l.rings[r.Rank()]
	g.mu.Lock()
	g.records = nil
	g.mu.Unlock()
	r.OK()
}

// cancel never answers, as no cancel does.
func (l *Log) cancel(r *service.Request) {
	g := l.rings[r.Rank()]
	g.mu.Lock()
	defer g.mu.Unlock()
	if follower := g.followers.Cancel(r); follower != nil {
		follower.End()
	}
}

func (l *Log) disconnect(r *service.Request) {
	g := l.rings[r.Rank()]
	g.mu.Lock()
	defer g.mu.Unlock()
	g.followers.Disconnect(r)
}

func (l *Log) stats(r *service.Request) {
	g := l.rings[r.Rank()]
	g.mu.Lock()
	defer g.mu.Unlock()
	r.Respond(struct {
		Used   int `json:"ring-used"`
		Count  int `json:"count"`
		Local  int `json:"local"`
		Remote int `json:"remote"`
	}{len(g.records), g.count, g.local, g.remote})
}
