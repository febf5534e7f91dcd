package systemtest

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

// hasty is a transport that lets the answer come before Send returns.
type hasty struct{ transport.Conn }

func (h hasty) Send(ctx context.Context, m *codec.Message) error {
	err := h.Conn.Send(ctx, m)
	for range 100 {
		runtime.Gosched()
	}
	return err
}

// A response is never told of before its request, whoever writes that.
func TestHooksSentComesFirst(t *testing.T) {
	ours, theirs := transport.Pipe(transport.Config{})
	go func() {
		var m codec.Message
		for theirs.Recv(&m) == nil {
			if m.Type != codec.TypeRequest || m.Flags&codec.FlagNoResponse != 0 {
				continue
			}
			m.Type = codec.TypeResponse
			if err := theirs.Send(t.Context(), &m); err != nil {
				return
			}
		}
	}()
	var mu sync.Mutex
	sent := make(map[uint32]bool)
	responses := 0
	over := make(chan struct{})
	c := flux.NewClient(hasty{ours}, flux.WithHooks(flux.Hooks{
		Disconnected: func(error) { close(over) },
		Sent: func(m *codec.Message) {
			runtime.Gosched()
			mu.Lock()
			defer mu.Unlock()
			sent[m.Matchtag] = m.Type == codec.TypeRequest && string(m.Payload) == fmt.Sprint(m.Topic, "\x00")
		},
		Received: func(m *codec.Message) {
			mu.Lock()
			defer mu.Unlock()
			responses++
			if !sent[m.Matchtag] {
				t.Errorf("a response to %s was told of before its request", m.Topic)
			}
			delete(sent, m.Matchtag)
		},
	}))
	defer c.Close()
	const callers, calls = 8, 50
	var wg sync.WaitGroup
	for n := range callers {
		wg.Go(func() {
			for i := range calls {
				topic := fmt.Sprintf("svc.%d.%d", n, i)
				var r flux.Response
				if i%2 == 0 {
					r, _ = c.Call(t.Context(), topic, topic)
				} else {
					r = <-c.Go(t.Context(), topic, topic)
				}
				if r.Err() != nil {
					t.Error(r.Err())
				}
			}
		})
	}
	wg.Wait()
	c.Close()
	<-over // the last hook
	mu.Lock()
	defer mu.Unlock()
	if responses != callers*calls {
		t.Errorf("told of %d responses, want %d", responses, callers*calls)
	}
}

// A hook that panics is logged and keeps nobody waiting.
func TestHooksPanic(t *testing.T) {
	var log syncBuffer
	told := make(chan string, 10)
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		b.Handle("svc.*", func(r *fluxtest.Request) { r.Respond(nil) })
		for _, topic := range []string{"svc.bad", "svc.good"} {
			if _, err := c.Call(t.Context(), topic, nil); err != nil {
				t.Error(err)
			}
		}
		if topic := <-told; topic != "svc.good" {
			t.Errorf("told of %s", topic)
		}
		if got := log.String(); !strings.Contains(got, "hook panicked") || !strings.Contains(got, "at the disco") {
			t.Errorf("logged: %q", got)
		}
	}, flux.WithLogger(slog.New(slog.NewTextHandler(&log, nil))), flux.WithHooks(flux.Hooks{
		Sent: func(m *codec.Message) {
			if m.Topic == "svc.bad" {
				panic("at the disco")
			}
			told <- m.Topic
		},
	}))
}

// A hook that waits holds up neither calls nor streams, and is told how much it
// has missed.
func TestHooksSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess(), fluxtest.Record(0))
		b.Handle("svc.echo", func(r *fluxtest.Request) { r.Respond(r.Message().Payload) })
		goOn := make(chan struct{})
		var received, missed int
		c := b.Client(flux.WithHooks(flux.Hooks{
			Received: func(m *codec.Message) { <-goOn; received++ },
			Missed:   func(n int) { missed += n },
		}))
		const calls = 1000
		payload := make([]byte, 1<<20)
		start := time.Now()
		for range calls {
			if _, err := c.Call(t.Context(), "svc.echo", payload); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("a hook that waits has delayed the calls by %v", d)
		}
		close(goOn)
		synctest.Wait()
		if received+missed != calls || missed == 0 || received < 60 {
			t.Errorf("told of %d responses and of %d missed, want %d in all, some of them missed", received, missed, calls)
		}
		c.Close()
	})
}
