package flux

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux/codec"
)

// itemsLarge is the size of the largest of the items, in part.
const itemsLarge = 64 << 10

// Items are the same messages where hooks see them and where none do.
func TestItemsAlike(t *testing.T) {
	items := func(tooMuch int, opts ...DialOption) (got []string) {
		synctest.Test(t, func(t *testing.T) {
			f := newFront(t, append(opts, WithUserID(5), WithRoles(RoleUser), WithMaxMessage(tooMuch))...)
			mux := NewServeMux()
			mux.HandleFunc("calc.flow", func(_ context.Context, w Responder, _ *Request) error {
				for _, n := range []int{1, 0, 2, 254, 255, 256, 3000, 0, itemsLarge, 20_000, itemsLarge + 1, 2 * itemsLarge, 7} {
					if err := w.Send(pattern(n)); (n >= tooMuch) != errors.Is(err, codec.ErrTooLarge) {
						t.Errorf("item of %d bytes: %v", n, err)
					}
				}
				return errors.Join(w.Send("text"), w.Send(point{1, 2}), w.Respond(point{3, 4}))
			})
			f.serve("calc", mux)
			for _, mods := range [][]requestMod{{streaming}, {streaming, quiet}, {streaming, from("other")}} {
				f.send("calc.flow", mods...)
				for _, m := range f.replies() {
					sum := 0
					for _, b := range m.Payload {
						sum = 31*sum + int(b)
					}
					m.Payload = m.Payload[:min(len(m.Payload), 20)]
					got = append(got, fmt.Sprintf("%+v, checksum %x", *m, sum))
				}
			}
			got = append(got, fmt.Sprint("sent: ", f.c.Stats().Sent))
		})
		return got
	}
	for tooMuch, want := range map[int]int{itemsLarge + 1000: 2*16 + 1, 10_000: 2*13 + 1} {
		alone, seen := items(tooMuch), items(tooMuch, WithHooks(Hooks{}))
		if diff := cmp.Diff(seen, alone); diff != "" || len(alone) != want {
			t.Errorf("%d lines, want %d: -seen +not seen\n%s", len(alone), want, diff)
		}
	}
}
