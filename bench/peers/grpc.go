package main

import (
	"context"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// echoDesc describes the service without generated code.
var echoDesc = grpc.ServiceDesc{
	ServiceName: "bench.Echo",
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Echo", Handler: grpcEcho}},
	Streams:     []grpc.StreamDesc{{StreamName: "Stream", ServerStreams: true, Handler: grpcStream}},
}

func grpcEcho(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	in := new(wrapperspb.BytesValue)
	return in, decode(in)
}

// grpcStream sends as many messages as the request says, in decimal.
func grpcStream(_ any, s grpc.ServerStream) error {
	in := new(wrapperspb.BytesValue)
	if err := s.RecvMsg(in); err != nil {
		return err
	}
	n, err := strconv.Atoi(string(in.Value))
	if err != nil {
		return err
	}
	m := wrapperspb.Bytes(payload)
	for range n {
		if err := s.SendMsg(m); err != nil {
			return err
		}
	}
	return nil
}

// newGRPC is grpc-go over a UNIX socket: two hops.
func newGRPC() (*peer, error) {
	s := grpc.NewServer()
	s.RegisterService(&echoDesc, nil)
	ln, clean, err := listen()
	if err != nil {
		return nil, err
	}
	go s.Serve(ln)
	c, err := grpc.NewClient("unix:"+ln.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		s.Stop()
		clean()
		return nil, err
	}
	ctx := context.Background()
	return &peer{
		call: func() error {
			return c.Invoke(ctx, "/bench.Echo/Echo", wrapperspb.Bytes(payload), new(wrapperspb.BytesValue))
		},
		stream: func(n int) error {
			st, err := c.NewStream(ctx, &echoDesc.Streams[0], "/bench.Echo/Stream")
			if err != nil {
				return err
			}
			if err := st.SendMsg(wrapperspb.Bytes([]byte(strconv.Itoa(n)))); err != nil {
				return err
			}
			if err := st.CloseSend(); err != nil {
				return err
			}
			for range n {
				if err := st.RecvMsg(new(wrapperspb.BytesValue)); err != nil {
					return err
				}
			}
			return nil
		},
		close: func() { c.Close(); s.Stop(); clean() },
	}, nil
}
