// Package fluxtest is an embedded Flux broker for tests, examples and
// development, in the manner of net/http/httptest: a client of it meets the
// same bytes, routes, errors and traps as with a real one, and needs no Flux
// installed.
//
// [New] starts a broker for a test and [Start] one for a program:
//
//	b := fluxtest.New(t)
//	c := b.Client() // a connected *flux.Client
//
// By default each rank has a real UNIX socket, so other programs, the tools of
// Flux among them, can connect to [Broker.URI] too. With [InProcess] there is
// no socket: connections are made of memory and channels, and everything works
// inside a testing/synctest bubble.
//
// # What it does
//
// Instances of several ranks ([Size]) with a tree between them, routing and its
// errors, credentials and roles, events, client services, disconnect and
// cancel, and the broker's own services that clients use (attr, log, groups,
// overlay, state-machine and so on). Anything else is scripted with
// [Broker.Handle].
//
// # What it breaks on request
//
// Connections can be refused, dropped, stalled, delayed, cut in the middle of a
// message; messages lost, doubled, reordered, corrupted ([Faults]); the broker
// can be restarted under its clients ([Broker.Restart]) and ranks cut off the
// tree ([Broker.LoseRank]).
//
// # What it shows
//
// Everything that clients sent is recorded ([Broker.Requests],
// [Broker.Await]), and a test whose connections outlive it fails.
//
// It is never a deployment: nothing is stored, and nothing is fast on purpose
// except the forwarding of messages.
package fluxtest
