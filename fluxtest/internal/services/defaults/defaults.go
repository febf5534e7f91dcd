// Package defaults has the methods that every module of a broker has: ping,
// stats-get and so on.
package defaults

import (
	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/jansson"
	"github.com/flux-sdk/flux/fluxtest/internal/router"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
)

// Methods returns them by name.
func Methods() map[string]router.DefaultMethod {
	return map[string]router.DefaultMethod{
		"ping":          {Allow: flux.RoleUser, Serve: ping},
		"stats-get":     {Allow: flux.RoleAll, Serve: noArgs(statsGet)},
		"stats-clear":   {Serve: noArgs(statsClear)},
		"rusage":        {Allow: flux.RoleUser, Serve: noArgs(rusage)},
		"debug":         {Serve: debug},
		"config-reload": {Serve: func(c *router.Call) { c.OK() }},
	}
}

// noArgs is [service.NoArgs] for these methods.
func noArgs(serve func(*router.Call)) func(*router.Call) {
	return func(c *router.Call) {
		service.NoArgs(func(*service.Request) { serve(c) })(&c.Request)
	}
}

// ping answers with the payload and what this end saw of the request.
func ping(c *router.Call) {
	text, err := codec.TextPayload(c.Payload())
	if err != nil {
		c.Fail(flux.EPROTO, "")
		return
	}
	v, ok := jansson.Parse([]byte(text))
	if !ok {
		c.Fail(flux.EPROTO, "")
		return
	}
	o, ok := v.(*jansson.Members)
	if !ok {
		c.Fail(flux.ENOMEM, "") // a quirk: an array is taken for a lack of memory
		return
	}
	o.SetString("route", c.Route())
	o.SetInt("userid", int64(int32(c.UserID())))
	o.SetInt("rolemask", int64(int32(c.Roles())))
	o.SetInt("rank", int64(c.Rank()))
	c.RespondBytes(append(o.Append(nil), 0))
}

func statsGet(c *router.Call) {
	type count struct {
		Request  int64 `json:"request"`
		Response int64 `json:"response"`
		Event    int64 `json:"event"`
		Control  int64 `json:"control"`
	}
	n := &c.At().Counters
	c.Respond(struct {
		Tx count `json:"tx"`
		Rx count `json:"rx"`
	}{
		count{Response: n.TxResponse.Load()},
		count{Request: n.RxRequest.Load(), Response: n.RxResponse.Load()},
	})
}

func statsClear(c *router.Call) {
	c.At().Counters.Clear()
	c.OK()
}

func rusage(c *router.Call) {
	who, ok := c.Object().Str("who")
	if !ok {
		who = "self" // a text that says nothing is accepted for what it is
	}
	switch who {
	case "self", "thread", "children":
		c.Respond(usage(who))
	default:
		c.Fail(flux.EINVAL, who+" is unsupported")
	}
}

func debug(c *router.Call) {
	o := c.Object()
	op, okOp := o.Str("op")
	n, okFlags := o.Int("flags")
	if !okOp || !okFlags {
		c.Fail(flux.EPROTO, "")
		return
	}
	bits, d := int32(n), c.Debug()
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
		c.Fail(flux.EPROTO, "")
		return
	}
	c.Respond(struct {
		Flags int32 `json:"flags"`
	}{d.Load()})
}
