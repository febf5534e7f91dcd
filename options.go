package flux

import (
	"io"
	"log/slog"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/outbox"
)

// Options are typed by what they apply to, one interface for each operation: an
// option that makes no sense for an operation does not compile there.

// CallOption applies to [Client.Call], [Client.Go], [Client.Notify] and [CallAs].
type CallOption interface{ applyCall(*callOptions) }

// StreamOption applies to [Client.Stream], [Client.DoStream] and [StreamAs].
type StreamOption interface{ applyStream(*callOptions) }

// SubscribeOption applies to [Client.Subscribe].
type SubscribeOption interface{ applySubscribe(*subscribeOptions) }

// PublishOption applies to [Client.Publish].
type PublishOption interface{ applyPublish(*publishOptions) }

// RouteOption applies to [ServeMux.Handle], HandleFunc and Override.
type RouteOption interface{ applyRoute(*routeOptions) }

// ServeOption applies to [Client.Serve].
type ServeOption interface{ applyServe(*serveOptions) }

// DialOption applies to [Dial] and [NewClient].
type DialOption interface{ applyDial(*dialOptions) }

// callOptions are the settings of one request.
type callOptions struct {
	nodeid      uint32
	cancelTopic string
	noCancel    bool
	limit       outbox.Limit
}

func newCallOptions(opts []CallOption) callOptions {
	if len(opts) == 0 {
		return callOptions{nodeid: codec.NodeAny} // on the stack
	}
	o := &callOptions{nodeid: codec.NodeAny}
	for _, opt := range opts {
		opt.applyCall(o)
	}
	return *o
}

type subscribeOptions struct {
	limit      outbox.Limit
	dropOldest bool
	match      string
}

type publishOptions struct {
	private     bool
	unconfirmed bool
}

type routeOptions struct {
	roles      Role
	streaming  bool
	sequential bool
	inline     bool
}

type serveOptions struct {
	maxInFlight  int
	drainTimeout time.Duration
	noDefaults   bool
	onReady      func()
}

type dialOptions struct {
	reconnect    *ReconnectPolicy
	trace        io.Writer
	matchDebug   io.Writer
	hooks        *Hooks
	interceptors []Interceptor
	handler      Handler
	logger       *slog.Logger
	noSubscribe  bool
	payload      PayloadCodec
	userid       *uint32
	roles        *Role
	maxMessage   int
}

// ReconnectPolicy says how a lost connection is made again; see
// [WithReconnect]. The zero value means sensible defaults and trying until
// Close.
type ReconnectPolicy struct {
	// MinBackoff and MaxBackoff bound the pause before an attempt, which
	// doubles from one to the other and is cut at random by up to half, so that
	// the clients of a broker do not come back all at once. The first attempt
	// is made after such a pause as well. 0 means 50 ms and 5 s.
	MinBackoff, MaxBackoff time.Duration
	// MaxAttempts is how many attempts in a row may fail before the connection
	// is finally gone; 0 means no limit.
	MaxAttempts int
	// AttemptTimeout bounds the dial of one attempt; 0 means 30 s.
	AttemptTimeout time.Duration
}

func newDialOptions(opts []DialOption) dialOptions {
	var o dialOptions
	for _, opt := range opts {
		opt.applyDial(&o)
	}
	return o
}

type dialOption func(*dialOptions)

func (f dialOption) applyDial(o *dialOptions) { f(o) }

// RequestOption is an option for any kind of request. [Rank], [Upstream] and
// [CancelTopic] return one.
type RequestOption interface {
	CallOption
	StreamOption
}

type requestOption func(*callOptions)

func (f requestOption) applyCall(o *callOptions)   { f(o) }
func (f requestOption) applyStream(o *callOptions) { f(o) }

type streamOption func(*callOptions)

func (f streamOption) applyStream(o *callOptions) { f(o) }

// Rank addresses a request to the broker of one rank. Without it the nearest
// service answers (RFC 3, FLUX_NODEID_ANY).
func Rank(rank uint32) RequestOption {
	return requestOption(func(o *callOptions) { o.nodeid = rank })
}

// Upstream addresses a request to the nearest service above this client's own
// broker (FLUX_NODEID_UPSTREAM): that broker itself is passed over.
func Upstream() RequestOption {
	return requestOption(func(o *callOptions) { o.nodeid = codec.NodeUpstream })
}

// CancelTopic names the request that cancels: for a stream, in place of the one
// this package knows or guesses (SERVICE.cancel); for a call, which sends none
// otherwise, the end of its ctx then sends it. It goes to the same rank with
// the payload {"matchtag":N} and wants no response (RFC 6).
func CancelTopic(topic string) RequestOption {
	return requestOption(func(o *callOptions) { o.cancelTopic = topic })
}

// NoCancel makes the end of a stream's ctx send nothing. The service goes on sending
// responses, which are dropped, until it ends the stream itself.
func NoCancel() StreamOption {
	return streamOption(func(o *callOptions) { o.noCancel = true })
}

// QueueOption is an option for everything that delivers on a channel. [QueueLimit]
// returns one.
type QueueOption interface {
	StreamOption
	SubscribeOption
}

type queueOption outbox.Limit

func (q queueOption) applyStream(o *callOptions)         { o.limit = outbox.Limit(q) }
func (q queueOption) applySubscribe(o *subscribeOptions) { o.limit = outbox.Limit(q) }

// QueueLimit bounds what is queued for a consumer that does not keep up, in
// messages and in bytes; zero or less leaves the default, 65,536 messages and
// 64 MiB. A single message is accepted whatever its size. Each message counts
// for a little more than its payload.
func QueueLimit(msgs, bytes int) QueueOption { return queueOption{msgs, bytes} }

type subscribeOption func(*subscribeOptions)

func (f subscribeOption) applySubscribe(o *subscribeOptions) { f(o) }

// DropOldest keeps the subscription of a slow consumer alive: past the queue
// limit the oldest events that wait are dropped, and an item whose error is a
// [*GapError] with their exact number stands where they were.
func DropOldest() SubscribeOption {
	return subscribeOption(func(o *subscribeOptions) { o.dropOldest = true })
}

// Match delivers only the events whose whole topic matches a glob, by the rules
// of [codec.Match]. It filters what the prefix lets through.
func Match(glob string) SubscribeOption {
	return subscribeOption(func(o *subscribeOptions) { o.match = glob })
}

type publishOption func(*publishOptions)

func (f publishOption) applyPublish(o *publishOptions) { f(o) }

// Private makes an event go only to the instance owner and to clients with the
// publisher's userid.
func Private() PublishOption {
	return publishOption(func(o *publishOptions) { o.private = true })
}

// Unconfirmed sends the event without asking for its sequence number: the
// publish returns 0 as soon as the event is accepted for sending, and nothing
// more is known of it.
func Unconfirmed() PublishOption {
	return publishOption(func(o *publishOptions) { o.unconfirmed = true })
}

type routeOption func(*routeOptions)

func (f routeOption) applyRoute(o *routeOptions) { f(o) }

// AllowRoles lets requests through whose sender has any of the roles. The
// instance owner is always let through. A refused request gets EPERM.
func AllowRoles(roles Role) RouteOption {
	return routeOption(func(o *routeOptions) { o.roles |= roles })
}

// Streaming makes a route for streaming requests only: a request without the
// streaming flag gets EPROTO and the handler does not run.
func Streaming() RouteOption {
	return routeOption(func(o *routeOptions) { o.streaming = true })
}

// Sequential makes a route's requests run one at a time, in order of arrival.
func Sequential() RouteOption {
	return routeOption(func(o *routeOptions) { o.sequential = true })
}

// Inline makes the requests of all routes that have it run one at a time, in
// order of arrival, on one goroutine of the service. That spares a short handler
// the goroutine of its own and lets its response leave together with others.
//
// It is for handlers that neither wait nor compute for long: one that does holds
// up the service's other Inline routes, and one that waits for the answer of
// another Inline route of its own service waits until its ctx ends. Requests
// that wait for their turn are bounded as those of other routes are, by
// [MaxInFlight] and 1024 more. Inline has no effect on a [Sequential] route, and
// none in a mux that is behind another handler.
func Inline() RouteOption {
	return routeOption(func(o *routeOptions) { o.inline = true })
}

type serveOption func(*serveOptions)

func (f serveOption) applyServe(o *serveOptions) { f(o) }

// MaxInFlight bounds how many handlers of a service run at once; the default is
// 16,384. Sequential routes come on top, one handler each.
func MaxInFlight(n int) ServeOption {
	return serveOption(func(o *serveOptions) { o.maxInFlight = max(n, 1) })
}

// DrainTimeout bounds how long an ending Serve waits for its handlers. The default
// is ten seconds.
func DrainTimeout(d time.Duration) ServeOption {
	return serveOption(func(o *serveOptions) { o.drainTimeout = d })
}

// OnReady has f called, once, when the service is registered and takes requests.
func OnReady(f func()) ServeOption {
	return serveOption(func(o *serveOptions) { o.onReady = f })
}

// NoDefaultMethods leaves ping, stats-get, stats-clear and rusage to the
// service's own handler.
func NoDefaultMethods() ServeOption {
	return serveOption(func(o *serveOptions) { o.noDefaults = true })
}

// WithHandler answers the requests that belong to no service the client serves,
// which are otherwise answered with ENOSYS. The defaults of [Client.Serve]
// apply; closing the client ends it.
func WithHandler(h Handler) DialOption {
	return dialOption(func(o *dialOptions) { o.handler = h })
}

// WithReconnect makes a lost connection again. What is in flight at the loss
// fails with [ErrConnLost]: calls ([SafeToRetry] tells which may be repeated)
// and streams, which are never restarted; the handlers of a service's requests
// see their ctx end. When the new connection is there and the broker runs,
// services are registered and subscriptions made again; the first item of each
// subscription is then a [*GapError], and all that is published after it is
// received. Calls made meanwhile wait within their ctx.
//
// It does not retry the first dial.
func WithReconnect(policy ReconnectPolicy) DialOption {
	return dialOption(func(o *dialOptions) { o.reconnect = &policy })
}

// WithTrace writes every message sent and received to w, in the shape of
// libflux's FLUX_HANDLE_TRACE; setting that environment variable does the same
// with standard error. A slow w delays nobody; what it cannot take is left out.
func WithTrace(w io.Writer) DialOption {
	return dialOption(func(o *dialOptions) { o.trace = w })
}

// WithHooks makes the client tell what happens; see [Hooks].
func WithHooks(h Hooks) DialOption {
	return dialOption(func(o *dialOptions) { o.hooks = &h })
}

// WithInterceptors wraps the client's operations; the first interceptor is the
// outermost. Given again, it adds to those given before.
func WithInterceptors(list ...Interceptor) DialOption {
	return dialOption(func(o *dialOptions) { o.interceptors = append(o.interceptors, list...) })
}

// WithLogger makes the client log what it cannot tell a caller. Without it the
// client is silent, but for a handler's panic, which goes to slog.Default.
func WithLogger(l *slog.Logger) DialOption {
	return dialOption(func(o *dialOptions) { o.logger = l })
}

// WithoutSubscribe makes subscriptions local: the broker is not asked for
// events, so only those arrive that come anyway. It is for tests
// (FLUX_O_TEST_NOSUB).
func WithoutSubscribe() DialOption {
	return dialOption(func(o *dialOptions) { o.noSubscribe = true })
}

// WithUserID puts a userid into every message sent that has none. A broker
// honours it only on a connection of the instance owner (FLUX_HANDLE_USERID).
func WithUserID(userid uint32) DialOption {
	return dialOption(func(o *dialOptions) { o.userid = &userid })
}

// WithRoles puts a rolemask into every message sent that has none. A broker
// honours it only on a connection of the instance owner, so it can only lower
// privilege (FLUX_HANDLE_ROLEMASK).
func WithRoles(roles Role) DialOption {
	return dialOption(func(o *dialOptions) { o.roles = &roles })
}

// WithPayloadCodec makes c encode and decode the payloads that are Go values,
// in place of encoding/json.
func WithPayloadCodec(c PayloadCodec) DialOption {
	return dialOption(func(o *dialOptions) { o.payload = c })
}

// WithMaxMessage caps the size of a message, sent or received, in bytes. The
// default is 1 GiB. A larger one to send is an error; a larger one received
// ends the connection.
func WithMaxMessage(bytes int) DialOption {
	return dialOption(func(o *dialOptions) { o.maxMessage = bytes })
}

// Defaults of [QueueLimit].
const (
	defaultQueueMessages = 65536
	defaultQueueBytes    = 64 << 20
)

// orDefault fills in the bounds that were not given.
func orDefault(l outbox.Limit) outbox.Limit {
	if l.Messages <= 0 {
		l.Messages = defaultQueueMessages
	}
	if l.Bytes <= 0 {
		l.Bytes = defaultQueueBytes
	}
	return l
}
