package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/bench/internal/measure"
)

func TestPeers(t *testing.T) {
	for impl := range peers {
		t.Run(impl, func(t *testing.T) {
			for _, args := range [][]string{{"serial", "20"}, {"pipe", "4", "40"}, {"stream", "50"}} {
				if impl == "netrpc" && args[0] == "stream" {
					continue
				}
				var b strings.Builder
				if err := run(&b, impl, args); err != nil {
					t.Fatalf("%q: %v", args, err)
				}
				var r measure.Result
				if err := json.Unmarshal([]byte(b.String()), &r); err != nil || r.Impl != impl || r.Ops <= 0 {
					t.Errorf("%q: %+v, %v", args, r, err)
				}
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	for _, args := range [][]string{nil, {"serial"}, {"serial", "x"}, {"pipe", "1"}, {"stream", "5"}, {"dance", "1"}} {
		if err := run(new(strings.Builder), "netrpc", args); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
	if err := run(new(strings.Builder), "nothing", slices.Repeat([]string{"1"}, 2)); err == nil {
		t.Error("unknown -impl: no error")
	}
}
