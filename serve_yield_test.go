package flux

import (
	"encoding/json"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// yieldConn counts how often it is told that nobody has been woken.
type yieldConn struct {
	transport.Conn
	transport.Queuer
	transport.Batcher
	skips atomic.Int32
}

func (y *yieldConn) SkipYield() { y.skips.Add(1) }

// Only a reader that has run inline handlers, and nothing else, has nobody to
// give way to.
func TestSkipYield(t *testing.T) {
	for _, procs := range []int{1, 2} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		synctest.Test(t, func(t *testing.T) {
			near, far := transport.Pipe(transport.Config{})
			y := &yieldConn{Conn: near, Queuer: near.(transport.Queuer), Batcher: near.(transport.Batcher)}
			f := &front{t: t}
			f.c, f.p = startPeer(t, y, far)
			f.p.serve(f.handle)
			mux := NewServeMux()
			mux.Handle("calc.inline", say("inline"), Inline())
			mux.Handle("calc.other", say("other"))
			f.serve("calc", mux)
			for _, tt := range []struct {
				what string
				do   func()
				want int32
			}{
				{"inline request", func() { f.want(f.send("calc.inline"), "ok inline") }, 1},
				{"request", func() { f.want(f.send("calc.other"), "ok other") }, 0},
				{"inline request again", func() { f.want(f.send("calc.inline"), "ok inline") }, 1},
				{"unknown method", func() { f.want(f.send("calc.none"), `ENOSYS "Unknown service method 'calc.none'"`) }, 1},
				{"event", func() { f.p.send(codec.NewEvent("a.b")) }, 0},
				{"response", func() { f.c.Call(t.Context(), "attr.get", json.RawMessage(`{}`)) }, 0},
			} {
				before := y.skips.Load()
				tt.do()
				synctest.Wait()
				want := tt.want
				if procs == 1 {
					want = 0 // nobody else would run what a handler wakes
				}
				if got := y.skips.Load() - before; got != want {
					t.Errorf("%d processors, after an %s the yield is skipped %d times, want %d", procs, tt.what, got, want)
				}
			}
			f.c.Close()
		})
	}
}
