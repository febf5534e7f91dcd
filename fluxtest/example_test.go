package fluxtest_test

import (
	"context"
	"fmt"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

func Example() {
	b, err := fluxtest.Start(fluxtest.InProcess())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	b.Handle("calc.add", func(r *fluxtest.Request) {
		var in struct{ A, B int }
		if err := r.Decode(&in); err != nil {
			r.Fail(fmt.Errorf("%w: %w", flux.EPROTO, err))
			return
		}
		r.Respond(map[string]int{"sum": in.A + in.B})
	})

	c := b.Client()
	resp, err := c.Call(context.Background(), "calc.add", map[string]int{"a": 1, "b": 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	var out struct{ Sum int }
	if err := resp.Decode(&out); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out.Sum, b.Requests()[0].Message.Topic)
	// Output: 3 calc.add
}
