package router

import "github.com/flux-sdk/flux/codec"

// lookup remembers what one goroutine found last in the tables of a rank: a
// burst mostly goes one way. Nothing in it is older than gen, so it needs no
// lock that others write to.
type lookup struct {
	r   *Rank
	gen uint64

	name string
	s    *registration
	uuid string
	c    *Conn
}

// at is what is known of r, as long as it is true.
func (b *Batch) at(r *Rank) *lookup {
	l := &b.found
	if gen := r.inst.gen.Load(); l.r != r || l.gen != gen {
		*l = lookup{r: r, gen: gen}
	}
	return l
}

// registered finds what a first word of topics is registered for.
func (l *lookup) registered(name string) *registration {
	if l.s == nil || l.name != name {
		l.r.inst.mu.RLock()
		l.name, l.s = name, l.r.names[name]
		l.r.inst.mu.RUnlock()
	}
	return l.s
}

// client finds the connection that the first hop of routes names.
func (l *lookup) client(routes codec.Routes) (*Conn, codec.Routes) {
	if len(routes) <= uuidLen || routes[0] != uuidLen {
		return nil, nil
	}
	uuid, rest := routes[1:1+uuidLen], routes[1+uuidLen:]
	if l.c == nil || l.uuid != string(uuid) {
		l.r.inst.mu.RLock()
		l.c = l.r.inst.conns[string(uuid)]
		l.r.inst.mu.RUnlock()
		if l.c == nil || l.c.r != l.r {
			l.c = nil
			return nil, nil
		}
		l.uuid = l.c.uuid
	}
	return l.c, rest
}
