package framing

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
)

func TestSendWaitsPastTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe(Config{})
		defer b.Close()
		defer a.Close()
		n := fillUp(t, a)
		mark := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(mark) })
		start := time.Now()
		if err := a.Send(ctx, request("a.b", 1, nil)); err != mark || time.Since(start) != time.Minute {
			t.Errorf("Send: %v after %v, want the cause when its ctx ends", err, time.Since(start))
		}
		ctx, stop := context.WithTimeoutCause(t.Context(), time.Minute, mark)
		defer stop()
		if err := a.Admit(ctx); err != mark || time.Since(start) != 2*time.Minute {
			t.Errorf("Admit: %v after %v, want the cause when its ctx ends", err, time.Since(start))
		}
		start = start.Add(time.Minute)
		if err := a.Queue(request("que.ue", n, nil)); err != nil || time.Since(start) != time.Minute {
			t.Errorf("Queue: %v after %v, want no wait", err, time.Since(start)-time.Minute)
		}
		// The refused message is nowhere, the queued one is in its place.
		for i := range n + 1 {
			if m := recv(t, b); m.Matchtag != i || i == n && m.Topic != "que.ue" {
				t.Fatalf("message %d is %s with tag %d", i, m.Topic, m.Matchtag)
			}
		}
	})
}

func TestSendGoesOnWhenThePeerReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe(Config{})
		defer b.Close()
		defer a.Close()
		n := fillUp(t, a)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { send(t, a, request("wai.ting", 0, nil)) })
		}
		synctest.Wait()
		for range n + 5 {
			recv(t, b)
		}
		wg.Wait()
	})
}

// What was queued without a flush must not be waited for without one.
func TestAdmitFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe(Config{})
		q := a
		const n = 5
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range uint32(2*n + 2) {
				if m := recv(t, b); m.Matchtag != i {
					t.Errorf("message %d has tag %d", i, m.Matchtag)
				}
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		tag := uint32(0)
		for _, wait := range []func() error{
			func() error { return a.Send(ctx, request("a.b", tag, nil)) },
			func() error {
				if err := q.Admit(ctx); err != nil {
					return err
				}
				defer q.Flush()
				return q.Queue(request("a.b", tag, nil))
			},
		} {
			for range n {
				if err := q.Queue(request("a.b", tag, pattern(sendLimit/4))); err != nil {
					t.Fatal(err)
				}
				tag++
			}
			if err := wait(); err != nil {
				t.Fatalf("after %d bytes that nobody flushed: %v", n*sendLimit/4, err)
			}
			tag++
		}
		wg.Wait()
		a.Close()
		b.Close()
	})
}

func TestSendWithEndedCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe(Config{})
		mark := errors.New("enough")
		if err := a.Send(ended(mark), request("a.b", 1, nil)); err != mark {
			t.Errorf("Send: %v, want the cause", err)
		}
		a.Close()
		if err := b.Recv(new(codec.Message)); err != io.EOF {
			t.Errorf("Recv: %v: something was sent", err)
		}
		b.Close()
	})
}

// A message that cannot be sent fails alone.
func TestSendRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe(Config{MaxSize: 1000})
		defer b.Close()
		defer a.Close()
		if err := a.Send(t.Context(), &codec.Message{Type: codec.TypeRequest}); !errors.Is(err, codec.ErrUnsendable) {
			t.Errorf("no topic: %v", err)
		}
		if err := a.Send(t.Context(), request("too.big", 1, pattern(1000))); !errors.Is(err, codec.ErrTooLarge) {
			t.Errorf("over the limit: %v", err)
		}
		m := request("just.right", 1, pattern(900))
		send(t, a, m)
		want(t, b, m)
	})
}

func TestCloseWithStalledPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe(Config{})
		fillUp(t, a)
		var waiting, reading error
		var wg sync.WaitGroup
		wg.Go(func() { waiting = a.Send(context.Background(), request("a.b", 1, nil)) })
		wg.Go(func() { reading = a.Recv(new(codec.Message)) })
		synctest.Wait()
		start := time.Now()
		if err := a.Close(); err != nil || time.Since(start) != closeWait {
			t.Errorf("Close: %v after %v, want nil after %v", err, time.Since(start), closeWait)
		}
		wg.Wait()
		if waiting != ErrClosed || reading != ErrClosed {
			t.Errorf("Send: %v, Recv: %v, want ErrClosed", waiting, reading)
		}
		b.Close()
	})
}

func TestCloseFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe(Config{})
		n := fillUp(t, a)
		// Not even flushed yet, when Close comes.
		if err := a.Queue(request("last.one", n, nil)); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range n + 1 {
				if m := recv(t, b); m.Matchtag != i {
					t.Errorf("message %d has tag %d", i, m.Matchtag)
				}
			}
			if err := b.Recv(new(codec.Message)); err != io.EOF {
				t.Errorf("after the last message: %v", err)
			}
		})
		start := time.Now()
		if err := a.Close(); err != nil || time.Since(start) != 0 {
			t.Errorf("Close: %v after %v", err, time.Since(start))
		}
		wg.Wait()
		b.Close()
	})
}

func TestQueueWithoutFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe(Config{})
		q := a
		got := make(chan *codec.Message, 100)
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				var m codec.Message
				if b.Recv(&m) != nil {
					return
				}
				got <- &m
			}
		})
		for i := range uint32(10) {
			if err := q.Queue(request("a.b", i, nil)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if len(got) != 0 {
			t.Errorf("%d messages went out before Flush", len(got))
		}
		q.Flush()
		synctest.Wait()
		if len(got) != 10 {
			t.Errorf("%d messages after Flush, want 10", len(got))
		}
		q.Queue(request("a.b", 10, nil))
		send(t, a, request("a.b", 11, nil))
		synctest.Wait()
		if len(got) != 12 {
			t.Errorf("%d messages after Send, want 12", len(got))
		}
		// However much is queued, it is without I/O.
		for i := range uint32(10) {
			q.Queue(request("a.b", 12+i, pattern(readBuffer)))
		}
		synctest.Wait()
		if len(got) != 12 {
			t.Errorf("%d messages after unflushed large ones, want 12", len(got))
		}
		q.Flush()
		synctest.Wait()
		if len(got) != 22 {
			t.Errorf("%d messages after Flush, want 22", len(got))
		}
		a.Close()
		b.Close()
		wg.Wait()
	})
}

// Close at any moment of a busy connection: everything returns, and what the
// peer reads is whole messages in order.
func TestCloseRaces(t *testing.T) {
	type pair func(t *testing.T) (*Conn, *Conn)
	for name, make := range map[string]pair{
		"pipe": func(*testing.T) (*Conn, *Conn) { return pipe(Config{}) },
		"unix": func(t *testing.T) (*Conn, *Conn) { return connected(t) },
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			for round := range 40 {
				a, b := make(t)
				closeRace(t, a, b, uint32(20*round))
			}
		})
	}
}

func closeRace(t *testing.T, a, b *Conn, after uint32) {
	var wg sync.WaitGroup
	reached := make(chan struct{})
	wg.Go(func() {
		for i := uint32(0); ; i++ {
			if i == after {
				close(reached)
			}
			if err := a.Send(context.Background(), request("ra.ce", i, pattern(int(i%5000)))); err != nil {
				if err != ErrClosed {
					t.Errorf("Send: %v, want ErrClosed", err)
				}
				return
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			<-reached
			if err := a.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	wg.Go(func() {
		if err := a.Recv(new(codec.Message)); err != ErrClosed {
			t.Errorf("Recv of the closing end: %v, want ErrClosed", err)
		}
	})
	wg.Go(func() {
		for i := uint32(0); ; i++ {
			var m codec.Message
			if err := b.Recv(&m); err != nil {
				if err != io.EOF || i < after {
					t.Errorf("peer's Recv: %v after %d messages, want io.EOF after %d at least", err, i, after)
				}
				return
			}
			if m.Matchtag != i || len(m.Payload) != int(i%5000) {
				t.Errorf("message %d has tag %d and %d bytes", i, m.Matchtag, len(m.Payload))
				return
			}
		}
	})
	within(t, "a race of Close, Send and Recv", func() error { wg.Wait(); return nil })
	b.Close()
}
