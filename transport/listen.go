package transport

import (
	"fmt"
	"net"

	"github.com/flux-sdk/flux/internal/framing"
)

// Cred is what the system says of the process at the other end of a local
// connection, as of its connect.
type Cred struct {
	UID uint32
	PID int // 0 where the system does not tell
}

// Listener is the broker's side of local://: a UNIX socket.
type Listener struct {
	l    *net.UnixListener
	path string
	cfg  Config
}

// Listen makes a socket at path, which must not exist, and listens on it. The
// socket is removed by Close.
func Listen(path string, cfg Config) (*Listener, error) {
	if path == "" || len(path) > maxSocketPath {
		return nil, fmt.Errorf("%w: socket path %q has %d bytes, want 1 to %d", ErrInvalidURI, path, len(path), maxSocketPath)
	}
	l, err := net.ListenUnix("unix", socketAddr(path))
	if err != nil {
		return nil, err
	}
	return &Listener{l: l, path: path, cfg: cfg}, nil
}

// URI is what a client dials to get here.
func (l *Listener) URI() string { return "local://" + l.path }

// Accept waits for the next connection. Who it is and whether it is welcome is
// the caller's to find out, off the accepting goroutine.
func (l *Listener) Accept() (*Incoming, error) {
	c, err := l.l.AcceptUnix()
	if err != nil {
		return nil, err
	}
	return &Incoming{c: c, cfg: l.cfg}, nil
}

// Close stops listening and removes the socket. Accepted connections live on.
func (l *Listener) Close() error { return l.l.Close() }

// Incoming is a connection before the handshake. One of Welcome, Refuse and
// Close must be called.
type Incoming struct {
	c   *net.UnixConn
	cfg Config
}

// Cred asks the system who connected.
func (in *Incoming) Cred() (Cred, error) { return peerCred(in.c) }

// Welcome sends the handshake byte 0 and returns the connection.
func (in *Incoming) Welcome() (Conn, error) {
	if _, err := in.c.Write([]byte{0}); err != nil {
		in.c.Close()
		return nil, err
	}
	return NewConn(in.c, in.cfg), nil
}

// Stream sends the handshake byte 0 and returns the bare byte stream, for a
// caller that puts something between it and [NewConn].
func (in *Incoming) Stream() (net.Conn, error) {
	if _, err := in.c.Write([]byte{0}); err != nil {
		in.c.Close()
		return nil, err
	}
	// Its writes can be tried, through what is put between too.
	return framing.NewUnixStream(in.c).(net.Conn), nil
}

// Refuse sends errno as the handshake byte and closes. An errno of 0 or over
// 255 is sent as 1, EPERM.
func (in *Incoming) Refuse(errno uint32) error {
	if errno == 0 || errno > 255 {
		errno = 1
	}
	_, err := in.c.Write([]byte{byte(errno)})
	if cerr := in.c.Close(); err == nil {
		err = cerr
	}
	return err
}

// Close drops the connection without a handshake.
func (in *Incoming) Close() error { return in.c.Close() }
