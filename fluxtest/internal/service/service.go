// Package service is what a service of the embedded broker is written against.
//
// A service is a [Service] value: a name and the methods behind it. A package of
// a service has a constructor that takes the [Broker] which the service is part
// of, and returns the value:
//
//	package hello
//
//	// New returns the service "hello" of one instance.
//	func New(b service.Broker) *service.Service {
//		return &service.Service{Name: "hello", Module: true, Methods: map[string]service.Method{
//			"greet": {Allow: flux.RoleUser, Serve: func(r *service.Request) {
//				name, ok := r.Object().Str("name")
//				if !ok {
//					r.Fail(flux.EPROTO, "")
//					return
//				}
//				r.Respond(map[string]any{"text": "hello " + name, "rank": r.Rank(), "size": b.Size()})
//			}},
//		}}
//	}
//
// It is registered by one line in fluxtest/services.go, which makes all services
// of an instance. The constructor is called once for each life of the broker
// (Start, and each Up or Restart after that), so state that a crash forgets lives
// in what the constructor makes, and needs no reset.
//
// # Ranks
//
// One value serves all ranks; [Request.Rank] says at which of them a request is.
// A service of state per rank keeps a slice by rank. With [Service.Ranks] the
// service exists on some ranks only, as a module that is loaded on rank 0: a
// request from another rank climbs the tree to the next one that has it.
//
// # Goroutines and locks
//
// A method is called by the goroutine that reads the requester's connection, and
// nothing else of that connection is read meanwhile. So methods run concurrently
// with each other for different connections, in the order of arrival for one, and
// must not wait: for another request, a lock that is held while waiting, a
// process. What takes time goes into a goroutine of [Broker.Go].
//
// Everything in this package may be called while a lock of the service is held.
// The broker calls nothing of the service while it holds a lock of its own.
//
// # Answers
//
// A request without the streaming flag gets one answer, one with it any number
// and then an error, which is ENODATA for the regular end ([Request.End]). A
// request that wants no response gets none, whatever the service does. The broker
// does not check any of that: what a service sends is sent.
//
// To answer later, or from another goroutine, use [Request.Keep]; to answer many
// requests when something happens, put what Keep returns into a [Pending].
//
// # Cancel and disconnect
//
// When a client goes, the services that it sent requests to get a request with
// the topic NAME.disconnect, without a payload, that wants no response. To be
// exact, the last word of the topic is replaced, so a method "a.b" needs an
// "a.disconnect". When a client gives up one request it sends NAME.cancel, or what
// the service documents as its cancel topic, with the matchtag in the payload. Both
// are methods like others:
//
//	"cancel": {Allow: flux.RoleUser, Serve: func(r *service.Request) {
//		mu.Lock()
//		defer mu.Unlock()
//		if stream := waiting.Cancel(r); stream != nil {
//			stream.End()
//		}
//	}},
//	"disconnect": {Allow: flux.RoleUser, Serve: func(r *service.Request) {
//		mu.Lock()
//		defer mu.Unlock()
//		waiting.Disconnect(r) // these want no answer any more
//	}},
//
// [Pending.Cancel] and [Pending.Disconnect] apply the rules by which a notice
// finds what it is about. A service without a disconnect method hears nothing.
package service

import (
	"context"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/jansson"
)

// Service is one service of the embedded broker. It must not be changed once it
// is registered.
type Service struct {
	// Name is the first word of the service's topics, without a period.
	Name string
	// Methods are the topics that are served, by what follows Name and the
	// period: "get" is NAME.get. Any other topic is answered ENOSYS.
	Methods map[string]Method
	// Module says that this is a module of the broker: module.list shows it, it
	// is a hop of its own in the route that ping shows, and it has what all
	// modules have (ping, stats-get, stats-clear, rusage, debug, config-reload)
	// unless Methods has that itself.
	Module bool
	// Ranks reports whether the service exists on a rank; nil is on all.
	Ranks func(rank uint32) bool
	// RankLost, if not nil, is called when a rank is cut off the tree for good,
	// once for it and once for each rank below it, parents first.
	RankLost func(rank uint32)

	// Defaults gives a service that is no module the methods of modules.
	Defaults bool
	// Terse refuses unknown methods without a text.
	Terse bool
}

// Method is one topic of a service.
type Method struct {
	// Allow are the roles that are let in besides the instance owner; 0 is the
	// owner alone. Others get EPERM.
	Allow flux.Role
	// Serve serves one request; see the package's doc for what it may do.
	Serve func(*Request)
}

// NoArgs makes a method of one that takes no arguments: any text will do for a
// payload, or none, but what is no text is answered EPROTO.
func NoArgs(serve func(*Request)) func(*Request) {
	return func(r *Request) {
		if r.m.HasPayload() {
			if _, err := codec.TextPayload(r.m.Payload); err != nil {
				r.Fail(flux.EPROTO, "")
				return
			}
		}
		serve(r)
	}
}

// Broker is the instance that a service is part of, from Start or Up until it is
// taken down. Its methods may be called concurrently and after its end.
type Broker interface {
	// Size is the number of ranks, and Owner the userid of the instance owner.
	Size() int
	Owner() uint32
	// Online reports whether a rank is there: it has not been lost, and the
	// instance is up.
	Online(rank uint32) bool
	// Config is the configuration of the instance, as config.get shows it at
	// this moment: a JSON object, never nil. It must not be changed.
	Config() jansson.Object
	// Publish publishes an event from rank 0 and returns its number. When it
	// returns, the event is queued for all subscribers. Unset credentials are
	// the owner's; number and routes are assigned. m is not changed.
	Publish(m *codec.Message) uint32
	// Go runs f in a goroutine that Close waits for. ctx ends when the instance
	// does, and f must return soon after. Go reports false, and does not run f,
	// if the instance has ended.
	Go(f func(ctx context.Context)) bool
}
