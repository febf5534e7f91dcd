package fluxtest

import "github.com/flux-sdk/flux/codec"

// owned returns m in memory of its own. The reader of a connection lends the
// routes and the payload of what it reads until it reads on: whatever keeps a
// message for longer, or shows it to somebody who might, keeps this.
func owned(m *codec.Message) *codec.Message {
	c := *m
	n := len(m.Routes)
	b := append(append(make([]byte, 0, n+len(m.Payload)), m.Routes...), m.Payload...)
	if m.Routes != nil {
		c.Routes = b[:n:n]
	}
	if m.Payload != nil {
		c.Payload = b[n:]
	}
	return &c
}

// header is owned without the payload's bytes.
func header(m *codec.Message) *codec.Message {
	c := *m
	c.Payload = nil
	return owned(&c)
}
