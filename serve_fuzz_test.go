package flux

import (
	"context"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
	"github.com/flux-sdk/flux/transport"
)

// No message that arrives can keep a service from answering the next request.
func FuzzServe(f *testing.F) {
	for _, file := range []string{"service-basic", "service-streaming", "service-cancel", "service-disconnect"} {
		recs, err := golden.Load(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, r := range recs {
			if r.IsFrame() && r.Dir == capture.ServerToClient {
				f.Add(r.Frame()[codec.PrefixSize:])
			}
		}
	}
	for _, topic := range []string{"calc.ping", "calc.rusage", "calc.stats-get", "calc.stats-clear", "calc.cancel",
		"calc.x-cancel", "calc.disconnect", "calc.add", "calc.count", "calc", "."} {
		frame, err := codec.Append(nil, benchRequest(topic))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame[codec.PrefixSize:])
	}

	near, far := transport.Pipe(transport.Config{})
	mux := NewServeMux()
	mux.Handle("calc.add", Unary(sum))
	mux.HandleFunc("*", func(_ context.Context, w Responder, r *Request) error {
		b, err := r.Bytes()
		if err != nil {
			return err
		}
		return w.Respond(b)
	}, AllowRoles(RoleAll))
	c := NewClient(near, WithHandler(mux))
	done := make(chan error, 1)
	go func() { done <- c.Serve(context.Background(), "calc", mux) }()
	f.Cleanup(func() {
		far.Close()
		<-done
		c.Close()
	})
	var add codec.Message
	if err := far.Recv(&add); err != nil {
		f.Fatal(err)
	}
	if err := far.Send(f.Context(), codec.NewResponse(&add)); err != nil {
		f.Fatal(err)
	}

	marker := uint32(0)
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := codec.Decode(body)
		if err != nil || far.Send(t.Context(), m) != nil {
			return // nothing that a broker can deliver
		}
		marker++
		next := codec.NewRequest("calc.marker")
		next.Rolemask, next.Matchtag, next.Routes = uint32(RoleOwner), marker, codec.MakeRoutes("the marker")
		if err := far.Send(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		for {
			var got codec.Message
			if err := far.Recv(&got); err != nil {
				t.Fatalf("after %+v: %v", m, err)
			}
			if got.Topic == next.Topic && got.Matchtag == marker && got.Routes.Origin() == "the marker" {
				return
			}
		}
	})
}
