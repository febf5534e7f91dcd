package fluxtest

import (
	"os"
	"path/filepath"
	"strconv"

	"github.com/flux-sdk/flux/internal/framing"
	"github.com/flux-sdk/flux/transport"
)

// peer is who is at the other end of a connection.
type peer struct {
	uid   uint32
	roles uint32 // 0 until the policy has decided, unless stated
	pid   int
}

// admit decides on the roles of a peer; 0 refuses it.
func (b *Broker) admit(who peer) uint32 {
	switch {
	case who.roles != 0:
		return who.roles | roleLocal
	case who.uid == b.cfg.owner, b.cfg.rootOwner && who.uid == 0:
		return roleOwner | roleLocal
	case b.cfg.guests:
		return roleUser | roleLocal
	}
	return 0
}

// socketDir makes a private directory with a path short enough for sockets.
func socketDir() (string, error) {
	dir, err := os.MkdirTemp("", "flux-")
	if err != nil || len(dir) < 80 {
		return dir, err
	}
	os.Remove(dir)
	return os.MkdirTemp("/tmp", "flux-")
}

// openToAll lets every user of the host connect to a socket.
func openToAll(dir, path string) error {
	if err := os.Chmod(dir, 0o711); err != nil {
		return err
	}
	return os.Chmod(path, 0o777)
}

func (b *Broker) socketPath(rank uint32) string {
	return filepath.Join(b.dir, "local-"+strconv.FormatUint(uint64(rank), 10))
}

// accept takes the connections of a socket, until it is closed.
func (r *rank) accept(l *transport.Listener) {
	b := r.inst.b
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		if !b.start(func() { r.welcome(in) }) {
			in.Close()
		}
	}
}

// welcome does the handshake of a socket and becomes the connection's reader.
func (r *rank) welcome(in *transport.Incoming) {
	b := r.inst.b
	cred, err := in.Cred()
	if err != nil {
		in.Close()
		return
	}
	if b.cfg.mapCred != nil {
		cred = b.cfg.mapCred(r.n, cred)
	}
	b.faults.gate.wait(Writes, b.done.Done())
	f := b.faults.current()
	who := peer{uid: cred.UID, pid: cred.PID}
	who.roles = b.admit(who)
	switch {
	case f.HangUp || r.lost.Load():
		in.Close()
		return
	case f.Refuse != 0:
		in.Refuse(uint32(f.Refuse))
		return
	case who.roles == 0:
		in.Refuse(ePERM)
		return
	}
	if c := r.enter(in, who); c != nil {
		c.serve()
	}
}

// enter sends the handshake byte and enters the connection; nil says that there
// is none.
func (r *rank) enter(in *transport.Incoming, who peer) *Conn {
	r.inst.mu.Lock()
	defer r.inst.mu.Unlock()
	s, err := in.Stream()
	if err != nil {
		return nil
	}
	var c *Conn
	if try, ok := s.(framing.Stream); ok {
		c = r.newConn(newStream(r.inst.b, try), who)
	}
	if c == nil {
		s.Close()
	}
	return c
}

// welcomePipe is welcome for a connection in this process.
func (r *rank) welcomePipe(s framing.Stream, who peer) {
	b := r.inst.b
	b.faults.gate.wait(Writes, b.done.Done())
	f := b.faults.current()
	who.roles = b.admit(who)
	verdict := byte(0)
	switch {
	case f.HangUp || r.lost.Load():
		s.Close()
		return
	case f.Refuse != 0:
		verdict = f.Refuse
	case who.roles == 0:
		verdict = ePERM
	}
	if verdict != 0 {
		s.Write([]byte{verdict})
		s.Close()
		return
	}
	r.inst.mu.Lock()
	c := r.newConn(newStream(b, s), who)
	r.inst.mu.Unlock()
	if c == nil {
		s.Close()
		return
	}
	s.Write([]byte{verdict})
	c.serve()
}
