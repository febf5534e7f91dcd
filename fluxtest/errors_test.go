package fluxtest_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

// Fail answers with what the same error of a handler makes the client see.
func TestFail(t *testing.T) {
	errs := []error{
		flux.EPERM,
		flux.Errno(524),
		&flux.Error{Errno: flux.ENOENT, Message: "no such key"},
		&flux.Error{Topic: "other.topic", Errno: flux.ENOENT},
		fmt.Errorf("key a: %w", flux.ENOENT),
		fmt.Errorf("key a: %w", &flux.Error{Errno: flux.EINVAL, Message: "bad"}),
		syscall.ENOENT,
		&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES},
		context.DeadlineExceeded,
		fmt.Errorf("x: %w", context.Canceled),
		errors.New("anything"),
		errors.New("a\x00b\xff"),
	}
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		at := 0
		b.Handle("script.x", func(r *fluxtest.Request) { r.Fail(errs[at]) })
		mux := flux.NewServeMux()
		mux.HandleFunc("handler.x", func(context.Context, flux.Responder, *flux.Request) error { return errs[at] })
		b.Serve("handler", mux)
		w := dialWire(t, b)
		for at = range errs {
			got, same := w.Call(request("script.x", 1, nil)), w.Call(request("handler.x", 1, nil))
			gotText, _ := codec.TextPayload(got.Payload)
			text, _ := codec.TextPayload(same.Payload)
			if got.Errnum == 0 || got.Errnum != same.Errnum || gotText != text {
				t.Errorf("%v: errno %d, %q, but from a handler %d, %q", errs[at], got.Errnum, gotText,
					same.Errnum, text)
			}
		}
		want(t, w.Call(request("script.x", 1, nil)), uint32(flux.EIO), "a\\0b\ufffd")
	})
}

func TestFailWithoutError(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		panicked := make(chan any, 1)
		b.Handle("script.x", func(r *fluxtest.Request) {
			defer func() {
				panicked <- recover()
				r.End()
			}()
			r.Fail(nil)
		})
		w := dialWire(t, b)
		w.Call(request("script.x", 1, nil))
		if p := <-panicked; p != "fluxtest: Request.Fail: the error is nil" {
			t.Errorf("%v", p)
		}
	})
}
