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
// overlay, state-machine and so on). For anything else there are two ways: a
// handler of the program is served with [Broker.Serve], and answers, errors and
// silence are scripted with [Broker.Handle].
//
// Clients are the instance owner's, or anybody's with [AsUser], [AsGuest] and
// [AsRoles].
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
// Everything that clients sent is recorded ([Broker.Requests]), and a test waits
// for it instead of sleeping ([Broker.AwaitRequest], [Broker.AwaitSubscribed]). A
// test whose connections outlive it fails.
//
// It is never a deployment: nothing is stored, and nothing is fast on purpose
// except the forwarding of messages.
//
// # Differences from a real broker
//
// One table of conversations is run against both (TestConform). What is known
// to differ:
//
//   - Services that are not the broker's own do not exist: kvs, jobs, resources,
//     rexec and so on get ENOSYS, until [Broker.Handle] or [Broker.HandleCapture]
//     scripts them. No module can be loaded or removed.
//   - Frames that kill a real broker end the connection alone.
//   - A request with the upstream flag climbs until some rank above has the
//     service. Brokers of release 0.88 send it back and forth for ever unless
//     the parent has it, or is rank 0.
//   - A broker is in the state that the test puts it in, and offline for as long
//     as that says; a lost rank goes at once; heartbeats come if
//     [HeartbeatEvery] says so.
//   - config.load changes what config.get shows, not who is admitted.
//   - All services of a rank show the same counts in stats-get, and blobs of
//     the content service are kept in memory.
//   - The log keeps and hands up what the default levels say, whatever they are
//     set to.
package fluxtest
