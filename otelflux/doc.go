// Package otelflux reports what a [flux.Client] does to OpenTelemetry: a span
// for every call, stream and handled request, and metrics of these and of the
// connection.
//
//	client, err := flux.Dial(ctx, "", otelflux.New()...)
//
// [New] returns options for [flux.Dial] and [flux.NewClient], so nothing else of
// a program changes. Clones share the instrumentation of their connection.
//
// # Spans
//
// They follow the semantic conventions for RPC, with rpc.system "flux",
// rpc.service the part of the topic before the first period and rpc.method the
// rest; the name is "SERVICE/METHOD". What the conventions have no word for is
// in attributes of its own, named rpc.flux.*.
//
//   - A call is a client span, from the request to its response.
//   - A stream is a client span that ends when the stream does, with the number
//     of responses received in rpc.flux.responses. That the consumer ended it by
//     its ctx is no error; a deadline is.
//   - A confirmed publish is a producer span "publish TOPIC", with the
//     attributes of the conventions for messaging.
//   - A handled request is a server span, from the call of the handler to its
//     return. That the requester cancelled or went away is no error.
//
// A failure sets the status Error, error.type (the name of the errno, or what
// happened on this side) and, if a service or broker said it, rpc.flux.errno.
//
// Notify, Send, unconfirmed publishes and subscriptions have no spans; their
// messages are counted.
//
// # No propagation
//
// A Flux message has no field for a trace context, and this package puts none
// into payloads, which belong to the service. So the span of a handler is the
// root of a trace of its own and never the child of the caller's span. A span
// in the ctx that was given to Serve is linked.
//
// # Metrics
//
//	rpc.client.duration            histogram, ms: calls
//	rpc.server.duration            histogram, ms: handlers of unary requests
//	rpc.client.responses_per_rpc   histogram: responses of a stream
//	rpc.server.responses_per_rpc   histogram: responses to a streaming request
//	flux.client.messages.sent      counter, by flux.message.type
//	flux.client.messages.received  counter, by flux.message.type
//	flux.client.connects           counter, of connections made and restored
//	flux.client.reconnects         counter, of connections restored
//	flux.client.disconnects        counter, of connections lost or closed
//	flux.client.matchtags.retired  counter, of requests given up before their last reply
//	flux.client.slow_consumers     counter, of streams and subscriptions ended by a queue limit
//	flux.client.queue.depth        histogram: messages queued for a consumer that lags
//	flux.client.queue.size         histogram, bytes: the same
//
// The last four have the topic in flux.topic, of a subscription its prefix. The
// queue metrics are recorded when a message joins others that wait, so they
// describe the backlogs and not the time without one.
//
// Topics are attribute values: keep their number small. A service whose name
// bears a process or job id, or a glob route that takes any method, needs
// [WithTopics].
package otelflux
