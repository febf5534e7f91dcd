package flux

import (
	"context"

	"github.com/flux-sdk/flux/codec"
)

// CallFunc makes one call: m is the request, complete but for its matchtag.
type CallFunc func(ctx context.Context, m *codec.Message) (Response, error)

// StreamFunc opens one stream, likewise.
type StreamFunc func(ctx context.Context, m *codec.Message) (<-chan Response, error)

// Interceptor wraps what a client does, for tracing, metrics, or changing
// requests on their way; see [WithInterceptors]. Each method gets the next step
// and returns what runs in its place, or the next step itself. It is called for
// every operation, concurrently.
//
// An interceptor may change m. One that wraps a stream's channel must keep its
// contract: every item in order, one end.
type Interceptor interface {
	// WrapCall wraps Call, CallAs, Go, Do, and what is built on them.
	WrapCall(next CallFunc) CallFunc
	// WrapStream wraps Stream, StreamAs and DoStream.
	WrapStream(next StreamFunc) StreamFunc
	// WrapHandler wraps the handler of each request that is let through.
	WrapHandler(next Handler) Handler
}

// InterceptorFuncs is an [Interceptor] of functions, each of which may be nil.
type InterceptorFuncs struct {
	Call    func(next CallFunc) CallFunc
	Stream  func(next StreamFunc) StreamFunc
	Handler func(next Handler) Handler
}

// WrapCall calls Call.
func (f InterceptorFuncs) WrapCall(next CallFunc) CallFunc {
	if f.Call == nil {
		return next
	}
	return f.Call(next)
}

// WrapStream calls Stream.
func (f InterceptorFuncs) WrapStream(next StreamFunc) StreamFunc {
	if f.Stream == nil {
		return next
	}
	return f.Stream(next)
}

// WrapHandler calls Handler.
func (f InterceptorFuncs) WrapHandler(next Handler) Handler {
	if f.Handler == nil {
		return next
	}
	return f.Handler(next)
}

// intercept puts the interceptors around the last step; the first given is the
// outermost.
func intercept[F any](list []Interceptor, wrap func(Interceptor, F) F, last F) F {
	for i := len(list) - 1; i >= 0; i-- {
		last = wrap(list[i], last)
	}
	return last
}
