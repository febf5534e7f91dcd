package flux

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/peertest"
	"github.com/flux-sdk/flux/transport"
)

func TestDialHandleVariables(t *testing.T) {
	const none = codec.UserIDUnknown
	for _, tt := range []struct {
		name          string
		userid, roles string // "-" is unset
		opts          []DialOption
		wantUser      uint32
		wantRoles     Role
	}{
		{"unset", "-", "-", nil, none, RoleNone},
		{"userid", "1234", "-", nil, 1234, RoleNone},
		{"userid 0", "0", "-", nil, 0, RoleNone},
		{"largest userid", "4294967294", "-", nil, 4294967294, RoleNone},
		{"roles", "-", "2", nil, none, RoleUser},
		{"roles in hex", "-", "0x6", nil, none, RoleUser | RoleLocal},
		{"roles in octal", "-", "010", nil, none, RoleAdmin},
		{"both", "42", "0xffffffff", nil, 42, RoleAll},
		{"options win", "42", "2", []DialOption{WithUserID(7), WithRoles(RoleAdmin)}, 7, RoleAdmin},
		{"one option", "42", "2", []DialOption{WithRoles(RoleAdmin)}, 42, RoleAdmin},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dialAlone(t)
			for name, value := range map[string]string{"FLUX_HANDLE_USERID": tt.userid, "FLUX_HANDLE_ROLEMASK": tt.roles} {
				if value != "-" {
					t.Setenv(name, value)
				}
			}
			uri, conns := welcome(t)
			c, p := dialPeer(t, uri, conns, tt.opts...)
			// They are read at Dial.
			t.Setenv("FLUX_HANDLE_USERID", "99")
			t.Setenv("FLUX_HANDLE_ROLEMASK", "99")
			if err := c.Notify(t.Context(), "a.b", nil); err != nil {
				t.Fatal(err)
			}
			m := p.Recv()
			if m.UserID != tt.wantUser || Role(m.Rolemask) != tt.wantRoles {
				t.Errorf("request is of %d, %s, want %d, %s", int32(m.UserID), Role(m.Rolemask), int32(tt.wantUser), tt.wantRoles)
			}
		})
	}
}

func TestDialHandleVariablesInvalid(t *testing.T) {
	for name, values := range map[string][]string{
		"FLUX_HANDLE_USERID": {"root", "-1", "4294967296", "0x10"}, "FLUX_HANDLE_ROLEMASK": {"owner", "-1", "0x100000000"},
	} {
		for _, value := range values {
			t.Run(name+"="+value, func(t *testing.T) {
				dialAlone(t)
				t.Setenv(name, value)
				_, err := Dial(t.Context(), "loop://")
				wantErr(t, err, EINVAL)
				if !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), value) {
					t.Errorf("error %q does not name %s and %s", err, name, value)
				}
			})
		}
	}
}

// FuzzDialURI dials whatever is given: a client or an error that says what was
// tried, never a panic. What would reach beyond this process is dialled with a
// ctx that has ended.
func FuzzDialURI(f *testing.F) {
	for _, uri := range []string{
		"", "local", "local://", "local:///nonexistent/socket", "local://relative", "loop://", "loop://x", "loop",
		"ssh://", "ssh://host", "ssh://user@host:22/path", "ssh://host/p?q", "ssh://host:x/p", "ssh://-oProxyCommand=x/p",
		"fd://0", "fd://-1",
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

// unsetenv removes a variable for the time of a test.
func unsetenv(t testing.TB, name string) {
	t.Helper()
	t.Setenv(name, "") // restores it
	os.Unsetenv(name)
}

// dialAlone sets the environment so that nothing but the test's own is dialled,
// and without retries.
func dialAlone(t testing.TB) {
	t.Helper()
	unsetenv(t, "FLUX_URI")
	for _, name := range []string{"FLUX_HANDLE_USERID", "FLUX_HANDLE_ROLEMASK", "FLUX_HANDLE_TRACE",
		"FLUX_HANDLE_MATCHDEBUG", "FLUX_PROXY_REMOTE"} {
		unsetenv(t, name)
	}
	t.Setenv(transport.RetryCountEnv, "0")
	t.Setenv(transport.SSHEnv, "/nonexistent/ssh")
}

// welcome makes a listener whose connections are welcome, and yields them.
func welcome(t *testing.T) (uri string, conns <-chan transport.Conn) {
	t.Helper()
	l, _ := listenSocket(t)
	ch := make(chan transport.Conn, 10)
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			if conn, err := in.Welcome(); err == nil {
				ch <- conn
			}
		}
	}()
	return l.URI(), ch
}

// dialPeer is newPeer by way of a real socket.
func dialPeer(t *testing.T, uri string, conns <-chan transport.Conn, opts ...DialOption) (*Client, *peertest.Peer) {
	t.Helper()
	c, err := Dial(t.Context(), uri, opts...)
	if err != nil {
		t.Fatal(err)
	}
	p := &peertest.Peer{T: t, Conn: <-conns}
	t.Cleanup(func() {
		p.Close()
		c.Close()
	})
	return c, p
}

func TestDialErrors(t *testing.T) {
	dialAlone(t)
	dir := socketDir(t)
	missing := "local://" + dir + "/missing"
	dead := filepath.Join(dir, "dead")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	long := "local:///" + strings.Repeat("x", 107)

	for _, tt := range []struct {
		name string
		uri  string
		env  string // FLUX_URI; "-" is unset
		is   []error
		text []string
	}{
		{"no such socket", missing, "-", []error{ENOENT, syscall.ENOENT, fs.ErrNotExist}, []string{missing, "not found"}},
		{"nobody listens", "local://" + dead, "-", []error{ECONNREFUSED, syscall.ECONNREFUSED}, []string{dead, "refused"}},
		{"a file", "local://" + file, "-", []error{ECONNREFUSED}, []string{file}},
		{"below a file", "local://" + file + "/x", "-", []error{ENOTDIR}, []string{file}},
		{"path too long", long, "-", []error{EINVAL, transport.ErrInvalidURI}, []string{long, "107"}},
		{"no path", "local", "-", []error{EINVAL, transport.ErrInvalidURI}, []string{`"local"`}},
		{"empty path", "local:// \t", "-", []error{EINVAL, transport.ErrInvalidURI}, []string{"local://"}},
		{"a NUL", "local:///a\x00b", "-", []error{EINVAL, transport.ErrInvalidURI}, []string{"NUL"}},
		{"unknown scheme", "tcp://host:1", "-", []error{ENOENT, transport.ErrUnknownScheme},
			[]string{"'tcp'", "tcp://host:1", "local"}},
		{"white space first", " local:///x", "-", []error{ENOENT, transport.ErrUnknownScheme}, []string{"' local'"}},
		{"no descriptor", "fd://x", "-", []error{EINVAL, transport.ErrInvalidURI}, []string{"fd://x"}},
		{"no ssh", "ssh://host/path", "-", []error{ENOENT}, []string{"/nonexistent/ssh", "FLUX_SSH"}},
		{"ssh without path", "ssh://host", "-", []error{EINVAL, transport.ErrInvalidURI}, []string{"ssh://host"}},
		{"environment", "", missing, []error{ENOENT}, []string{missing, "FLUX_URI"}},
		{"environment is no URI", "", "nonsense", []error{ENOENT, transport.ErrUnknownScheme},
			[]string{"'nonsense'", "FLUX_URI"}},
		{"environment empty", "", "", []error{ENOENT, transport.ErrUnknownScheme}, []string{"''", "FLUX_URI"}},
		{"argument over environment", "tcp://x", missing, []error{transport.ErrUnknownScheme}, []string{"tcp://x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.env != "-" {
				t.Setenv("FLUX_URI", tt.env)
			}
			c, err := Dial(t.Context(), tt.uri)
			if c != nil {
				t.Error("a failed Dial returns a client")
			}
			wantErr(t, err, tt.is...)
			for _, text := range tt.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("error %q does not tell of %q", err, text)
				}
			}
			if fromEnv := strings.Contains(err.Error(), "FLUX_URI"); fromEnv != (tt.uri == "") {
				t.Errorf("error %q names FLUX_URI: %t", err, fromEnv)
			}
		})
	}
}

// Without FLUX_URI it is the built-in default, which may exist on this machine:
// so it is not dialled here.
func TestDialDefault(t *testing.T) {
	dialAlone(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errWhy)
	_, err := Dial(ctx, "")
	wantErr(t, err, context.Canceled, errWhy)
	for _, text := range []string{DefaultURI, "default", "FLUX_URI"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q does not tell of %q", err, text)
		}
	}
}

func TestDialFromEnvironment(t *testing.T) {
	dialAlone(t)
	uri, conns := welcome(t)
	t.Setenv("FLUX_URI", uri)
	c, p := dialPeer(t, "", conns)
	reply := c.Go(t.Context(), "a.b", nil)
	p.Respond(p.Want("a.b"), "hello")
	wantBytes(t, <-reply, []byte("hello\x00"))
}

// The ctx bounds the dial and not the life of the client.
func TestDialCtx(t *testing.T) {
	dialAlone(t)
	uri, conns := welcome(t)
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Dial(ctx, uri)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := &peertest.Peer{T: t, Conn: <-conns}
	p.Serve(peertest.Echo)
	cancel()
	if _, err := c.Call(t.Context(), "a.b", nil); err != nil {
		t.Error(err)
	}
	c.Close()
	p.Close()
}

// The end of the ctx ends a dial that waits, for the handshake or between tries.
func TestDialCtxEnds(t *testing.T) {
	dialAlone(t)
	silent, _ := listenSocket(t)
	missing := "local://" + socketDir(t) + "/missing"
	for _, tt := range []struct {
		name  string
		uri   string
		begun func() // waits until the dial waits
	}{
		{"handshake", silent.URI(), func() {
			in, err := silent.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { in.Close() })
		}},
		{"retry", missing, func() {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(transport.RetryCountEnv, "1000000")
			ctx, cancel := context.WithCancelCause(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := Dial(ctx, tt.uri)
				done <- err
			}()
			tt.begun()
			cancel(errWhy)
			select {
			case err := <-done:
				wantErr(t, err, context.Canceled, errWhy)
				if !strings.Contains(err.Error(), tt.uri) {
					t.Errorf("error %q does not name %s", err, tt.uri)
				}
			case <-time.After(patience):
				t.Fatal("Dial does not end with its ctx")
			}
		})
	}
}

// A broker that closes in place of the handshake.
func TestDialHandshakeCutShort(t *testing.T) {
	dialAlone(t)
	l, done := listenSocket(t)
	go func() {
		in, err := l.Accept()
		if err == nil {
			err = in.Close()
		}
		done <- err
	}()
	_, err := Dial(t.Context(), l.URI())
	wantErr(t, err, ECONNRESET)
	var refused *transport.HandshakeError
	if errors.As(err, &refused) {
		t.Errorf("%v holds a HandshakeError, though there was no handshake", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestDialMaxMessage(t *testing.T) {
	dialAlone(t)
	uri, conns := welcome(t)
	c, p := dialPeer(t, uri, conns, WithMaxMessage(1000))
	_, err := c.Call(t.Context(), "a.b", make([]byte, 1000))
	wantErr(t, err, codec.ErrTooLarge)
	reply := c.Go(t.Context(), "a.b", nil)
	p.Respond(p.Recv(), make([]byte, 1000))
	wantErr(t, (<-reply).Err(), ErrConnLost, codec.ErrTooLarge)
}
