package router

import (
	"strconv"
	"strings"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/jansson"
)

// addService registers a service. What the router itself objects to it answers
// always. Otherwise it asks the broker, with the client's flags: without a
// response wanted it never hears of the outcome, and answers nothing.
func (c *Conn) addService(m *codec.Message) (errno flux.Errno, answer bool) {
	name, ok := jansson.Decode(m.Payload).Str("service")
	if !ok {
		return flux.EPROTO, true
	}
	c.inst.mu.Lock()
	defer c.inst.mu.Unlock()
	old := c.r.names[name]
	if old != nil && old.client != nil || c.r.held[name] != nil {
		return flux.EEXIST, true
	}
	answer = m.Flags&codec.FlagNoResponse == 0
	if errno = c.mayRegisterLocked(m, name, old); errno != 0 {
		if !answer {
			c.r.held[name] = c
		}
		return errno, answer
	}
	c.r.names[name] = &registration{name: name, client: c}
	c.inst.gen.Add(1)
	if c.services == nil {
		c.services = make(map[string]struct{})
	}
	c.services[name] = struct{}{}
	return 0, answer
}

// mayRegisterLocked is what the broker says: names are free or taken, have no period,
// and those of guests a prefix of their own.
func (c *Conn) mayRegisterLocked(m *codec.Message, name string, old *registration) flux.Errno {
	guest := m.Rolemask&roleUser != 0 && m.UserID != codec.UserIDUnknown &&
		strings.HasPrefix(name, strconv.FormatUint(uint64(m.UserID), 10)+"-")
	switch {
	case m.Rolemask&roleOwner == 0 && !guest:
		return flux.EPERM
	case strings.Contains(name, "."):
		return flux.EINVAL
	case old != nil || c.inst.b.cfg.Scripts.HasService(name, c.r.n):
		return flux.EEXIST
	}
	return 0
}

func (c *Conn) removeService(m *codec.Message) (errno flux.Errno, answer bool) {
	name, ok := jansson.Decode(m.Payload).Str("service")
	if !ok {
		return flux.EPROTO, true
	}
	c.inst.mu.Lock()
	defer c.inst.mu.Unlock()
	if _, mine := c.services[name]; !mine {
		return flux.ENOENT, true
	}
	delete(c.services, name)
	delete(c.r.names, name)
	c.inst.gen.Add(1)
	if m.Flags&codec.FlagNoResponse != 0 {
		c.r.held[name] = c // until it hears of the outcome, which it never does
		return 0, false
	}
	return 0, true
}

// unregisterLocked removes all that the connection has registered. inst.mu is
// held.
func (c *Conn) unregisterLocked() {
	for name := range c.services {
		delete(c.r.names, name)
	}
	c.services = nil
	for name, by := range c.r.held {
		if by == c {
			delete(c.r.held, name)
		}
	}
}
