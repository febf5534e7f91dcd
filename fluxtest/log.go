package fluxtest

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// logRingSize is how many records a rank keeps.
const logRingSize = 1024

// Severities, the graver the less: up to which one records are kept, and handed
// up the tree, and that of what is no record.
const (
	logLevel        = 7
	logForwardLevel = 3
	logInfo         = 6
)

// logRing is the log of one rank.
type logRing struct {
	r             *rank
	mu            sync.Mutex
	records       []string
	count         int
	local, remote int // records that came, by whose they were
	followers     requests
}

func (l *logRing) init(r *rank) {
	l.r = r
	l.append(formatRecord(r.n, logInfo, "broker", "start: none->join"))
}

// append adds a record and passes it on to those that follow.
func (l *logRing) append(record string) {
	var bt batch
	l.add(record, &bt)
	bt.flush()
}

// add takes a record, and hands it up the tree if it is grave.
func (l *logRing) add(record string, bt *batch) {
	severity := l.keep(record, bt)
	if up := l.r.up; up != nil && severity <= logForwardLevel && up.whole() {
		l.r.parent.log.add(record, bt)
	}
}

// keep adds a record to the ring if it is one of this rank, by the host that it
// names, and returns its severity. Those of other ranks, and what is no record,
// are only counted.
func (l *logRing) keep(record string, bt *batch) (severity int) {
	severity, host, ok := parseRecord(record)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !ok || host != l.r.n {
		l.remote++
		return severity
	}
	l.local++
	if severity > logLevel {
		return severity
	}
	l.count++
	if len(l.records) == logRingSize {
		l.records = append(l.records[:0], l.records[1:]...)
	}
	l.records = append(l.records, record)
	for _, req := range l.followers {
		l.r.respond(req, 0, append([]byte(record), 0), bt)
	}
	return severity
}

// parseRecord reads the severity and the host of an RFC 5424 line, with the
// leniency of the broker.
func parseRecord(record string) (severity int, host uint32, ok bool) {
	fields := strings.SplitN(record, " ", 8)
	if len(fields) < 8 || slices.Contains(fields[:7], "") {
		return logInfo, 0, false
	}
	pri, version, _ := strings.Cut(fields[0], ">")
	n, err := strconv.Atoi(strings.TrimPrefix(pri, "<"))
	if _, verr := strconv.Atoi(version); err != nil || verr != nil || pri[0] != '<' {
		return logInfo, 0, false
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

// Log appends a record to the log of a rank, which log.dmesg shows. The
// severity is that of syslog, 0 to 7.
func (b *Broker) Log(rank uint32, severity int, app, text string) {
	inst := b.inst.Load()
	if rank < uint32(len(inst.ranks)) {
		inst.ranks[rank].log.append(formatRecord(rank, severity, app, text))
	}
}

var logMethods = map[string]method{
	"log.append":     {0, logAppend},
	"log.dmesg":      {0, logDmesg},
	"log.clear":      {0, logClear},
	"log.cancel":     {0, logCancel},
	"log.disconnect": {0, logDisconnect},
	"log.stats-get":  {0, logStats},
}

func logAppend(c *call) {
	// What a C program takes for a string ends at a NUL.
	record, _, _ := bytes.Cut(c.m.Payload, []byte{0})
	c.r.log.add(string(record), c.bt)
	if c.m.Matchtag != 0 {
		c.ok()
	}
}

func logDmesg(c *call) {
	o := decodeObject(c.m.Payload)
	follow, ok := o.boolean("follow")
	skip, okSkip := false, true
	if o.has("nobacklog") {
		skip, okSkip = o.boolean("nobacklog")
	}
	if !ok || !okSkip || !c.streaming() {
		c.fail(ePROTO, "")
		return
	}
	l := &c.r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if !skip {
		for _, record := range l.records {
			c.respondRaw(append([]byte(record), 0))
		}
	}
	if !follow {
		c.fail(eNODATA, "")
		return
	}
	l.followers = append(l.followers, c.keep())
}

func logClear(c *call) {
	c.r.log.mu.Lock()
	c.r.log.records = nil
	c.r.log.mu.Unlock()
	c.ok()
}

// logCancel never answers, as no cancel does.
func logCancel(c *call) {
	l := &c.r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if req, ok := l.followers.cancel(c.m); ok {
		c.r.fail(req, eNODATA, "", c.bt)
	}
}

func logDisconnect(c *call) {
	c.r.log.mu.Lock()
	defer c.r.log.mu.Unlock()
	c.r.log.followers.disconnect(c.m)
}

func logStats(c *call) {
	l := &c.r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	c.respond(struct {
		Used   int `json:"ring-used"`
		Count  int `json:"count"`
		Local  int `json:"local"`
		Remote int `json:"remote"`
	}{len(l.records), l.count, l.local, l.remote})
}
