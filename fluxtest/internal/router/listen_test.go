package router_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

// What the owner alone may call tells a guest so; the rest does not.
func TestGuestAccess(t *testing.T) {
	const owner, privilege = "Request requires owner credentials", "Request rejected due to insufficient privilege"
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		guest, none := dialWire(t, b, fluxtest.AsUser(1234)), dialWire(t, b)
		for topic, open := range map[string]bool{
			"attr.get": true, "attr.list": true, "attr.set": false, "attr.rm": false,
			"broker.ping": true, "broker.stats-get": true, "broker.stats-clear": false, "broker.rusage": true,
			"broker.debug": false, "broker.getenv": false, "broker.setenv": false, "broker.conf-builtin": true,
			"state-machine.get": true, "state-machine.wait": true, "state-machine.monitor": false,
			"log.append": false, "log.dmesg": false, "log.clear": false, "log.stats-get": false,
			"groups.get": true, "groups.join": false, "groups.leave": false,
			"overlay.topology": true, "overlay.health": true, "overlay.stats-get": true,
			"module.list": true, "config.get": true, "connector-local.stats-get": false,
		} {
			m := guest.Call(request(topic, 1, nil))
			text, _ := codec.TextPayload(m.Payload)
			if refused := m.Errnum == 1 && text == owner; refused == open {
				t.Errorf("%s, open to guests: %v", show(m), open)
			}
			// A role that nobody knows is let in by what lets all in.
			req := request(topic, 1, nil)
			req.UserID, req.Rolemask = 4321, 4
			m = none.Call(req)
			text, _ = codec.TextPayload(m.Payload)
			if !open && text != owner || open && text != privilege && m.Errnum == 1 {
				t.Errorf("role 4: %s, open to guests: %v", show(m), open)
			}
		}
		// The credentials of a guest are its own, those of an owner what it says.
		m := request("broker.ping", 1, obj{})
		m.UserID, m.Rolemask = 0, 1
		if text, _ := codec.TextPayload(guest.Call(m).Payload); !strings.Contains(text,
			`"userid": 1234, "rolemask": 6`) {
			t.Error(text)
		}
		for _, c := range [][4]uint32{
			{codec.UserIDUnknown, 0, 0, 5}, {77, 0, 77, 5}, {codec.UserIDUnknown, 2, 0, 2}, {77, 2, 77, 2},
		} {
			m.UserID, m.Rolemask = c[0], c[1]
			if text, _ := codec.TextPayload(none.Call(m).Payload); !strings.Contains(text,
				`"userid": `+dec(c[2])+`, "rolemask": `+dec(c[3])) {
				t.Errorf("%v: %s", c, text)
			}
		}
		want(t, guest.Call(request("service.add", 1, obj{"service": "x"})), 1, "")
		want(t, guest.Call(request("service.add", 1, obj{"service": "1234x"})), 1, "")
		want(t, guest.Call(request("service.add", 1, obj{"service": "1234-"})), 0, "")
		want(t, none.Call(request("service.remove", 1, obj{"service": "1234-"})), 2, "")
	}, fluxtest.AllowGuests())
}

func dec(n uint32) string { return errnum(&codec.Message{Errnum: n}) }

func TestPolicy(t *testing.T) {
	for _, c := range []struct {
		name string
		opts []fluxtest.Option
		uid  uint32
		role uint32 // 0: refused
	}{
		{"owner", nil, 500, 5},
		{"guest refused", nil, 1234, 0},
		{"guest", []fluxtest.Option{fluxtest.AllowGuests()}, 1234, 6},
		{"root refused", nil, 0, 0},
		{"root is a guest", []fluxtest.Option{fluxtest.AllowGuests()}, 0, 6},
		{"root owner", []fluxtest.Option{fluxtest.AllowGuests(), fluxtest.AllowRootOwner()}, 0, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *fluxtest.Broker) {
				conn, err := b.Dial(t.Context(), fluxtest.AsUser(c.uid))
				var refused *transport.HandshakeError
				if c.role == 0 {
					if !errors.As(err, &refused) || refused.Errno != 1 {
						t.Errorf("error %v, want EPERM", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				conn.Send(t.Context(), request("broker.ping", 1, obj{}))
				var m codec.Message
				if err := conn.Recv(&m); err != nil || !strings.Contains(string(m.Payload),
					`"rolemask": `+dec(c.role)) {
					t.Errorf("%v %s, want role %d", err, m.Payload, c.role)
				}
			}, append(c.opts, fluxtest.Owner(500))...)
		})
	}
}

func TestHandshakeFaults(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		b.SetFaults(fluxtest.Faults{Refuse: flux.EAGAIN})
		_, err := b.Dial(t.Context())
		var refused *transport.HandshakeError
		if !errors.As(err, &refused) || refused.Errno != 11 {
			t.Errorf("error %v, want errno 11", err)
		}
		b.SetFaults(fluxtest.Faults{HangUp: true})
		if _, err = b.Dial(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("error %v, want %v", err, io.ErrUnexpectedEOF)
		}
		b.SetFaults(fluxtest.Faults{})
		b.Stall()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := b.Dial(ctx)
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
		b.Resume()
		b.Down()
		if _, err = b.Dial(t.Context()); err == nil {
			t.Errorf("a broker that is down welcomes")
		}
		if err := b.Up(); err != nil {
			t.Fatal(err)
		}
		dialWire(t, b)
	})
}
