package systemtest

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

// A hook that ends its goroutine, as t.Fatal does, is not the last that is called.
func TestHookThatEndsItsGoroutine(t *testing.T) {
	b := fluxtest.New(t)
	sent := make(chan string, 10)
	disconnected := make(chan struct{})
	c, err := flux.Dial(t.Context(), b.URI(), flux.WithHooks(flux.Hooks{
		Sent: func(m *codec.Message) {
			sent <- m.Topic
			runtime.Goexit()
		},
		Disconnected: func(error) { close(disconnected) },
	}))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := c.Notify(t.Context(), "nobody.hears", nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if topic := <-sent; topic != "nobody.hears" {
			t.Errorf("Sent has seen %q", topic)
		}
	}
	c.Close()
	closesSoon(t, "Disconnected", disconnected)
}

// failingConn is a connection whose Send fails and whose Recv ends with Close only.
type failingConn struct {
	once   sync.Once
	closed chan struct{}
}

func (f *failingConn) Send(context.Context, *codec.Message) error { return errors.New("out of paper") }

func (f *failingConn) Recv(*codec.Message) error {
	<-f.closed
	return errors.New("closed")
}

func (f *failingConn) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

// A connection of one's own that cannot send is lost, although it can still be read.
func TestSendErrorOfForeignConn(t *testing.T) {
	for name, start := range map[string]func(c *flux.Client) error{
		"Call": func(c *flux.Client) error {
			_, err := c.Call(t.Context(), "a.b", nil)
			return err
		},
		"Subscribe": func(c *flux.Client) error {
			_, err := c.Subscribe(t.Context(), "a")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := flux.NewClient(&failingConn{closed: make(chan struct{})})
			defer c.Close()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				if err := start(c); !errors.Is(err, flux.ErrConnLost) {
					t.Errorf("got %v, want ErrConnLost", err)
				}
			}()
			closesSoon(t, name, ended)
			closesSoon(t, "Done", c.Done())
		})
	}
}

// Shutdown ends with its ctx, also while the broker takes nothing of what is queued.
func TestShutdownWhileNothingIsTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := transport.Listen(path, transport.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	welcomed := make(chan transport.Conn, 1)
	go func() {
		in, err := l.Accept()
		if err != nil {
			return
		}
		if conn, err := in.Welcome(); err == nil {
			welcomed <- conn
		}
	}()
	c, err := flux.Dial(t.Context(), "local://"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer (<-welcomed).Close() // which is never read from
	large := make([]byte, 1<<20)
	for range 4 {
		if err := c.Notify(t.Context(), "a.b", large); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if err := c.Shutdown(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, enough) {
		t.Errorf("Shutdown: %v, want the end of its ctx", err)
	}
}
