package transport

import "github.com/flux-sdk/flux/internal/framing"

// Pipe returns two connected Conns in this process. They carry the same frames
// as a socket would, on nothing but memory and channels, so they work inside a
// synctest bubble. Closing one end lets the other read what was written and
// then io.EOF.
func Pipe(cfg Config) (Conn, Conn) {
	a, b := framing.BytePipe()
	return NewConn(a, cfg), NewConn(b, cfg)
}
