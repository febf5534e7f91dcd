package systemtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
)

// deadlineWay is a way to wait within a ctx.
type deadlineWay struct {
	name string
	// run waits until its ctx has ended and returns the error that it was told.
	run func(*waiter) error
	// waiting reports whether run waits by now; nil if that cannot be seen.
	waiting func(*waiter) bool

	// clean reports whether the end of the ctx was no error; nil if it always is one.
	clean func(*waiter) bool

	answeredAlways bool // by a broker that works
	readsAlone     bool // the caller may read its own response
	closes         bool // the client
}

var deadlineWays = []deadlineWay{
	{name: "Call", run: waitCall, waiting: requestIsOut, readsAlone: true},
	{name: "Do", run: waitDo, waiting: requestIsOut, readsAlone: true},
	{name: "Go", run: waitGo, waiting: requestIsOut},
	{name: "Stream", run: waitStream, waiting: requestIsOut},
	{name: "Subscribe", run: waitSubscribe, waiting: standsOrHangs, clean: stood},
	{name: "Publish", run: waitPublish, waiting: requestIsOut, answeredAlways: true, readsAlone: true},
	{name: "Notify", run: waitNotify, answeredAlways: true},
	{name: "Serve", run: waitServe, waiting: standsOrHangs, clean: always},
	{name: "Dial", run: waitDial, answeredAlways: true},
	{name: "Reconnect", run: waitReconnect, answeredAlways: true},
	{name: "Close", run: waitClose, closes: true, clean: always},
	{name: "Shutdown", run: waitShutdown, closes: true},
}

// requestIsOut reports whether a request has been accepted and has no reply.
func requestIsOut(w *waiter) bool { return w.c.Stats().Live > w.live }

// request is what is never answered, or slowly.
func (w *waiter) request() (topic string, payload any) {
	if w.dc.silence == silenceSlow {
		return "x.sized", fmt.Sprint(w.dc.size)
	}
	return "x.never", w.payload()
}

func waitCall(w *waiter) error {
	topic, payload := w.request()
	r, err := w.c.Call(w.ctx, topic, payload)
	return agree(r, err)
}

// agree is the error of a call, whose response has the same.
func agree(r flux.Response, err error) error {
	if !errors.Is(r.Err(), err) {
		return fmt.Errorf("the error is %v, that of the response %v", err, r.Err())
	}
	return err
}

func waitDo(w *waiter) error {
	topic, payload := w.request()
	m := codec.NewRequest(topic)
	var err error
	if m.Payload, err = codec.EncodePayload(payload, nil); err != nil {
		return err
	}
	r, err := w.c.Do(w.ctx, m)
	return agree(r, err)
}

func waitGo(w *waiter) error {
	topic, payload := w.request()
	ch := w.c.Go(w.ctx, topic, payload)
	r := <-ch
	if _, more := <-ch; more {
		return errors.New("a second response")
	}
	return r.Err()
}

// waitStream returns the error of the last item.
func waitStream(w *waiter) (err error) {
	topic, payload := w.request()
	stream, err := w.c.Stream(w.ctx, topic, payload)
	if err != nil {
		return err
	}
	for r := range stream {
		if err != nil {
			return fmt.Errorf("an item after %v", err)
		}
		err = r.Err()
	}
	return err
}

func waitSubscribe(w *waiter) (err error) {
	events, err := w.c.Subscribe(w.ctx, "deadline.nothing")
	if err != nil {
		return err
	}
	w.ready.Store(true)
	for e := range events {
		err = errors.Join(err, fmt.Errorf("event %q, %w", e.Topic(), e.Err()))
	}
	return err
}

// standsOrHangs reports whether a subscription or service stands, or cannot.
func standsOrHangs(w *waiter) bool {
	return w.ready.Load() || w.dc.silence == silenceStalled && requestIsOut(w)
}

func stood(w *waiter) bool { return w.ready.Load() }

func always(*waiter) bool { return true }

func waitPublish(w *waiter) error {
	_, err := w.c.Publish(w.ctx, "deadline.event", w.payload())
	return err
}

// waitNotify sends until there is no more room for what the broker does not take.
func waitNotify(w *waiter) error {
	payload := make([]byte, max(w.dc.size, 64<<10))
	for {
		if err := w.c.Notify(w.ctx, "x.never", payload); err != nil {
			return err
		}
	}
}

func waitServe(w *waiter) error {
	mux := flux.NewServeMux()
	return w.c.Serve(w.ctx, "deadline", mux,
		flux.OnReady(func() { w.ready.Store(true) }), flux.DrainTimeout(10*time.Millisecond))
}

func waitDial(w *waiter) error {
	c, err := flux.Dial(w.ctx, w.uri)
	if err == nil {
		return c.Close()
	}
	return err
}

func waitReconnect(w *waiter) error { return w.c.Reconnect(w.ctx) }

// held makes a call that has no end of its own and returns how it ended, when it has.
func (w *waiter) held() (ended func() error) {
	err := make(chan error, 1)
	go func() {
		_, e := w.c.Call(context.WithoutCancel(w.ctx), "x.never", w.payload())
		err <- e
	}()
	poll(func() bool { return requestIsOut(w) })
	return func() error { return <-err }
}

// waitClose waits for the end of a call that only the Close of its client ends.
func waitClose(w *waiter) error {
	ended := w.held()
	err := w.c.Close()
	if held := ended(); !errors.Is(held, flux.ErrClosed) {
		return fmt.Errorf("the call that was under way ended with %w", held)
	}
	return err
}

func waitShutdown(w *waiter) error {
	ended := w.held()
	err := w.c.Shutdown(w.ctx)
	if held := ended(); !errors.Is(held, flux.ErrClosed) {
		return fmt.Errorf("the call that was under way ended with %w", held)
	}
	return err
}
