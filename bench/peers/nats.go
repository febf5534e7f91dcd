package main

import (
	"errors"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// newNATS is two nats.go clients of one nats-server, over TCP or, in process,
// over a pipe: four hops for a call, as through a Flux broker.
func newNATS(inProcess bool) (*peer, error) {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, DontListen: inProcess,
	})
	if err != nil {
		return nil, err
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return nil, errors.New("nats-server is not ready")
	}
	connect := func() (*nats.Conn, error) {
		if inProcess {
			return nats.Connect("", nats.InProcessServer(s))
		}
		return nats.Connect(s.ClientURL())
	}
	service, err := connect()
	if err != nil {
		return nil, err
	}
	client, err := connect()
	if err != nil {
		return nil, err
	}
	if _, err := service.Subscribe("echo", func(m *nats.Msg) { m.Respond(m.Data) }); err != nil {
		return nil, err
	}
	if err := service.Flush(); err != nil {
		return nil, err
	}
	return &peer{
		call: func() error {
			_, err := client.Request("echo", payload, 10*time.Second)
			return err
		},
		stream: func(n int) error { return natsStream(service, client, n) },
		close:  func() { client.Close(); service.Close(); s.Shutdown() },
	}, nil
}

// natsStream publishes n messages with one client and receives them with the
// other.
func natsStream(from, to *nats.Conn, n int) error {
	done := make(chan struct{})
	got := 0
	sub, err := to.Subscribe("ev", func(*nats.Msg) {
		if got++; got == n {
			close(done)
		}
	})
	if err != nil {
		return err
	}
	defer sub.Unsubscribe()
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return err
	}
	if err := to.Flush(); err != nil {
		return err
	}
	for range n {
		if err := from.Publish("ev", payload); err != nil {
			return err
		}
	}
	if err := from.Flush(); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-time.After(time.Minute):
		return errors.New("messages are missing")
	}
}
