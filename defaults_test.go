package flux

import (
	"context"
	"encoding/json"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
	"github.com/flux-sdk/flux/transport"
)

// reply sends a request and returns its one reply.
func (f *front) reply(topic string, mods ...requestMod) *codec.Message {
	f.t.Helper()
	req := f.send(topic, mods...)
	got := f.replies()
	if len(got) != 1 {
		f.t.Fatalf("%d replies to %s, want 1", len(got), topic)
	}
	f.fits(req, got[0])
	return got[0]
}

func decodeReply(t *testing.T, m *codec.Message, v any) {
	t.Helper()
	b, err := codec.JSONPayload(m.Payload)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil || m.Errnum != 0 {
		t.Fatalf("reply is %s, %v", show(m), err)
	}
}

func TestDefaultPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		f.serve("calc", say("own"))
		routes := func(m *codec.Message) {
			m.Routes = codec.MakeRoutes("63c2cf00-a775", "ec006d8c-9d9d", "short", "7b7126b5-6888")
		}
		for _, tt := range []struct {
			mod  requestMod
			want string
		}{
			{with(json.RawMessage(`{"seq":1,"pad":"x"}`)),
				`{"pad":"x","rank":3,"rolemask":5,"route":"7b7126b5!short!ec006d8c!63c2cf00","seq":1,"userid":0}`},
			{with(json.RawMessage(`{"big":18446744073709551615,"userid":7,"route":null}`)),
				`{"big":18446744073709551615,"rank":3,"rolemask":5,"route":"7b7126b5!short!ec006d8c!63c2cf00","userid":0}`},
			{with(json.RawMessage(`{}`)), `{"rank":3,"rolemask":5,"route":"7b7126b5!short!ec006d8c!63c2cf00","userid":0}`},
		} {
			f.want(f.send("calc.ping", routes, tt.mod), "ok "+tt.want)
		}
		f.want(f.send("calc.ping", routes, as(1234, RoleUser), with(object1{})),
			`ok {"rank":3,"rolemask":2,"route":"7b7126b5!short!ec006d8c!63c2cf00","userid":1234}`)
		for _, bad := range []requestMod{with(nil), with("text"), with([]byte("{}"))} {
			f.want(f.send("calc.ping", bad), "EPROTO")
		}
		f.want(f.send("calc.ping", with(object1{}), quiet))
	})
}

func TestDefaultStats(t *testing.T) {
	type counts struct{ Request, Response, Event, Control int }
	type stats struct{ TX, RX counts }
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		f.serve("calc", say("own"))
		guest := as(1234, RoleUser)
		f.want(f.send("calc.stats-clear", guest), `EPERM "Request requires owner credentials"`)
		f.want(f.send("calc.stats-clear"), "ok")
		for range 3 {
			f.want(f.send("calc.x"), "ok own")
		}
		f.want(f.send("calc.x", quiet))
		var got stats
		decodeReply(t, f.reply("calc.stats-get", guest), &got)
		// The response to stats-clear is the first that counts.
		if want := (stats{TX: counts{Response: 4}, RX: counts{Request: 5}}); got != want {
			t.Errorf("stats are %+v, want %+v", got, want)
		}
		if _, err := f.c.Call(t.Context(), "service.add", serviceRequest{"more"}); err != nil {
			t.Fatal(err)
		}
		f.p.Send(codec.NewEvent("some.event"))
		decodeReply(t, f.reply("calc.stats-get"), &got)
		if want := (stats{TX: counts{Request: 1, Response: 5}, RX: counts{Request: 6, Response: 1, Event: 1}}); got != want {
			t.Errorf("stats are %+v, want %+v", got, want)
		}
	})
}

func TestDefaultRusage(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no getrusage")
	}
	// The fields of libflux's rusage.c, of which every system has some of use.
	fields := strings.Fields(`utime stime maxrss ixrss idrss isrss minflt majflt nswap
		inblock oublock msgsnd msgrcv nsignals nvcsw nivcsw`)
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		f.serve("calc", say("own"))
		for _, mod := range []requestMod{
			with(nil), with(json.RawMessage(`{}`)), with(json.RawMessage(`{"who":"self"}`)),
			with(json.RawMessage(`{"who":"children"}`)),
		} {
			var got map[string]float64
			decodeReply(t, f.reply("calc.rusage", mod, as(1234, RoleUser)), &got)
			for _, name := range fields {
				if v, ok := got[name]; !ok || v < 0 || name != "utime" && name != "stime" && v != math.Trunc(v) {
					t.Errorf("%s is %v, %v", name, v, ok)
				}
			}
			if len(got) != len(fields) {
				t.Errorf("%d fields, want %d", len(got), len(fields))
			}
		}
		var self map[string]float64
		decodeReply(t, f.reply("calc.rusage"), &self)
		if self["maxrss"] <= 0 || self["minflt"] <= 0 {
			t.Errorf("usage of this process is %v", self)
		}
		f.want(f.send("calc.rusage", with(json.RawMessage(`{"who":"thread"}`))), `EINVAL "thread is unsupported"`)
		f.want(f.send("calc.rusage", with(json.RawMessage(`{"who":"X"}`))), `EINVAL "X is unsupported"`)
		f.want(f.send("calc.rusage", with(json.RawMessage(`{"who":7}`))), "EPROTO")
		f.want(f.send("calc.rusage", with("text")), "EPROTO")
		f.want(f.send("calc.rusage", quiet))
	})
}

func TestNoDefaultMethods(t *testing.T) {
	for _, method := range []string{"ping", "stats-get", "stats-clear", "rusage"} {
		serveMux(t, func(m *ServeMux) {}, func(t *testing.T, f *front, _ *served) {
			f.want(f.send("calc."+method, with(object1{})), noService("calc."+method))
		}, NoDefaultMethods())
		serveMux(t, func(m *ServeMux) { m.Handle("calc.*", say("glob")) }, func(t *testing.T, f *front, _ *served) {
			f.want(f.send("calc."+method, with(object1{})), "ok glob")
		}, NoDefaultMethods())
		synctest.Test(t, func(t *testing.T) {
			f := newFront(t)
			f.serve("calc", say("plain"), NoDefaultMethods())
			f.want(f.send("calc."+method, with(object1{})), "ok plain")
		})
	}
	// Only the service's own name makes a default method.
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		f.serve("calc", say("plain"))
		f.want(f.send("calc.sub.ping", with(object1{})), "ok plain")
	})
}

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
