package otelflux

import (
	"context"
	"errors"

	"github.com/flux-sdk/flux"
)

// tapBuffer is how many responses wait between the client's queue and the
// consumer, on top of what flux.QueueLimit allows.
const tapBuffer = 16

// tap passes a stream on and ends its operation when it ends. The channel keeps
// the contract of flux.Client.Stream.
func (t *telemetry) tap(o *operation, in <-chan flux.Response) <-chan flux.Response {
	out := make(chan flux.Response, tapBuffer)
	go func() {
		defer close(out) // last, so that who sees the end sees a span that is over
		n, err := forward(o.ctx.Done(), in, out)
		switch {
		case err == nil:
		case errors.Is(err, context.Canceled):
			o.span.SetAttributes(endKey.String("canceled")) // how a consumer leaves
		default:
			o.failWith(err)
		}
		o.delivered(t.m.clientResponses, n)
	}()
	return out
}

// forward passes on what comes, in order, until the end of in. When done closes
// it waits for the consumer no longer, and drops what is queued. It returns the
// number of responses passed on and the error that ended the stream, if any.
func forward(done <-chan struct{}, in <-chan flux.Response, out chan flux.Response) (n int64, err error) {
	dropped := false
	for r := range in {
		if err := r.Err(); err != nil {
			replace(out, r)
			for range in { // the contract says that there is none
			}
			return n, err
		}
		if dropped {
			continue
		}
		select {
		case out <- r: // also after done, while there is room
			n++
		default:
			select {
			case out <- r:
				n++
			case <-done:
				dropped = true
			}
		}
	}
	if dropped {
		// The service ended the stream before the end of ctx got through. It
		// must not look complete, so it ends with the zero Response's error.
		var incomplete flux.Response
		replace(out, incomplete)
		return n, context.Canceled
	}
	return n, nil
}

// replace sends the last item, in the place of the oldest that nobody took if
// there is no other. The caller is the only sender.
func replace(out chan flux.Response, last flux.Response) {
	for {
		select {
		case out <- last:
			return
		default:
		}
		select {
		case <-out:
		default:
		}
	}
}
