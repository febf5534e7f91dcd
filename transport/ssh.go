package transport

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/flux-sdk/flux/internal/framing"
)

// What the ssh connector reads from the environment, as flux_open(3) does.
const (
	SSHEnv       = "FLUX_SSH"      // the ssh program
	SSHRemoteEnv = "FLUX_SSH_RCMD" // the path of flux on the remote side

	defaultSSH = "/usr/bin/ssh"
	// sshGrace is how long ssh may take to end by itself before it is killed.
	sshGrace = time.Second

	sshHint = "Unable to establish clean ssh connection.\n" +
		"Hint: Check that shell init files do not write to stdout when non-interactive."
)

// sshError is a failed dial in the words of ssh or of the remote side.
type sshError struct {
	text string
	err  error
}

func (e *sshError) Error() string { return e.text }
func (e *sshError) Unwrap() error { return e.err }

// dialSSH connects to ssh://[user@]host[:port]/PATH: ssh runs "flux relay" on
// the host, whose stdin and stdout then speak as the socket at PATH does. The
// remote shell reads PATH unquoted, so it must come from somebody trusted.
func dialSSH(ctx context.Context, uri URI, cfg Config) (Conn, error) {
	argv, err := sshCommand(uri)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	c, kid, err := startChild(argv)
	if err != nil {
		return nil, err
	}
	if err = shake(ctx, c); err == nil {
		// Close ends the child as well: its stdin closes, and if that does not end
		// it in a bounded time it is killed.
		end := func() { kid.end(context.Background(), sshGrace) }
		return framing.New(c, framing.Config{MaxSize: cfg.MaxSize, AfterClose: end}), nil
	}
	cut := ctx.Err() != nil
	c.Close()
	kid.end(ctx, sshGrace)
	if cut {
		return nil, context.Cause(ctx)
	}
	text := kid.stderr.text()
	if text == "" {
		text = sshHint
	}
	return nil, &sshError{text, err}
}

// sshCommand is the command line for uri.
func sshCommand(uri URI) ([]string, error) {
	dest, port, path, err := parseSSH(uri)
	if err != nil {
		return nil, err
	}
	prog, ok := os.LookupEnv(SSHEnv)
	if !ok {
		prog = defaultSSH
	}
	argv := []string{prog}
	if port != "" {
		argv = append(argv, "-p", port)
	}
	argv = append(argv, dest)
	flux, rcmd := os.LookupEnv(SSHRemoteEnv)
	lib, libs := os.LookupEnv("LD_LIBRARY_PATH")
	if !rcmd || libs {
		argv = append(argv, "env")
	}
	if !rcmd {
		flux = "flux"
		argv = append(argv, "PATH="+remotePath(path))
	}
	if libs {
		argv = append(argv, "LD_LIBRARY_PATH="+lib)
	}
	return append(argv, flux, "relay", path), nil
}

// remotePath is where the remote side looks for flux: beside the socket, where
// it is on this side, and in the usual places.
func remotePath(socket string) string {
	dir := strings.Trim(socket, "/")
	if i := strings.LastIndexByte(dir, '/'); i >= 0 {
		dir = strings.TrimRight(dir[:i], "/")
	} else {
		dir = "."
	}
	p := "/" + dir + "/bin"
	if flux, err := exec.LookPath("flux"); err == nil {
		p += ":" + filepath.Dir(flux)
	}
	return p + ":/bin:/usr/bin"
}

// parseSSH splits [user@]host[:port]/path. A password is dropped, as ssh takes
// none on its command line.
func parseSSH(uri URI) (dest, port, path string, err error) {
	bad := func(why string) (string, string, string, error) {
		return "", "", "", fmt.Errorf("%w %q: %s; want ssh://[user@]host[:port]/PATH", ErrInvalidURI, uri, why)
	}
	host, rest, ok := strings.Cut(uri.Path, "/")
	switch {
	case strings.ContainsAny(uri.Path, "?#"):
		return bad("a query or a fragment has no meaning here")
	case !ok:
		return bad("no path")
	}
	user := ""
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		user, _, _ = strings.Cut(host[:i], ":")
		if host = host[i+1:]; user == "" {
			return bad("empty user")
		}
		user += "@"
	}
	colon := false
	if v6, after, ok := strings.Cut(host, "]"); ok && strings.HasPrefix(v6, "[") {
		host = v6[1:]
		if port, colon = strings.CutPrefix(after, ":"); !colon && after != "" {
			return bad("text after the address in brackets")
		}
	} else if host, port, colon = strings.Cut(host, ":"); strings.Contains(port, ":") {
		return bad("more than one colon in the host")
	}
	if colon {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return bad("the port is not a number up to 65535")
		}
		port = ""
		if n != 0 {
			port = strconv.FormatUint(n, 10)
		}
	}
	dest = user + host
	switch {
	case host == "":
		return bad("no host")
	case strings.HasPrefix(dest, "-"):
		return bad("ssh would take the host for an option")
	}
	return dest, port, "/" + rest, nil
}
