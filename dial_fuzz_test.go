package flux

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/transport"
)

// FuzzDialURI dials whatever is given: a client or an error that says what was
// tried, never a panic. What would reach beyond this process is dialled with a
// ctx that has ended.
func FuzzDialURI(f *testing.F) {
	for _, uri := range []string{
		"", "local", "local://", "local:///nonexistent/socket", "local://relative", "loop://", "loop://x", "loop",
		"ssh://", "ssh://host", "ssh://user@host:22/path", "ssh://host/p?q", "ssh://host:x/p", "ssh://-oProxyCommand=x/p", "fd://0", "fd://-1",
		"/", "/x", ".", "..", "../..", ".//..", "../x", "://", "://x", "a://b://c", " local:///x", "local:///x \t",
		"\x00", "local:///\x00", "\xff\xfe", "local://@abstract", strings.Repeat("x", 200),
		"local://" + strings.Repeat("/x", 100),
	} {
		f.Add(uri)
	}
	dialAlone(f)
	f.Setenv("FLUX_URI", "local:///nonexistent/flux")
	f.Fuzz(func(t *testing.T, uri string) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		u, _ := transport.ParseURI(uri)
		_, missing := os.Lstat(u.Path)
		scheme := u.Scheme
		if scheme == "fd" || scheme == "local" && missing == nil {
			cancel()
		}
		c, err := Dial(ctx, uri)
		switch {
		case err == nil && scheme == "loop":
			if err := c.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		case err == nil:
			t.Errorf("Dial(%q) yields a client", uri)
		case c != nil:
			t.Errorf("Dial(%q) yields a client and %v", uri, err)
		case !isAncestor(uri) && uri != "" && !strings.Contains(err.Error(), strconv.Quote(uri)):
			t.Errorf("Dial(%q): error %q does not name the URI", uri, err)
		case !strings.HasPrefix(err.Error(), "flux: dial "):
			t.Errorf("Dial(%q): error %q does not say what was done", uri, err)
		case ctx.Err() == nil && errnoOf(err) == 0:
			t.Errorf("Dial(%q): error %q has no errno", uri, err)
		}
	})
}
