package transport

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux/codec"
)

// received is all that comes over a byte stream, and how it ends. With repeats,
// what can be received by RecvRepeat is.
func received(b []byte, split int, repeats bool) (list []codec.Message, repeated int, err error) {
	raw, end := BytePipe()
	c := NewConn(end, Config{})
	defer c.Close()
	go func() {
		cut := min(split, len(b))
		raw.Write(b[:cut])
		raw.Write(b[cut:])
		raw.Close()
	}()
	var m codec.Message
	for {
		if err := c.Recv(&m); err != nil {
			return list, repeated, err
		}
		list = append(list, m)
		for repeats && c.(Repeater).RecvRepeat(&m) {
			list = append(list, m)
			repeated++
		}
	}
}

// repetitive is a few hundred messages most of which are like the one before.
func repetitive(rng *rand.Rand) []byte {
	var b []byte
	for range 300 {
		m := codec.NewResponse(codec.NewRequest([]string{"svc.a", "svc.b"}[rng.IntN(20)/19]))
		m.Flags |= codec.FlagStreaming
		m.Matchtag = uint32(rng.IntN(20) / 18)
		m.UserID = uint32(rng.IntN(20) / 19)
		if rng.IntN(20) == 0 {
			m.Routes = codec.MakeRoutes("hop")
		}
		if n := rng.IntN(16) - 1; n >= 0 {
			m.SetPayload(pattern([]int{0, 1, 2, 30, 30, 30, 30, 30, 30, 253, 254, 255, 256, 4000, 5000}[n]))
		}
		if rng.IntN(50) == 0 {
			b = append(append(b, odd...), odd...)
		} else {
			b, _ = codec.Append(b, m)
		}
	}
	return b
}

// odd is a frame with a NUL in its topic, and behind its payload a part that
// looks like one.
var odd = func() []byte {
	m := codec.NewResponse(codec.NewRequest("a.b"))
	m.SetPayload([]byte("x"))
	b, _ := codec.Append(nil, m)
	head, tail := b[codec.PrefixSize:len(b)-2-1-codec.HeaderSize], b[len(b)-1-codec.HeaderSize:]
	head[bytes.IndexByte(head, '.')] = 0
	body := slices.Concat(head, []byte{1, 'x', 1, 'y'}, tail)
	return append(append(bytes.Clone(b[:codec.PrefixSize-1]), byte(len(body))), body...)
}()

func TestRecvRepeat(t *testing.T) {
	total := 0
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, seed))
		b := repetitive(rng)
		split := rng.IntN(len(b))
		want, _, _ := received(b, split, false)
		got, n, _ := received(b, split, true)
		if !reflect.DeepEqual(want, got) || len(got) < 300 {
			t.Fatalf("seed %d: %d messages: -Recv +RecvRepeat\n%s", seed, len(got), cmp.Diff(want, got))
		}
		total += n
	}
	if total < 100*100 {
		t.Errorf("%d of 30000 messages were repetitions", total)
	}
}

// FuzzRecvRepeat compares what RecvRepeat makes of any bytes with what Recv does.
func FuzzRecvRepeat(f *testing.F) {
	_, b, _ := conversation(f)
	f.Add(b, uint16(0))
	f.Add(repetitive(rand.New(rand.NewPCG(1, 1)))[:2000], uint16(1000))
	f.Add(bytes.Repeat(odd, 3), uint16(7))
	f.Fuzz(func(t *testing.T, b []byte, split uint16) {
		want, _, werr := received(b, int(split), false)
		got, _, gerr := received(b, int(split), true)
		if !reflect.DeepEqual(want, got) || fmt.Sprint(werr) != fmt.Sprint(gerr) {
			t.Fatalf("%v, %v: -Recv +RecvRepeat\n%s", werr, gerr, cmp.Diff(want, got))
		}
	})
}
