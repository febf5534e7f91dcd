package fluxtest_test

import (
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

// What comes of the first messages of a long batch is on its way before the last
// ones are dealt with, and a short batch is one write.
func TestLongBatch(t *testing.T) {
	for _, tt := range []struct{ before, want int }{
		{fluxtest.FlushEvery - 1, 0},
		{fluxtest.FlushEvery, fluxtest.FlushEvery},
		{2*fluxtest.FlushEvery + 1, 2 * fluxtest.FlushEvery},
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
				w.send(list...)
				for w.take() != nil {
					n++
				}
				return n
			}
			got := count(list)
			if got < tt.want || got > tt.before {
				t.Errorf("%d answers while the message after %d is dealt with, want at least %d", got, tt.before, tt.want)
			}
			close(goOn)
			if rest, want := count(nil), len(list)-got; rest != want {
				t.Errorf("%d answers afterwards, want %d", rest, want)
			}
		})
	}
}
