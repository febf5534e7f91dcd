package router

import (
	"os"
	"path/filepath"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/internal/framing"
	"github.com/flux-sdk/flux/transport"
)

// Peer is who is at the other end of a connection.
type Peer struct {
	UserID uint32
	Roles  uint32 // 0 until the policy has decided, unless stated
	PID    int
}

// admit decides on the roles of a peer; 0 refuses it.
func (b *Broker) admit(who Peer) uint32 {
	switch {
	case who.Roles != 0:
		return who.Roles | roleLocal
	case who.UserID == b.cfg.Owner, b.cfg.RootOwner && who.UserID == 0:
		return roleOwner | roleLocal
	case b.cfg.AllowGuests:
		return roleUser | roleLocal
	}
	return 0
}

// openToAll lets every user of the host connect to a socket.
func openToAll(path string) error {
	if err := os.Chmod(filepath.Dir(path), 0o711); err != nil {
		return err
	}
	return os.Chmod(path, 0o777)
}

// accept takes the connections of a socket, until it is closed.
func (r *Rank) accept(l *transport.Listener) {
	b := r.inst.b
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		if !b.cfg.Start(func() { r.welcome(in) }) {
			in.Close()
		}
	}
}

// welcome does the handshake of a socket and becomes the connection's reader.
func (r *Rank) welcome(in *transport.Incoming) {
	b := r.inst.b
	cred, err := in.Cred()
	if err != nil {
		in.Close()
		return
	}
	if b.cfg.MapCred != nil {
		cred = b.cfg.MapCred(r.n, cred)
	}
	b.gate.wait(Writes, b.cfg.Done)
	f := b.faults.Load()
	who := Peer{UserID: cred.UID, PID: cred.PID}
	who.Roles = b.admit(who)
	switch {
	case f.HangUp || r.lost.Load():
		in.Close()
		return
	case f.Refuse != 0:
		in.Refuse(uint32(f.Refuse))
		return
	case who.Roles == 0:
		in.Refuse(uint32(flux.EPERM))
		return
	}
	if c := r.enter(in, who); c != nil {
		c.readLoop()
	}
}

// enter sends the handshake byte and enters the connection; nil says that there
// is none.
func (r *Rank) enter(in *transport.Incoming, who Peer) *Conn {
	r.inst.mu.Lock()
	defer r.inst.mu.Unlock()
	s, err := in.Stream()
	if err != nil {
		return nil
	}
	var c *Conn
	if raw, ok := s.(framing.Stream); ok {
		c = r.newConnLocked(newStream(r.inst.b, raw), who)
	}
	if c == nil {
		s.Close()
	}
	return c
}

// Welcome does the handshake of a connection in this process, which is one end
// of [framing.BytePipe], and becomes its reader.
func (r *Rank) Welcome(s framing.Stream, who Peer) {
	b := r.inst.b
	b.gate.wait(Writes, b.cfg.Done)
	f := b.faults.Load()
	who.Roles = b.admit(who)
	verdict := byte(0)
	switch {
	case f.HangUp || r.lost.Load():
		s.Close()
		return
	case f.Refuse != 0:
		verdict = f.Refuse
	case who.Roles == 0:
		verdict = byte(flux.EPERM)
	}
	if verdict != 0 {
		s.Write([]byte{verdict})
		s.Close()
		return
	}
	r.inst.mu.Lock()
	c := r.newConnLocked(newStream(b, s), who)
	r.inst.mu.Unlock()
	if c == nil {
		s.Close()
		return
	}
	s.Write([]byte{verdict})
	c.readLoop()
}
