package systemtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
)

// standIn answers calls without any broker, as a user's unit test may.
type standIn map[string]flux.Response

func (s standIn) Call(_ context.Context, topic string, _ any, _ ...flux.CallOption) (flux.Response, error) {
	r, ok := s[topic]
	if !ok {
		r = flux.NewErrorResponse(fmt.Errorf("no answer for %s", topic))
	}
	return r, r.Err()
}

func TestStandInResponses(t *testing.T) {
	good := codec.NewResponse(codec.NewRequest("calc.add"))
	good.Payload = []byte("{\"sum\":42}\x00")
	bad := codec.NewResponse(codec.NewRequest("calc.sub"))
	bad.Errnum, bad.Payload = uint32(flux.ERANGE), []byte("too small\x00")
	c := standIn{"calc.add": flux.NewResponse(good), "calc.sub": flux.NewResponse(bad)}

	sum, err := flux.CallAs[struct{ Sum int }](t.Context(), c, "calc.add", nil)
	if err != nil || sum.Sum != 42 {
		t.Errorf("calc.add = %+v, %v", sum, err)
	}
	_, err = flux.CallAs[struct{}](t.Context(), c, "calc.sub", nil)
	var remote *flux.Error
	if !errors.As(err, &remote) || remote.Errno != flux.ERANGE || remote.Message != "too small" ||
		remote.Topic != "calc.sub" {
		t.Errorf("calc.sub: %v", err)
	}
	if _, err = flux.CallAs[string](t.Context(), c, "calc.mul", nil); err == nil ||
		err.Error() != "no answer for calc.mul" {
		t.Errorf("calc.mul: %v", err)
	}
}
