package fluxtest

import (
	"strconv"
	"strings"

	"github.com/flux-sdk/flux/codec"
)

// addService registers a service. What the router itself objects to it answers
// always. Otherwise it asks the broker, with the client's flags: without a
// response wanted it never hears of the outcome, and answers nothing.
func (c *Conn) addService(m *codec.Message) (errnum uint32, answer bool) {
	name, ok := decodeObject(m.Payload).str("service")
	if !ok {
		return ePROTO, true
	}
	c.inst.mu.Lock()
	defer c.inst.mu.Unlock()
	old := c.r.services[name]
	if old != nil && old.client != nil || c.r.held[name] != nil {
		return eEXIST, true
	}
	answer = m.Flags&codec.FlagNoResponse == 0
	if errnum = c.mayRegister(m, name, old); errnum != 0 {
		if !answer {
			c.r.held[name] = c
		}
		return errnum, answer
	}
	c.r.services[name] = &service{name: name, client: c}
	c.inst.gen.Add(1)
	if c.services == nil {
		c.services = make(map[string]struct{})
	}
	c.services[name] = struct{}{}
	return 0, answer
}

// mayRegister is what the broker says: names are free or taken, have no period,
// and those of guests a prefix of their own.
func (c *Conn) mayRegister(m *codec.Message, name string, old *service) uint32 {
	guest := m.Rolemask&roleUser != 0 && m.UserID != codec.UserIDUnknown &&
		strings.HasPrefix(name, strconv.FormatUint(uint64(m.UserID), 10)+"-")
	switch {
	case m.Rolemask&roleOwner == 0 && !guest:
		return ePERM
	case strings.Contains(name, "."):
		return eINVAL
	case old != nil || c.inst.b.scripts.serves(name, c.r.n):
		return eEXIST
	}
	return 0
}

func (c *Conn) removeService(m *codec.Message) (errnum uint32, answer bool) {
	name, ok := decodeObject(m.Payload).str("service")
	if !ok {
		return ePROTO, true
	}
	c.inst.mu.Lock()
	defer c.inst.mu.Unlock()
	if _, mine := c.services[name]; !mine {
		return eNOENT, true
	}
	delete(c.services, name)
	delete(c.r.services, name)
	c.inst.gen.Add(1)
	if m.Flags&codec.FlagNoResponse != 0 {
		c.r.held[name] = c // until it hears of the outcome, which it never does
		return 0, false
	}
	return 0, true
}

// unregister removes all that the connection has registered. The caller holds
// inst.mu.
func (c *Conn) unregister() {
	for name := range c.services {
		delete(c.r.services, name)
	}
	c.services = nil
	for name, by := range c.r.held {
		if by == c {
			delete(c.r.held, name)
		}
	}
}
