package flux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

func TestErrnoIs(t *testing.T) {
	// Every sentinel is tried against every number: those not listed must not match.
	sentinels := map[string]error{
		"fs.ErrNotExist": fs.ErrNotExist, "fs.ErrExist": fs.ErrExist, "fs.ErrPermission": fs.ErrPermission,
		"errors.ErrUnsupported": errors.ErrUnsupported, "context.Canceled": context.Canceled,
		"context.DeadlineExceeded": context.DeadlineExceeded, "os.ErrDeadlineExceeded": os.ErrDeadlineExceeded,
		"io.EOF": io.EOF, "fs.ErrInvalid": fs.ErrInvalid, "fs.ErrClosed": fs.ErrClosed,
		"ErrClosed": ErrClosed, "ErrConnLost": ErrConnLost,
	}
	for _, tt := range []struct {
		errno Errno
		host  syscall.Errno
		name  string
		text  string
		is    []string
	}{
		{EPERM, syscall.EPERM, "EPERM", "Operation not permitted", []string{"fs.ErrPermission"}},
		{ENOENT, syscall.ENOENT, "ENOENT", "No such file or directory", []string{"fs.ErrNotExist"}},
		{ESRCH, syscall.ESRCH, "ESRCH", "No such process", nil},
		{ECHILD, syscall.ECHILD, "ECHILD", "No child processes", nil},
		{EAGAIN, syscall.EAGAIN, "EAGAIN", "Resource temporarily unavailable", nil},
		{ENOMEM, syscall.ENOMEM, "ENOMEM", "Cannot allocate memory", nil},
		{EACCES, syscall.EACCES, "EACCES", "Permission denied", []string{"fs.ErrPermission"}},
		{EEXIST, syscall.EEXIST, "EEXIST", "File exists", []string{"fs.ErrExist"}},
		{ENOTDIR, syscall.ENOTDIR, "ENOTDIR", "Not a directory", nil},
		{EISDIR, syscall.EISDIR, "EISDIR", "Is a directory", nil},
		{EINVAL, syscall.EINVAL, "EINVAL", "Invalid argument", nil},
		{ENOSYS, syscall.ENOSYS, "ENOSYS", "Function not implemented", []string{"errors.ErrUnsupported"}},
		{ENOTEMPTY, syscall.ENOTEMPTY, "ENOTEMPTY", "Directory not empty", []string{"fs.ErrExist"}},
		{EPROTO, syscall.EPROTO, "EPROTO", "Protocol error", nil},
		{EOPNOTSUPP, syscall.EOPNOTSUPP, "EOPNOTSUPP", "Operation not supported", []string{"errors.ErrUnsupported"}},
		{ECONNRESET, syscall.ECONNRESET, "ECONNRESET", "Connection reset by peer", nil},
		{ETIMEDOUT, syscall.ETIMEDOUT, "ETIMEDOUT", "Connection timed out", nil},
		{EHOSTUNREACH, syscall.EHOSTUNREACH, "EHOSTUNREACH", "No route to host", nil},
		{ECANCELED, syscall.ECANCELED, "ECANCELED", "Operation canceled", nil},
		{Errno(524), 0, "errno 524", "Unknown error 524", nil},
		{Errno(-1), 0, "errno -1", "Unknown error -1", nil},
		{Errno(41), 0, "errno 41", "Unknown error 41", nil}, // a hole in the Linux numbers
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.errno.Name() != tt.name || tt.errno.Error() != tt.text {
				t.Errorf("name %q, text %q, want %q, %q", tt.errno.Name(), tt.errno.Error(), tt.name, tt.text)
			}
			for _, err := range []error{tt.errno, &Error{Topic: "a.b", Errno: tt.errno},
				fmt.Errorf("more: %w", &Error{Errno: tt.errno})} {
				if !errors.Is(err, tt.errno) {
					t.Errorf("%#v does not match its number", err)
				}
				if errors.Is(err, EBADF) || errors.Is(err, syscall.EBADF) || errors.Is(err, syscall.Errno(0)) {
					t.Errorf("%#v matches another number", err)
				}
				if tt.host != 0 && !errors.Is(err, tt.host) {
					t.Errorf("%#v does not match syscall.%s", err, tt.name)
				}
				var want = make(map[string]bool)
				for _, name := range tt.is {
					want[name] = true
				}
				for name, sentinel := range sentinels {
					if got := errors.Is(err, sentinel); got != want[name] {
						t.Errorf("%#v matches %s: %t, want %t", err, name, got, want[name])
					}
				}
				var e Errno
				if !errors.As(err, &e) || e != tt.errno {
					t.Errorf("the number in %#v is %v", err, e)
				}
			}
		})
	}
}

// The names are those that Linux has for the numbers: on Linux the host knows.
func TestErrnoTable(t *testing.T) {
	names := make(map[string]Errno)
	for n := range errnoTable {
		e := Errno(n)
		if n > 0 && errnoTable[n].name != "" {
			if other, twice := names[e.Name()]; twice {
				t.Errorf("%d and %d are both %s", other, e, e.Name())
			}
			names[e.Name()] = e
			if errnoTable[n].text == "" {
				t.Errorf("%s has no text", e.Name())
			}
			if errnoOfHost(syscall.Errno(n)) == e && !errors.Is(e, syscall.Errno(n)) {
				t.Errorf("%s does not match the host's %d", e.Name(), n)
			}
		}
	}
	if got := Errno(0).Name(); got != "errno 0" {
		t.Errorf("name of 0 is %q", got)
	}
}

func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&Error{"kvs.lookup", ENOENT, ""}, "kvs.lookup: No such file or directory (ENOENT)"},
		{&Error{"a.b", EPERM, "not yours"}, "a.b: not yours (EPERM)"},
		{&Error{"a.b", Errno(4000), ""}, "a.b: Unknown error 4000 (errno 4000)"},
		{&GapError{3, ErrSlowConsumer}, "gap: 3 events missing: " + ErrSlowConsumer.Error()},
		{&GapError{-1, ErrConnLost}, "gap: an unknown number of events missing: " + ErrConnLost.Error()},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("text is %q, want %q", got, tt.want)
		}
	}
	if !errors.Is(&GapError{1, ErrConnLost}, ErrConnLost) {
		t.Error("a GapError does not match its cause")
	}
}

// A local error says what was done, to what, and why it failed.
func TestLocalErrorText(t *testing.T) {
	c, p := newPeer(t)
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errWhy)
	const why = "context canceled: the user's reason"
	for name, want := range map[string]string{
		"Call": "flux: call a.b: " + why, "Go": "flux: call a.b: " + why, "Do": "flux: call a.b: " + why,
		"Notify": "flux: notify a.b: " + why, "Send": "flux: send a.b: " + why,
	} {
		if err := senders()[name](ended, c); err == nil || err.Error() != want {
			t.Errorf("%s: error is %q, want %q", name, err, want)
		}
	}
	p.Conn.Close()
	<-c.Done()
	err := c.Notify(t.Context(), "a.b", nil)
	if want := "flux: notify a.b: " + c.Err().Error(); err == nil || err.Error() != want {
		t.Errorf("error is %q, want %q", err, want)
	}
	if got, want := (&opError{op: "reconnect", err: errWhy}).Error(), "flux: reconnect: the user's reason"; got != want {
		t.Errorf("error is %q, want %q", got, want)
	}
}

// A cause that is the standard error itself, or wraps it, is not said twice.
func TestCtxErrorText(t *testing.T) {
	wrapped := fmt.Errorf("shutting down: %w", context.Canceled)
	for cause, want := range map[error]string{
		nil: "context canceled", wrapped: "shutting down: context canceled", errWhy: "context canceled: the user's reason",
		ECANCELED: "context canceled: Operation canceled",
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		err := ctxError(ctx)
		wantErr(t, err, context.Canceled)
		if cause != nil {
			wantErr(t, err, cause)
		}
		if err.Error() != want {
			t.Errorf("error is %q, want %q", err, want)
		}
	}
}

// What happened here is never an *Error and what a service said never local.
func TestErrorLocalIsNotRemote(t *testing.T) {
	c, p := newPeer(t)
	ctx, cancel := context.WithCancel(t.Context())
	reply := c.Go(ctx, "a.b", nil)
	p.Recv()
	cancel()
	local := (<-reply).Err()
	var remote *Error
	if wantErr(t, local, context.Canceled); errors.As(local, &remote) || errors.Is(local, ECANCELED) ||
		errors.Is(local, syscall.ECANCELED) {
		t.Errorf("the end of a ctx, %v, matches what a service can say", local)
	}
	for errno, sentinel := range map[Errno]error{ECANCELED: context.Canceled, ETIMEDOUT: context.DeadlineExceeded,
		ECONNRESET: ErrConnLost} {
		reply = c.Go(t.Context(), "a.b", nil)
		p.Refuse(p.Recv(), uint32(errno), "")
		err := (<-reply).Err()
		if !errors.As(err, &remote) || errors.Is(err, sentinel) || SafeToRetry(err) {
			t.Errorf("%v from a service matches %v or is safe to retry", err, sentinel)
		}
	}
}

func TestSafeToRetryOfOthers(t *testing.T) {
	for _, err := range []error{nil, io.EOF, context.Canceled, ErrClosed, ErrConnLost, EAGAIN, &Error{"a.b", EAGAIN, ""},
		errNoResponse} {
		if SafeToRetry(err) {
			t.Errorf("%v is said to be safe to retry", err)
		}
	}
}
