package transport

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
)

func loop(t *testing.T, cfg Config) Conn {
	t.Helper()
	c, err := Dial(t.Context(), "loop://", cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := loop(t, Config{})
		event, response := codec.NewEvent("heartbeat.pulse"), codec.NewResponse(request("attr.get", 9, []byte("x")))
		event.Routes = codec.MakeRoutes("63c2cf00-a775-487a-8128-7f1c7fc9eef0")
		response.UserID, response.Rolemask = 1000, 5
		msgs := []*codec.Message{
			request("attr.get", 1, []byte("{}\x00")), event, response, request("long.part", 2, pattern(255)),
			{Type: codec.TypeControl, ControlType: 3, ControlStatus: 4},
		}
		for _, m := range msgs {
			send(t, c, m)
		}
		for _, m := range msgs {
			stamped := *m
			if m.UserID == codec.UserIDUnknown {
				stamped.UserID = uint32(os.Getuid())
			}
			if m.Rolemask == 0 {
				stamped.Rolemask = 1
			}
			want(t, c, &stamped)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestLoopCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := loop(t, Config{})
		defer c.Close()
		me := uint32(os.Getuid())
		for _, tt := range []struct{ uid, roles, wantUID, wantRoles uint32 }{
			{codec.UserIDUnknown, codec.RoleNone, me, 1},
			{codec.UserIDUnknown, 2, me, 2},
			{4242, codec.RoleNone, 4242, 1},
			{4242, 6, 4242, 6},
		} {
			m := request("a.b", 1, nil)
			m.UserID, m.Rolemask = tt.uid, tt.roles
			send(t, c, m)
			got := recv(t, c)
			if got.UserID != tt.wantUID || got.Rolemask != tt.wantRoles {
				t.Errorf("%d, %d came back as %d, %d", tt.uid, tt.roles, got.UserID, got.Rolemask)
			}
			if m.UserID != tt.uid || m.Rolemask != tt.roles {
				t.Error("the sender's message was changed")
			}
		}
	})
}

// One goroutine may send much before it receives, and the bound is that of
// every Conn.
func TestLoopBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := loop(t, Config{MaxSize: 10 << 20})
		big := request("big.one", 1, pattern(3<<20))
		send(t, c, big)
		send(t, c, big)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Send(ctx, big); err != context.DeadlineExceeded {
			t.Errorf("Send: %v, want to wait", err)
		}
		for range 2 {
			if m := recv(t, c); len(m.Payload) != len(big.Payload) {
				t.Errorf("%d bytes came back, want %d", len(m.Payload), len(big.Payload))
			}
		}
		if err := c.Send(t.Context(), request("too.big", 1, pattern(10<<20))); !errors.Is(err, codec.ErrTooLarge) {
			t.Errorf("Send over MaxSize: %v", err)
		}
		c.Close()
	})
}

// Nobody is left to read what a closed loop holds, so Close does not wait.
func TestLoopClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := loop(t, Config{})
		for ctx, full := context.WithTimeout(t.Context(), time.Minute); ; {
			if err := c.Send(ctx, request("fill.up", 1, pattern(1<<20))); err != nil {
				full()
				break // there is room for no more
			}
		}
		var sending error
		var wg sync.WaitGroup
		wg.Go(func() { sending = c.Send(context.Background(), request("a.b", 1, nil)) })
		synctest.Wait()
		start := time.Now()
		if err := c.Close(); err != nil || time.Since(start) != 0 {
			t.Errorf("Close: %v after %v", err, time.Since(start))
		}
		wg.Wait()
		if err := c.Recv(new(codec.Message)); err != ErrClosed || sending != ErrClosed {
			t.Errorf("Recv: %v, Send: %v, want ErrClosed", err, sending)
		}
	})
}

func TestLoopCloseWakesRecv(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := loop(t, Config{})
		var err error
		var wg sync.WaitGroup
		wg.Go(func() { err = c.Recv(new(codec.Message)) })
		synctest.Wait()
		c.Close()
		wg.Wait()
		if err != ErrClosed {
			t.Errorf("Recv: %v, want ErrClosed", err)
		}
	})
}

func TestLoopURI(t *testing.T) {
	for _, uri := range []string{"loop", "loop://", "loop://any/thing"} {
		c, err := Dial(t.Context(), uri, Config{})
		if err != nil {
			t.Errorf("%s: %v", uri, err)
			continue
		}
		c.Close()
	}
	mark := errors.New("enough")
	if _, err := Dial(ended(mark), "loop://", Config{}); err != mark {
		t.Errorf("ended ctx: %v", err)
	}
}
