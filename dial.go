package flux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/flux-sdk/flux/transport"
)

// DefaultURI is where a system instance listens. [Dial] uses it when it is
// given no URI and FLUX_URI is not set.
const DefaultURI = "local:///run/flux/local"

// Dial connects to a broker and returns a client of it (flux_open(3)).
//
//	client, err := flux.Dial(ctx, "") // $FLUX_URI, or the system instance
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//
// The URI is scheme://path, with the connectors of package transport:
// local:///path/to/socket, ssh://host/path, fd://N, loop://, or what was
// registered. An empty URI means that of the environment variable FLUX_URI, and
// [DefaultURI] if that is not set. Of that instance, "..", "../.." and so on name
// the enclosing instances and "/" the root.
//
// ctx bounds the dial, not the life of the client. Close the client when it is no
// longer needed.
//
// Dial reads the environment: FLUX_URI; FLUX_HANDLE_TRACE, as [WithTrace] to
// standard error; FLUX_HANDLE_MATCHDEBUG, which reports matchtags left over and
// late replies on standard error; FLUX_HANDLE_USERID and FLUX_HANDLE_ROLEMASK, as
// [WithUserID] and [WithRoles] and, unlike in libflux, with every connector;
// FLUX_LOCAL_CONNECTOR_RETRY_COUNT, FLUX_SSH, FLUX_SSH_RCMD and LD_LIBRARY_PATH,
// see package transport; FLUX_PROXY_REMOTE, for "..". FLUX_CONNECTOR_PATH, where
// libflux finds its plugins, means nothing here: see [transport.Register].
//
// An error says what was tried and why it failed. It matches the system's errno,
// such as [EPERM] for a user without access, transport.ErrInvalidURI or
// transport.ErrUnknownScheme.
func Dial(ctx context.Context, uri string, opts ...DialOption) (*Client, error) {
	o := newDialOptions(opts)
	target, source := uri, ""
	if target == "" {
		target, source = defaultTarget()
	}
	if err := o.fromEnvironment(); err != nil {
		return nil, &dialError{uri: target, source: source, err: err}
	}
	if ctx.Err() != nil {
		return nil, &dialError{uri: target, source: source, err: ctxError(ctx)}
	}
	cfg := transport.Config{MaxSize: o.maxMessage}
	var err error
	if isAncestor(target) {
		resolved, from, failure := resolveAncestor(ctx, target, cfg)
		if err = failure; resolved != "" {
			target, source = resolved, from
		}
	}
	var t transport.Conn
	if err == nil {
		t, err = transport.Dial(ctx, target, cfg)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctxError(ctx)
		}
		return nil, &dialError{uri: target, source: source, err: err}
	}
	var again connTarget
	if u, err := transport.ParseURI(target); err == nil && u.Scheme == loopScheme {
		again.loop, again.attrs = true, loopPreset()
	}
	again.dial = func(ctx context.Context) (transport.Conn, error) {
		t, err := transport.Dial(ctx, target, cfg)
		if err != nil {
			err = &dialError{uri: target, source: source, err: err}
		}
		return t, err
	}
	return newClient(newConn(t, o, again)), nil
}

// defaultTarget is the URI to use when none is given, and where it is from.
func defaultTarget() (uri, source string) {
	if env, ok := os.LookupEnv("FLUX_URI"); ok {
		return env, "FLUX_URI"
	}
	return DefaultURI, "the built-in default, as FLUX_URI is not set"
}

// fromEnvironment reads the variables that stand for options; an option that
// was given wins.
func (o *dialOptions) fromEnvironment() error {
	for _, v := range []struct {
		name string
		base int
		set  func(uint32)
	}{
		{"FLUX_HANDLE_USERID", 10, func(n uint32) {
			if o.userid == nil {
				o.userid = &n
			}
		}},
		{"FLUX_HANDLE_ROLEMASK", 0, func(n uint32) {
			if o.roles == nil {
				o.roles = (*Role)(&n)
			}
		}},
	} {
		s, ok := os.LookupEnv(v.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(s, v.base, 32)
		if err != nil {
			return fmt.Errorf("environment variable %s=%q: want a number: %w", v.name, s, EINVAL)
		}
		v.set(uint32(n))
	}
	if _, ok := os.LookupEnv("FLUX_HANDLE_TRACE"); ok && o.trace == nil {
		o.trace = os.Stderr
	}
	if _, ok := os.LookupEnv("FLUX_HANDLE_MATCHDEBUG"); ok {
		o.matchDebug = os.Stderr
	}
	return nil
}

// dialError says what was dialled, why that, and what went wrong.
type dialError struct {
	uri, source string
	err         error
}

func (e *dialError) Error() string {
	from := ""
	if e.source != "" {
		from = " (from " + e.source + ")"
	}
	return fmt.Sprintf("flux: dial %q%s: %v", e.uri, from, e.err)
}

// Unwrap returns the cause and its errno.
func (e *dialError) Unwrap() []error {
	list := []error{e.err}
	var refused *transport.HandshakeError
	switch {
	case errors.As(e.err, &refused):
		list = append(list, Errno(refused.Errno))
	case errors.Is(e.err, transport.ErrInvalidURI):
		list = append(list, EINVAL)
	case errors.Is(e.err, transport.ErrUnknownScheme):
		list = append(list, ENOENT)
	default:
		if n := errnoOf(e.err); n != 0 {
			list = append(list, n)
		}
	}
	return list
}

// isAncestor tells the URIs that name an enclosing instance by path.
func isAncestor(uri string) bool {
	return strings.HasPrefix(uri, ".") || strings.HasPrefix(uri, "/")
}

// ancestorLevels is how many instances up a path of "." and ".." leads; all is
// the root instance.
func ancestorLevels(path string) (levels int, all bool, err error) {
	if strings.HasPrefix(path, "/") {
		if path == "/" {
			return 0, true, nil
		}
		return 0, false, fmt.Errorf("%s: %w; only / alone names the root instance, and a socket is local://PATH",
			path, transport.ErrInvalidURI)
	}
	for elem := range strings.SplitSeq(path, "/") {
		switch elem {
		case "", ".":
		case "..":
			levels++
		default:
			return 0, false, fmt.Errorf("%s: %w path element '%s'", path, transport.ErrInvalidURI, elem)
		}
	}
	return levels, false, nil
}

// resolveAncestor finds the URI of an enclosing instance, beginning at the
// default one (flux_open(3)). More levels than there are end at the root.
func resolveAncestor(ctx context.Context, path string, cfg transport.Config) (uri, source string, err error) {
	levels, all, err := ancestorLevels(path)
	if err != nil {
		return "", "", err
	}
	uri, from := defaultTarget()
	source = "ancestor path " + path + " from " + from
	if levels == 0 && !all {
		return uri, source, nil
	}
	for first := true; ; first = false {
		level, parent, err := askAncestry(ctx, uri, cfg)
		if err != nil {
			return uri, source, err
		}
		if first && all {
			levels = level
		}
		if level == 0 || levels == 0 {
			return uri, source, nil
		}
		levels--
		uri = viaProxy(parent)
		if levels == 0 {
			return uri, source, nil
		}
	}
}

// askAncestry asks a broker how deep it is nested and, if it is, for its parent.
func askAncestry(ctx context.Context, uri string, cfg transport.Config) (level int, parent string, err error) {
	t, err := transport.Dial(ctx, uri, cfg)
	if err != nil {
		return 0, "", err
	}
	cl := NewClient(t)
	defer cl.Close()
	s, err := cl.Attr(ctx, "instance-level")
	if err != nil {
		return 0, "", err
	}
	if level, err = strconv.Atoi(s); err != nil || level == 0 {
		return level, "", err
	}
	parent, err = cl.Attr(ctx, "parent-uri")
	return level, parent, err
}

// viaProxy makes a parent's URI one that works behind flux-proxy(1), whose
// instance's parent is local only on the remote host.
func viaProxy(parent string) string {
	host := os.Getenv("FLUX_PROXY_REMOTE")
	if path, ok := strings.CutPrefix(parent, "local://"); ok && host != "" {
		return "ssh://" + host + path
	}
	return parent
}
