package fluxtest

import (
	"strings"
	"syscall"
)

// defaultMethods are what every module has, and the broker, by the rest of the
// topic behind the service's name.
var defaultMethods = map[string]method{
	"ping":          {roleUser, pingMethod},
	"stats-get":     {roleAll, noArgs(statsGet)},
	"stats-clear":   {0, noArgs(statsClear)},
	"rusage":        {roleUser, noArgs(rusage)},
	"debug":         {0, debugMethod},
	"config-reload": {0, func(c *call) { c.ok() }},
}

func statsGet(c *call) {
	type count struct {
		Request  int64 `json:"request"`
		Response int64 `json:"response"`
		Event    int64 `json:"event"`
		Control  int64 `json:"control"`
	}
	n := &c.r.counters
	c.respond(struct {
		Tx count `json:"tx"`
		Rx count `json:"rx"`
	}{
		count{Response: n.txResponse.Load()},
		count{Request: n.rxRequest.Load(), Response: n.rxResponse.Load()},
	})
}

// clearStats is what an event with the topic SERVICE.stats-clear does.
func (inst *instance) clearStats(topic string) {
	name, ok := strings.CutSuffix(topic, ".stats-clear")
	if !ok {
		return
	}
	for _, r := range inst.ranks {
		if r.module(name) {
			r.counters.clear()
		}
	}
}

func statsClear(c *call) {
	c.r.counters.clear()
	c.ok()
}

func rusage(c *call) {
	who, ok := decodeObject(c.m.Payload).str("who")
	if !ok {
		who = "self" // a text that says nothing is accepted for what it is
	}
	var ru syscall.Rusage
	switch who {
	case "self", "thread": // threads are not told apart here
		syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	case "children":
		syscall.Getrusage(syscall.RUSAGE_CHILDREN, &ru)
	default:
		c.fail(eINVAL, who+" is unsupported")
		return
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	c.respond(struct {
		Utime    float64 `json:"utime"`
		Stime    float64 `json:"stime"`
		Maxrss   int64   `json:"maxrss"`
		Ixrss    int64   `json:"ixrss"`
		Idrss    int64   `json:"idrss"`
		Isrss    int64   `json:"isrss"`
		Minflt   int64   `json:"minflt"`
		Majflt   int64   `json:"majflt"`
		Nswap    int64   `json:"nswap"`
		Inblock  int64   `json:"inblock"`
		Oublock  int64   `json:"oublock"`
		Msgsnd   int64   `json:"msgsnd"`
		Msgrcv   int64   `json:"msgrcv"`
		Nsignals int64   `json:"nsignals"`
		Nvcsw    int64   `json:"nvcsw"`
		Nivcsw   int64   `json:"nivcsw"`
	}{
		seconds(ru.Utime), seconds(ru.Stime), int64(ru.Maxrss), int64(ru.Ixrss), int64(ru.Idrss), int64(ru.Isrss),
		int64(ru.Minflt), int64(ru.Majflt), int64(ru.Nswap), int64(ru.Inblock), int64(ru.Oublock),
		int64(ru.Msgsnd), int64(ru.Msgrcv), int64(ru.Nsignals), int64(ru.Nvcsw), int64(ru.Nivcsw),
	})
}

func debugMethod(c *call) {
	o := decodeObject(c.m.Payload)
	op, okOp := o.str("op")
	n, okFlags := o.integer("flags")
	if !okOp || !okFlags {
		c.fail(ePROTO, "")
		return
	}
	bits, d := int32(n), &c.s.debug
	switch op {
	case "setbit":
		d.Or(bits)
	case "clrbit":
		d.And(^bits)
	case "set":
		d.Store(bits)
	case "clr":
		d.Store(0)
	default:
		c.fail(ePROTO, "")
		return
	}
	c.respond(struct {
		Flags int32 `json:"flags"`
	}{d.Load()})
}
