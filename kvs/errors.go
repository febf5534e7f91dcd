package kvs

import (
	"errors"
	"fmt"

	"github.com/flux-sdk/flux"
)

var (
	// ErrNoNamespace matches the error of using a namespace that does not exist. The service says EOPNOTSUPP then,
	// which matches as well.
	ErrNoNamespace = errors.New("no such namespace")
	// ErrKey matches the error of a key or of a namespace's name that was not sent, because the service would not
	// refuse it or would read it in another way than it was meant.
	ErrKey = errors.New("invalid key")
	// ErrSnapshot matches the error of writing to, or watching, a Store that reads one root.
	ErrSnapshot = errors.New("a snapshot can only be read")
	// ErrOverwritten matches the error that ends a watch with Append: the value was replaced, not appended to.
	ErrOverwritten = errors.New("watched value was overwritten")
)

// Error is the error of one operation on the store.
type Error struct {
	Op        string // such as "get" or "commit"
	Namespace string // "" if the operation has none
	Key       string // "" if the operation has none
	Err       error
}

func (e *Error) Error() string {
	text := "kvs: " + e.Op
	if e.Key != "" {
		text += fmt.Sprintf(" %q", e.Key)
	}
	if e.Namespace != "" {
		text += fmt.Sprintf(" in namespace %q", e.Namespace)
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// meaning is an error of the service together with what it means here.
type meaning struct {
	text  string
	means error // nil if errors.Is has nothing more to find
	err   error
}

func (e *meaning) Error() string { return e.text + ": " + e.err.Error() }

func (e *meaning) Unwrap() []error {
	if e.means == nil {
		return []error{e.err}
	}
	return []error{e.means, e.err}
}

// remoteErrno returns the number that a service answered with, and 0 if err is anything else.
func remoteErrno(err error) flux.Errno {
	if e, ok := errors.AsType[*flux.Error](err); ok {
		return e.Errno
	}
	return 0
}

// fail returns the error of an operation of s, and nil if err is nil.
func (s *Store) fail(op, key string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	switch remoteErrno(err) {
	case flux.EOPNOTSUPP:
		if !errors.Is(err, errAppendToLink) {
			err = &meaning{text: ErrNoNamespace.Error(), means: ErrNoNamespace, err: err}
		}
	case flux.EPERM:
		err = &meaning{text: "only the owner of the instance or of the namespace is let in; " +
			"a guest reads its jobs with the job services", err: err}
	}
	return &Error{Op: op, Namespace: s.namespace, Key: key, Err: err}
}
