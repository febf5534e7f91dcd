package fluxtest_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

var backlog = regexp.MustCompile(`"rxbacklog":(9[0-9][0-9]|1001)`)

func TestRequests(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w, low := dialWire(t, b), dialWire(t, b, fluxtest.AtRank(1))
		w.Send(request("attr.get", 7, obj{"name": "rank"}), codec.NewEvent("e"))
		low.Send(request("x.y", 8, nil))
		reqs := b.Requests()
		if len(reqs) != 2 || len(b.Messages()) != 3 {
			t.Fatalf("%d requests, %d messages", len(reqs), len(b.Messages()))
		}
		// As sent: nothing is filled in, no routes are added.
		r := reqs[0]
		if r.Conn != 1 || r.Rank != 0 || r.Message.Topic != "attr.get" || r.Message.Matchtag != 7 ||
			r.Message.UserID != codec.UserIDUnknown || r.Message.Rolemask != 0 || r.Message.Routes != nil ||
			string(r.Message.Payload) != "{\"name\":\"rank\"}\x00" {
			t.Errorf("%+v %s", r, show(r.Message))
		}
		if r := reqs[1]; r.Conn != 2 || r.Rank != 1 || r.Message.Topic != "x.y" {
			t.Errorf("%+v %s", r, show(r.Message))
		}
		w.Next()
		low.Next()

		// The newest are kept.
		for i := range 10 {
			w.Send(request(fmt.Sprintf("n.%d", i), 0, nil))
		}
		var topics []string
		for _, r := range b.Requests() {
			topics = append(topics, r.Message.Topic)
		}
		if s := strings.Join(topics, " "); s != "n.6 n.7 n.8 n.9" {
			t.Error(s)
		}
	}, fluxtest.Size(2), fluxtest.Record(4))
}

func TestRecordIsBoundInBytes(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w := dialWire(t, b)
		m := flagged(request("x.y", 0, make([]byte, 1<<20)), codec.FlagNoResponse)
		for range 100 {
			w.Send(m)
		}
		if n := len(b.Requests()); n < 16 || n > 32 {
			t.Errorf("%d requests of 1 MiB", n)
		}
	})
}

func TestAwait(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w := dialWire(t, b)
		w.Send(request("a.b", 1, nil))
		if r, err := b.AwaitRequest(t.Context(), "a.b"); err != nil || r.Message.Matchtag != 1 {
			t.Errorf("%+v, %v", r, err)
		}
		got := make(chan error)
		go func() {
			r, err := b.Await(t.Context(), func(r fluxtest.Received) bool { return r.Message.Matchtag == 3 })
			if err == nil && r.Message.Topic != "c.d" {
				err = errors.New(r.Message.Topic)
			}
			got <- err
		}()
		w.Send(request("c.d", 2, nil))
		w.Send(request("c.d", 3, nil))
		if err := <-got; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.AwaitRequest(ctx, "never"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		go func() {
			_, err := b.AwaitRequest(t.Context(), "never")
			got <- err
		}()
		synctest.Wait()
		b.Close()
		if err := <-got; !errors.Is(err, fluxtest.ErrClosed) {
			t.Errorf("error %v", err)
		}
	})
}

func TestAwaitSubscribed(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		got := make(chan error, 1)
		wait := func(ctx context.Context, prefix string) {
			go func() { got <- b.AwaitSubscribed(ctx, prefix) }()
			synctest.Wait()
		}
		none := func(what string) {
			t.Helper()
			synctest.Wait()
			select {
			case err := <-got:
				t.Fatalf("%s: AwaitSubscribed returned %v", what, err)
			default:
			}
		}
		low := dialWire(t, b, fluxtest.AtRank(1))
		wait(t.Context(), "a.b")
		none("no subscription")
		subscribed(t, low, "a", "a.b.c")
		none("other prefixes")
		subscribed(t, low, "a.b")
		if err := <-got; err != nil {
			t.Error(err)
		}
		wait(t.Context(), "a")
		if err := <-got; err != nil {
			t.Errorf("one that was there before: %v", err)
		}
		low.Call(request("event.unsubscribe", 1, obj{"topic": "a"}))
		wait(t.Context(), "a")
		none("unsubscribed")
		if err := b.Restart(); err != nil {
			t.Fatal(err)
		}
		none("restarted")
		subscribed(t, dialWire(t, b), "a")
		if err := <-got; err != nil {
			t.Errorf("after a restart: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.AwaitSubscribed(ctx, "never"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		wait(t.Context(), "never")
		b.Close()
		if err := <-got; !errors.Is(err, fluxtest.ErrClosed) {
			t.Errorf("error %v", err)
		}
	}, fluxtest.Size(2))
}

// spy is a TB that notes what is said.
type spy struct {
	*testing.T
	said     []string
	cleanups []func()
	failed   bool
}

func (s *spy) Errorf(format string, args ...any) {
	s.said, s.failed = append(s.said, fmt.Sprintf(format, args...)), true
}
func (s *spy) Fatalf(format string, args ...any) { s.Errorf(format, args...) }
func (s *spy) Skipf(format string, args ...any) {
	s.said = append(s.said, fmt.Sprintf(format, args...))
}
func (s *spy) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }
func (s *spy) Failed() bool     { return s.failed }
func (s *spy) end() {
	for i := range s.cleanups {
		s.cleanups[len(s.cleanups)-1-i]()
	}
}

// A connection that outlives its test fails it; one that is closed late does not.
func TestLeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := &spy{T: t}
		b := fluxtest.New(tb, fluxtest.InProcess(), fluxtest.Owner(0))
		w := dialWire(t, b)
		subscribed(t, w, "b", "a")
		w.Call(request("service.add", 1, obj{"service": "svc"}))
		tb.end()
		if len(tb.said) != 1 || tb.said[0] != "fluxtest: 1 connections outlive the test:\n"+
			"\tconnection 1 at rank 0, userid 0, subscribed to [\"a\" \"b\"], with services [\"svc\"]" {
			t.Errorf("%q", tb.said)
		}

		tb = &spy{T: t}
		b = fluxtest.New(tb, fluxtest.InProcess(), fluxtest.AllowLeaks())
		dialWire(t, b)
		tb.end()

		b = fluxtest.New(tb, fluxtest.InProcess())
		w = dialWire(t, b)
		b.Stall()
		time.AfterFunc(time.Second, func() { w.Conn.Close() })
		tb.end()
		if len(tb.said) != 0 {
			t.Errorf("%q", tb.said)
		}
		if fluxtest.New(tb, fluxtest.Size(0)) != nil || len(tb.said) != 1 {
			t.Errorf("%q", tb.said)
		}
	})
}

func TestRealSkipsLoudly(t *testing.T) {
	t.Setenv("PATH", "")
	t.Setenv(fluxtest.RequireRealEnv, "")
	tb := &spy{T: t}
	if fluxtest.Real(tb, 1) != nil || tb.failed || len(tb.said) != 1 || !strings.Contains(tb.said[0],
		"NOT TESTED against a real Flux: TestRealSkipsLoudly") {
		t.Errorf("%q", tb.said)
	}
	t.Setenv(fluxtest.RequireRealEnv, "1")
	if fluxtest.Real(tb, 1); !tb.failed {
		t.Errorf("%q", tb.said)
	}
}
