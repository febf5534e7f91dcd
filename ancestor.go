package flux

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/flux-sdk/flux/transport"
)

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
		return 0, false, fmt.Errorf("%s: %w; only / alone names the root instance, and a socket is local://PATH", path, transport.ErrInvalidURI)
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
