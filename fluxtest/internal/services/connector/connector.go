// Package connector is the service of the module that clients connect to
// (connector-local.stats-get).
package connector

import (
	"github.com/flux-sdk/flux/fluxtest/internal/router"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
)

type connector struct{ inst *router.Instance }

// Service returns what is to be registered.
func Service(inst *router.Instance) *service.Service {
	c := connector{inst}
	return &service.Service{
		Name: "connector-local", Module: true,
		Terse:   true, // it takes such requests for its clients'
		Methods: map[string]service.Method{"stats-get": {Serve: service.NoArgs(c.stats)}},
	}
}

func (c connector) stats(r *service.Request) {
	r.Flush() // what was answered before counts as sent
	type client struct {
		UUID    string `json:"uuid"`
		UserID  uint32 `json:"userid"`
		PID     int    `json:"pid"`
		Tx      int64  `json:"txcount"`
		Rx      int64  `json:"rxcount"`
		Backlog int64  `json:"rxbacklog"`
	}
	type server struct {
		Clients  []client `json:"clients"`
		Connects int64    `json:"connects"`
	}
	clients := []client{}
	for _, conn := range c.inst.Connections() {
		if conn.Rank() == r.Rank() {
			clients = append(clients, client{
				conn.UUID(), conn.UserID(), conn.PID(), conn.Received(), conn.Written(), conn.Backlog(),
			})
		}
	}
	guests, rootOwner := c.inst.Access()
	r.Respond(struct {
		Server     server `json:"server"`
		Guests     bool   `json:"allow_guest_user"`
		RootOwners bool   `json:"allow_root_owner"`
	}{server{clients, c.inst.Ranks()[r.Rank()].Connects()}, guests, rootOwner})
}
