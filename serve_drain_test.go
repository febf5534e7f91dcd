package flux

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// after is a handler that responds after a time, whatever its ctx says.
func after(d time.Duration) HandlerFunc {
	return func(_ context.Context, w Responder, _ *Request) error {
		time.Sleep(d)
		return w.Respond("done")
	}
}

const serveCut = `ECANCELED "service calc ended"`

// drain ends the service and checks what Serve returns and after how long.
func (s *served) drain(t *testing.T, took time.Duration, want error) {
	t.Helper()
	start := time.Now()
	err := s.stop()
	if got := time.Since(start); got != took {
		t.Errorf("draining took %v, want %v", got, took)
	}
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Errorf("Serve returned %v, want %v", err, want)
	}
}

func TestDrainIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		f.serve("calc", say("x")).drain(t, 0, nil)
	})
}

func TestDrainInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		s := f.serve("calc", after(3*time.Second), DrainTimeout(3*time.Second+time.Nanosecond))
		f.start("calc.a")
		time.Sleep(time.Second)
		req := f.start("calc.b")
		if m := f.replies(); len(m) != 0 {
			t.Fatalf("%d replies", len(m))
		}
		s.drain(t, 3*time.Second, nil)
		got := f.replies()
		if len(got) != 2 || show(got[0]) != "ok done" || show(got[1]) != "ok done" {
			t.Errorf("%d replies, want two", len(got))
		}
		f.want(req)
	})
}

func TestDrainTimeout(t *testing.T) {
	for _, timeout := range []time.Duration{-time.Second, 0, time.Nanosecond, time.Second, defaultDrainTimeout} {
		synctest.Test(t, func(t *testing.T) {
			f := newFront(t)
			opts := []ServeOption{DrainTimeout(timeout)}
			if timeout == defaultDrainTimeout {
				opts = nil
			}
			heard := make(chan error, 4)
			s := f.serve("calc", HandlerFunc(func(ctx context.Context, w Responder, _ *Request) error {
				time.Sleep(time.Minute)
				heard <- context.Cause(ctx)
				heard <- w.Respond("late")
				return nil
			}), opts...)
			req := f.start("calc.a")
			quietOne := f.start("calc.a", quiet)
			start := time.Now()
			err := s.stop()
			if took := time.Since(start); took != max(timeout, 0) {
				t.Errorf("draining took %v, want %v", took, timeout)
			}
			wantErr(t, err, ErrDrainTimeout)
			if text := err.Error(); !strings.Contains(text, ": 2 after "+timeout.String()) {
				t.Errorf("error is %s", text)
			}
			f.want(req, serveCut)
			f.wantAsked("service.add calc", "service.remove calc")
			time.Sleep(time.Hour)
			f.want(quietOne)
			for range cap(heard) {
				if err := <-heard; err != ErrServeEnded {
					t.Errorf("handler heard %v, want %v", err, ErrServeEnded)
				}
			}
		})
	}
}

// A broker that does not answer holds an idle service no longer than that.
func TestDrainWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		f.holdAll("service.remove")
		s := f.serve("calc", say("x"), DrainTimeout(7*time.Second))
		s.drain(t, 7*time.Second, nil)
		f.release()
		f.serve("calc", say("again"))
		f.want(f.send("calc.add"), "ok again")
	})
}

func TestDrainStreams(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(ctx context.Context, w Responder) error
		want string
		took time.Duration
		err  error
	}{
		{"returns the error of ctx", func(ctx context.Context, _ Responder) error { return ctx.Err() }, serveCut, 0, nil},
		{"returns the cause", func(ctx context.Context, _ Responder) error { return context.Cause(ctx) }, serveCut, 0, nil},
		{"returns what Send says", func(ctx context.Context, w Responder) error { return w.Send("x") }, serveCut, 0, nil},
		{"ends the stream", func(context.Context, Responder) error { return nil }, "ENODATA", 0, nil},
		{"has an error of its own", func(context.Context, Responder) error { return EBUSY }, "EBUSY", 0, nil},
		{"takes its time", func(context.Context, Responder) error { time.Sleep(time.Second); return EBUSY }, "EBUSY", time.Second, nil},
		{"takes too long", func(context.Context, Responder) error { time.Sleep(time.Hour); return EBUSY }, serveCut, 10 * time.Second, ErrDrainTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFront(t)
				s := f.serve("calc", HandlerFunc(func(ctx context.Context, w Responder, _ *Request) error {
					<-ctx.Done()
					if err := context.Cause(ctx); err != ErrServeEnded {
						t.Errorf("cause is %v, want %v", err, ErrServeEnded)
					}
					return tt.end(ctx, w)
				}))
				req := f.start("calc.watch", streaming)
				s.drain(t, tt.took, tt.err)
				f.want(req, tt.want)
				time.Sleep(2 * time.Hour)
				f.want(req)
			})
		})
	}
}

// What waits is not forgotten: streams are ended at once, the others are
// handled as places get free.
func TestDrainWaiting(t *testing.T) {
	for _, opts := range [][]RouteOption{nil, {Sequential()}} {
		serveMux(t, func(m *ServeMux) { m.Handle("calc.work", after(time.Second), opts...) }, func(t *testing.T, f *front, s *served) {
			first := f.start("calc.work")
			second := f.start("calc.work")
			stream := f.start("calc.work", streaming)
			last := f.start("calc.work")
			s.cancel()
			f.want(stream, serveCut)
			time.Sleep(time.Second)
			f.want(first, "ok done")
			time.Sleep(time.Second)
			f.want(second, "ok done")
			s.running(t)
			time.Sleep(time.Second)
			f.want(last, "ok done")
			if err := <-s.done; err != nil {
				t.Error(err)
			}
		}, MaxInFlight(1))
	}
}

// While it drains a service takes nothing new, but requesters may still end
// what they sent.
func TestDrainMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		s := f.serve("calc", HandlerFunc(block))
		a, b, c := f.start("calc.a"), f.start("calc.b", from("client-2")), f.start("calc.c")
		s.cancel()
		s.running(t)
		f.want(f.send("calc.d"), noService("calc.d"))
		f.want(f.send("calc.ping", with(object1{})), noService("calc.ping"))
		f.want(f.send("calc.d", quiet))
		f.cancelOf(a, "calc.cancel")
		f.want(a, canceledCall)
		f.disconnect("calc.disconnect", from("client-2"))
		f.want(b)
		wantErr(t, f.c.Serve(t.Context(), "calc", say("x")), EEXIST)
		s.running(t)
		f.cancelOf(c, "calc.cancel")
		f.want(c, canceledCall)
		if err := <-s.done; err != nil {
			t.Error(err)
		}
	})
}

// A connection that ends while a drain waits for a handler takes nothing from
// anybody if that has answered already.
func TestDrainAnswered(t *testing.T) {
	for name, end := range map[string]func(f *front){
		"close": func(f *front) { f.c.Close() },
		"loss":  func(f *front) { f.p.conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFront(t)
				s := f.serve("calc", HandlerFunc(func(ctx context.Context, w Responder, _ *Request) error {
					err := w.Respond("done")
					<-ctx.Done()
					return err
				}))
				f.want(f.send("calc.add"), "ok done")
				s.cancel()
				synctest.Wait()
				s.running(t)
				end(f)
				if err := <-s.done; err != nil {
					t.Errorf("Serve returned %v, want nil", err)
				}
			})
		})
	}
}
