package transport_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// Listen is the broker's side of local://. It asks the system who connects and
// answers the handshake; after it both sides are the same.
func ExampleListen() {
	dir, err := os.MkdirTemp("", "flux")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := transport.Listen(filepath.Join(dir, "local"), transport.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		in, err := l.Accept()
		if err != nil {
			return
		}
		if cred, err := in.Cred(); err != nil || cred.UID != uint32(os.Geteuid()) {
			in.Refuse(1) // EPERM
			return
		}
		conn, err := in.Welcome()
		if err != nil {
			return
		}
		defer conn.Close()
		var m codec.Message
		for conn.Recv(&m) == nil {
			resp := codec.NewResponse(&m)
			resp.SetPayload([]byte("pong\x00"))
			conn.Send(context.Background(), resp)
		}
	}()

	ctx := context.Background()
	conn, err := transport.Dial(ctx, l.URI(), transport.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	req := codec.NewRequest("demo.ping")
	req.Matchtag = 1
	if err := conn.Send(ctx, req); err != nil {
		log.Fatal(err)
	}
	var m codec.Message
	if err := conn.Recv(&m); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s to %s, tag %d: %q\n", m.Type, m.Topic, m.Matchtag, m.Payload)
	// Output:
	// response to demo.ping, tag 1: "pong\x00"
}

// A loop is a connection to oneself.
func ExampleDial() {
	ctx := context.Background()
	conn, err := transport.Dial(ctx, "loop://", transport.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Send(ctx, codec.NewEvent("hello.world")); err != nil {
		log.Fatal(err)
	}
	var m codec.Message
	if err := conn.Recv(&m); err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Type, m.Topic, m.UserID == uint32(os.Getuid()), m.Rolemask)
	// Output: event hello.world true 1
}
