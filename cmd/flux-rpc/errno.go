package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/flux-sdk/flux"
)

// maxErrno is the greatest number that Linux has for an error.
const maxErrno = 4095

// parseErrno reads an error number or its Linux name.
func parseErrno(s string) (flux.Errno, error) {
	if n, err := strconv.ParseInt(s, 10, 32); err == nil && n > 0 {
		return flux.Errno(n), nil
	}
	for e := flux.Errno(1); e <= maxErrno; e++ {
		if strings.EqualFold(e.Name(), s) {
			return e, nil
		}
	}
	return 0, fmt.Errorf("%q is no error number or name, such as 2 or ENOENT", s)
}

// errnoNames lists the names there are.
func errnoNames() []string {
	var names []string
	for e := flux.Errno(1); e <= maxErrno; e++ {
		if name := e.Name(); strings.HasPrefix(name, "E") {
			names = append(names, name)
		}
	}
	return names
}

// errnoFlag is the error that a command is expected to meet; 0 is none.
type errnoFlag flux.Errno

func (f *errnoFlag) String() string {
	if *f == 0 {
		return ""
	}
	return flux.Errno(*f).Name()
}

func (f *errnoFlag) Type() string { return "errno" }

func (f *errnoFlag) Set(s string) error {
	e, err := parseErrno(s)
	*f = errnoFlag(e)
	return err
}

// judge turns the outcome of a command into what the expectation makes of it.
func (f *errnoFlag) judge(err error) error {
	var usage *usageError
	var remote *flux.Error
	switch {
	case *f == 0, errors.As(err, &usage):
		return err
	case err == nil, errors.Is(err, errReaderGone):
		return fmt.Errorf("success, but %s was expected", f)
	case errors.As(err, &remote) && remote.Errno == flux.Errno(*f):
		return nil
	case errors.As(err, &remote):
		return &flux.Error{
			Topic: remote.Topic, Errno: remote.Errno,
			Message: fmt.Sprintf("%s, but %s was expected", errorText(remote), f),
		}
	}
	return err
}

// errorText is what a remote error says, or what its number means.
func errorText(e *flux.Error) string {
	if e.Message != "" {
		return e.Message
	}
	return e.Errno.Error()
}
