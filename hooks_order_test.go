package flux_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

// hasty is a transport that writes what is queued at once, and lets the answer
// come before the queuer goes on.
type hasty struct {
	transport.Conn
	transport.Queuer
}

func (h hasty) Queue(m *codec.Message, _ bool) error {
	err := h.Queuer.Queue(m, true)
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
	c := flux.NewClient(hasty{ours, ours.(transport.Queuer)}, flux.WithHooks(flux.Hooks{
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
	mu.Lock()
	defer mu.Unlock()
	if responses != callers*calls {
		t.Errorf("told of %d responses, want %d", responses, callers*calls)
	}
}

// A hook that panics into a caller who recovers keeps nobody else waiting.
func TestHooksPanic(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		b.Handle("svc.*", func(r *fluxtest.Request) { r.Respond(nil) })
		func() {
			defer func() {
				if r := recover(); r != "at the disco" {
					t.Errorf("recovered %v", r)
				}
			}()
			c.Call(t.Context(), "svc.bad", nil)
		}()
		if _, err := c.Call(t.Context(), "svc.good", nil); err != nil {
			t.Error(err)
		}
	}, flux.WithHooks(flux.Hooks{
		Sent: func(m *codec.Message) {
			if m.Topic == "svc.bad" {
				panic("at the disco")
			}
		},
	}))
}
