package flux

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// Errno is an error number as it is on the wire: Linux numbering, whatever
// system this program runs on. Zero is success and never an error.
//
// [errors.Is] matches an Errno with the same Errno, with the host's
// [syscall.Errno] of the same name, and with the fs and errors sentinels that
// belong to it (ENOENT with [fs.ErrNotExist], ENOSYS with
// [errors.ErrUnsupported] and so on).
type Errno int32

// Error returns the text of strerror(3).
func (e Errno) Error() string {
	if text := e.entry().text; text != "" {
		return text
	}
	return fmt.Sprintf("Unknown error %d", int32(e))
}

// Name returns the Linux name of the number, "ENOENT", or "errno 524" without one.
func (e Errno) Name() string {
	if name := e.entry().name; name != "" {
		return name
	}
	return fmt.Sprintf("errno %d", int32(e))
}

func (e Errno) entry() (entry struct{ name, text string }) {
	if e >= 0 && int(e) < len(errnoTable) {
		entry = errnoTable[e]
	}
	return entry
}

// Is matches the host's errno of the same name and the sentinels of the
// standard library. It matches neither context.Canceled nor
// context.DeadlineExceeded: what a service said is not what happened here.
func (e Errno) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return e == ENOENT
	case fs.ErrExist:
		return e == EEXIST || e == ENOTEMPTY
	case fs.ErrPermission:
		return e == EPERM || e == EACCES
	case errors.ErrUnsupported:
		return e == ENOSYS || e == EOPNOTSUPP
	}
	host, ok := target.(syscall.Errno)
	return ok && host != 0 && errnoOfHost(host) == e
}

// errnoOf finds the wire number of what went wrong: that of an Errno or of a
// syscall.Errno anywhere in err, and 0 if there is none.
func errnoOf(err error) Errno {
	var e Errno
	if errors.As(err, &e) {
		return e
	}
	var host syscall.Errno
	if errors.As(err, &host) {
		return errnoOfHost(host)
	}
	return 0
}
