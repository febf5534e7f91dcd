package fluxtest

import (
	"context"
	"errors"
	"strings"
	"syscall"

	"github.com/flux-sdk/flux"
)

// wireError is what an error response says of an error: what a handler that
// returns it makes the client see.
func wireError(err error) (flux.Errno, string) {
	if err == nil {
		panic("fluxtest: Request.Fail: the error is nil")
	}
	if e, ok := err.(*flux.Error); ok && e.Errno != 0 {
		return e.Errno, cleanText(e.Message)
	}
	if e, ok := err.(flux.Errno); ok && e != 0 {
		return e, ""
	}
	return errnoOf(err), cleanText(err.Error())
}

func errnoOf(err error) flux.Errno {
	var errno flux.Errno
	var host syscall.Errno
	switch {
	case errors.As(err, &errno) && errno != 0:
		return errno
	case errors.As(err, &host):
		// The numbers of the wire are those of Linux; Errno.Is knows the host's.
		for n := flux.Errno(1); n < maxErrno; n++ {
			if errors.Is(n, host) {
				return n
			}
		}
		return flux.EIO
	case errors.Is(err, context.DeadlineExceeded):
		return flux.ETIMEDOUT
	case errors.Is(err, context.Canceled):
		return flux.ECANCELED
	}
	return flux.EIO
}

// maxErrno is beyond the numbers that have a name on Linux.
const maxErrno = 256

// cleanText keeps a text from having a NUL inside, where its receiver would cut
// it, and bytes that are not UTF-8.
func cleanText(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\\0"), "\ufffd")
}
