package router_test

import (
	"github.com/flux-sdk/flux/fluxtest/internal/wiretest"
)

type (
	wire = wiretest.Wire
	obj  = wiretest.Obj
)

var (
	bubble     = wiretest.Bubble
	dialWire   = wiretest.Dial
	request    = wiretest.Request
	at         = wiretest.At
	flagged    = wiretest.Flagged
	publish    = wiretest.Publish
	subscribed = wiretest.Subscribed
	advance    = wiretest.Advance
	hops       = wiretest.Hops
	show       = wiretest.Show
	errnum     = wiretest.Errnum
	want       = wiretest.Want
)
