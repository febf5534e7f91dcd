package fluxtest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

func TestHandle(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		b.Handle("calc.add", func(r *fluxtest.Request) {
			var in struct{ A, B int }
			if err := r.Decode(&in); err != nil {
				r.Fail(&flux.Error{Errno: flux.EPROTO, Message: err.Error()})
				return
			}
			r.Respond(obj{"sum": in.A + in.B})
			if err := r.Respond(nil); !errors.Is(err, fluxtest.ErrAnswered) {
				t.Errorf("second answer: %v", err)
			}
		})
		b.Handle("calc.fail",
			func(r *fluxtest.Request) { r.Fail(&flux.Error{Errno: flux.ENOENT, Message: "no such thing"}) })
		b.Handle("calc.count", func(r *fluxtest.Request) {
			for i := range 3 {
				r.Respond(obj{"i": i})
			}
			r.End()
		})
		b.HandleInline("calc.twice", func(r *fluxtest.Request) {
			resp := codec.NewResponse(r.Message())
			r.Send(resp)
			resp.Errnum = 5
			r.Send(resp)
		})
		w := dialWire(t, b)
		want(t, w.Call(request("calc.add", 1, obj{"a": 1, "b": 2})), 0, `{"sum":3}`)
		if m := w.Call(request("calc.add", 1, nil)); m.Errnum != 71 {
			t.Errorf("%s", show(m))
		}
		want(t, w.Call(request("calc.fail", 1, nil)), 2, "no such thing")
		w.Send(flagged(request("calc.count", 1, nil), codec.FlagStreaming))
		for _, text := range []string{`{"i":0}`, `{"i":1}`, `{"i":2}`} {
			m := w.Next()
			want(t, m, 0, text)
			if m.Flags&codec.FlagStreaming == 0 || m.UserID != 0 || m.Rolemask != 5 {
				t.Errorf("flags %s, userid %d, rolemask %d", m.Flags, m.UserID, m.Rolemask)
			}
		}
		want(t, w.Next(), 61, "")
		want(t, w.Call(request("calc.twice", 1, nil)), 0, "")
		want(t, w.Next(), 5, "")
		// It is a module to clients.
		want(t, w.Call(request("calc.nosuch", 1, nil)), 38, "Unknown service method 'calc.nosuch'")
		want(t, w.Call(request("service.add", 1, obj{"service": "calc"})), 17, "")
		if m := w.Call(request("calc.ping", 1, obj{})); m.Errnum != 0 {
			t.Errorf("%s", show(m))
		}
		// No answer to those that want none.
		w.Send(flagged(request("calc.add", 0, obj{"a": 1, "b": 2}), codec.FlagNoResponse))
		w.None()
		// Scripts go before the broker's own services, until removed.
		b.Handle("attr.get", func(r *fluxtest.Request) { r.Fail(flux.EAGAIN) })
		want(t, w.Call(request("attr.get", 1, obj{"name": "rank"})), 11, "")
		b.Handle("attr.get", nil)
		want(t, w.Call(request("attr.get", 1, obj{"name": "rank"})), 0, `{"value":"0","flags":1}`)
		// Literals before globs, newer globs before older ones.
		b.Handle("glob.*", func(r *fluxtest.Request) { r.Respond("old") })
		b.Handle("glob.a*", func(r *fluxtest.Request) { r.Respond("new") })
		b.Handle("glob.a", func(r *fluxtest.Request) { r.Respond("literal") })
		want(t, w.Call(request("glob.a", 1, nil)), 0, "literal")
		want(t, w.Call(request("glob.ab", 1, nil)), 0, "new")
		want(t, w.Call(request("glob.b", 1, nil)), 0, "old")
	})
}

func TestHandleAt(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		b.HandleAt(1, "one.x", func(r *fluxtest.Request) { r.Respond(obj{"rank": r.Rank()}) })
		b.Handle("all.x", func(r *fluxtest.Request) { r.Respond(obj{"rank": r.Rank()}) })
		top, low := dialWire(t, b), dialWire(t, b, fluxtest.AtRank(3))
		want(t, top.Call(request("one.x", 1, nil)), 38, "No service matching one.x is registered")
		want(t, top.Call(at(request("one.x", 1, nil), 1)), 0, `{"rank":1}`)
		want(t, low.Call(request("one.x", 1, nil)), 0, `{"rank":1}`)
		want(t, low.Call(request("all.x", 1, nil)), 0, `{"rank":3}`)
		want(t, low.Call(at(request("all.x", 1, nil), 2)), 0, `{"rank":2}`)
	}, fluxtest.Size(4))
}

// A scripted stream ends when its client cancels, with ENODATA, or goes.
func TestHandleEnds(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		causes := make(chan error, 8)
		b.Handle("calc.watch", func(r *fluxtest.Request) {
			r.Respond(obj{"first": 1})
			<-r.Context().Done()
			causes <- context.Cause(r.Context())
			r.Respond(obj{"late": 1})
		})
		b.Handle("calc.slow", func(r *fluxtest.Request) {
			<-r.Context().Done()
			causes <- context.Cause(r.Context())
			r.Fail(flux.ECANCELED)
		})
		cause := func(want error) {
			t.Helper()
			if err := <-causes; !errors.Is(err, want) {
				t.Errorf("cause %v, want %v", err, want)
			}
		}
		watch := flagged(request("calc.watch", 7, nil), codec.FlagStreaming)
		w, other := dialWire(t, b), dialWire(t, b)
		want(t, w.Call(watch), 0, `{"first":1}`)
		want(t, other.Call(watch), 0, `{"first":1}`)
		// Neither an unknown tag nor another client's cancel ends it.
		for _, m := range []*codec.Message{
			request("calc.cancel", 0, obj{"matchtag": 8}), request("calc.cancel", 0, obj{"x": 8}),
			request("calc.cancel", 0, nil),
		} {
			w.Send(flagged(m, codec.FlagNoResponse))
		}
		w.None()
		w.Send(flagged(request("calc.watch-cancel", 0, obj{"matchtag": 7}), codec.FlagNoResponse))
		want(t, w.Next(), 61, "")
		cause(fluxtest.ErrCancelled)
		other.None()
		w.None()

		// What is not a stream decides for itself.
		w.Send(request("calc.slow", 8, nil))
		w.Send(flagged(request("calc.cancel", 0, obj{"matchtag": 8}), codec.FlagNoResponse))
		cause(fluxtest.ErrCancelled)
		want(t, w.Next(), 125, "")

		other.Conn.Close()
		cause(fluxtest.ErrDisconnected)
		want(t, w.Call(watch), 0, `{"first":1}`)
		go b.Close()
		cause(fluxtest.ErrClosed)
		synctest.Wait()
	})
}

func TestScriptThatStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := fluxtest.Start(fluxtest.InProcess())
		if err != nil {
			t.Fatal(err)
		}
		free := make(chan struct{})
		b.Handle("stuck.x", func(*fluxtest.Request) { <-free })
		w := dialWire(t, b)
		w.Send(request("stuck.x", 1, nil))
		if err := b.Close(); err == nil || err.Error() != "fluxtest: still running after Close: stuck.x" {
			t.Errorf("Close: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		close(free)
	})
}

// Answers are given late, and not at all.
func TestAnswerLate(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		var kept []*fluxtest.Request
		b.HandleInline("late.x", func(r *fluxtest.Request) { kept = append(kept, r) })
		w := dialWire(t, b)
		for tag := range uint32(3) {
			w.Send(request("late.x", tag+1, nil))
		}
		w.None()
		kept[2].Respond(nil)
		kept[0].Respond(nil)
		if m := w.Next(); m.Matchtag != 3 {
			t.Errorf("tag %d, want 3", m.Matchtag)
		}
		if m := w.Next(); m.Matchtag != 1 {
			t.Errorf("tag %d, want 1", m.Matchtag)
		}
		if kept[1].Context().Err() != nil || kept[0].Context().Err() == nil {
			t.Errorf("contexts: %v, %v", kept[1].Context().Err(), kept[0].Context().Err())
		}
	})
}
