// Package flux is a client of the Flux message broker (flux-framework, the HPC
// resource manager, not FluxCD), on channels and contexts, in pure Go.
//
// All parts of Flux talk through the broker: requests and responses, unary and
// streaming, published events, and services. [Dial] connects to it; the
// [Client] it returns is for the whole program to share, from any goroutine.
//
//	client, err := flux.Dial(ctx, "") // $FLUX_URI, else the system instance
//	defer client.Close()
//
// # Calls
//
// [Client.Call] sends a request and waits for its response; [CallAs] decodes
// it. [Client.Go] does not wait, [Client.Notify] wants no response, and
// [Client.Do] sends a prepared message. [Rank] and [Upstream] address a
// request; without them the nearest service answers.
//
// Flux has no timeouts of its own and never answers requests that were pending
// at a service that dies: give every call a deadline.
//
// # Streams
//
// [Client.Stream] returns the channel of a streaming request's responses, and
// [StreamAs] an iterator that decodes them. The ctx is the handle of a stream:
// its end sends the service's cancel request. An item's Err, Decode, Bytes and
// Text return the item's error first, so code that uses the data cannot miss the
// error that ends a stream.
//
// # Events
//
// [Client.Publish] publishes an event to the instance and returns its sequence
// number. [Client.Subscribe] returns a channel of the events with a topic
// prefix; the end of its ctx unsubscribes.
//
// # Services
//
// [Client.Serve] registers a service and answers its requests with a [Handler]:
// a [ServeMux], or a function. [Unary] and [ServerStream] make handlers of
// typed functions. Every request gets exactly one end, whatever its handler
// does, and by default only the instance owner is let in.
//
// # Errors
//
// An [*Error] is what a broker or service said, with its [Errno]; [errors.Is]
// matches flux.ENOENT, syscall.ENOENT and fs.ErrNotExist alike. All other
// errors are of this side: the end of a ctx, with its cause, [ErrClosed],
// [ErrConnLost], [ErrSlowConsumer]. [SafeToRetry] tells which operations may be
// repeated.
//
// # Slow consumers
//
// The broker queues without bound for a client that does not read, so this
// package always reads. What a consumer does not take is queued up to
// [QueueLimit]; past it, what was accepted is delivered and the stream or
// subscription ends with [ErrSlowConsumer]. [DropOldest] loses events instead
// and says where and how many with a [*GapError].
//
// # Options
//
// Options are typed by what they apply to. An option that makes no sense for an
// operation does not compile there.
//
//	Option                                            Applies to
//	Rank, Upstream                                    Call, CallAs, Go, Notify, Stream, StreamAs
//	CancelTopic                                       Call, CallAs, Go, Stream, StreamAs, DoStream
//	NoCancel                                          Stream, StreamAs, DoStream
//	QueueLimit                                        Stream, StreamAs, DoStream, Subscribe
//	DropOldest, Match                                 Subscribe
//	Private, Unconfirmed                              Publish
//	MaxInFlight, DrainTimeout, OnReady,
//	NoDefaultMethods                                  Serve
//	AllowRoles, Streaming, Sequential, Inline         ServeMux.Handle, HandleFunc, Override
//	WithReconnect                                     Dial
//	WithHandler, WithHooks, WithInterceptors,
//	WithLogger, WithMaxMessage, WithPayloadCodec,
//	WithRoles, WithTrace, WithUserID,
//	WithoutSubscribe                                  Dial, NewClient
//
// # Lifetimes
//
// [Client.Close] ends everything at once, [Client.Shutdown] lets things finish,
// and [Client.Clone] shares the connection with its own lifetime. A lost
// connection ends everything with [ErrConnLost], unless [WithReconnect] makes
// it again.
//
// # Payloads
//
// Wherever a payload is given, nil is none, a []byte is sent as it is, a string
// is text with a NUL added, and any other value is encoded as a JSON object
// with a NUL added (RFC 3).
//
// RFC numbers refer to the Flux RFCs, names with a section, such as
// flux_rpc(3), to flux-core's manual.
package flux
