package router_test

import (
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/fluxtest/internal/router"
)

// What comes of the first messages of a long batch is on its way before the last
// ones are dealt with, and a short batch is one write.
func TestLongBatch(t *testing.T) {
	for _, tt := range []struct{ before, want int }{
		{router.FlushEvery - 1, 0},
		{router.FlushEvery, router.FlushEvery},
		{2*router.FlushEvery + 1, 2 * router.FlushEvery},
	} {
		bubble(t, func(t *testing.T, b *fluxtest.Broker) {
			goOn := make(chan struct{})
			b.HandleInline("late.x", func(r *fluxtest.Request) {
				<-goOn
				r.Respond(nil)
			})
			list := append(numbered("other.y", tt.before), request("late.x", 1000, nil))
			w := dialWire(t, b)
			count := func(list []*codec.Message) (n int) {
				w.Send(list...)
				for w.Take() != nil {
					n++
				}
				return n
			}
			got := count(list)
			if got < tt.want || got > tt.before {
				t.Errorf("%d answers while the message after %d is dealt with, want at least %d", got, tt.before,
					tt.want)
			}
			close(goOn)
			if rest, want := count(nil), len(list)-got; rest != want {
				t.Errorf("%d answers afterwards, want %d", rest, want)
			}
		})
	}
}
