package transport_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// A scheme of one's own: a broker whose socket is forwarded over TCP.
func init() { transport.Register("tcp", dialTCP) }

// dialTCP does what its path needs, and NewConn does the rest.
func dialTCP(ctx context.Context, uri transport.URI, cfg transport.Config) (transport.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", uri.Path)
	if err != nil {
		return nil, err
	}
	return transport.NewConn(c, cfg), nil
}

func ExampleRegister() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		peer := transport.NewConn(c, transport.Config{})
		defer peer.Close()
		var m codec.Message
		for peer.Recv(&m) == nil {
			peer.Send(context.Background(), codec.NewResponse(&m))
		}
	}()

	ctx := context.Background()
	conn, err := transport.Dial(ctx, "tcp://"+l.Addr().String(), transport.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Send(ctx, codec.NewRequest("hello.world")); err != nil {
		log.Fatal(err)
	}
	var m codec.Message
	if err := conn.Recv(&m); err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Type, "to", m.Topic)
	// Output: response to hello.world
}
