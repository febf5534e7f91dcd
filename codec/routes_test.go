package codec_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

const uuid = "63c2cf00-a775-487a-8128-7f1c7fc9eef0"

func TestRoutes(t *testing.T) {
	big := strings.Repeat("h", 300)
	tests := []struct {
		hops   []string
		origin string
		text   string
	}{
		{nil, "", "||"},
		{[]string{"a"}, "a", "|a|"},
		{[]string{"near", "far"}, "far", "|far!near|"},
		{[]string{uuid, "b", "c"}, "c", "|c!b!63c2cf00|"},
		{[]string{"12345678", "123456789"}, "123456789", "|12345678!12345678|"},
		{[]string{"x", big}, big, "|hhhhhhhh!x|"},
	}
	for _, tt := range tests {
		r := codec.MakeRoutes(tt.hops...)
		if got := slices.Collect(r.All()); !slices.Equal(got, tt.hops) {
			t.Errorf("MakeRoutes(%q) has the hops %q", tt.hops, got)
		}
		if r.Len() != len(tt.hops) || r.Origin() != tt.origin || r.String() != tt.text {
			t.Errorf("%q: Len %d, Origin %q, String %q, want %d, %q, %q",
				tt.hops, r.Len(), r.Origin(), r.String(), len(tt.hops), tt.origin, tt.text)
		}
		pushed := codec.Routes(nil)
		for _, hop := range slices.Backward(tt.hops) {
			pushed = pushed.Push(hop)
		}
		if !slices.Equal(pushed, r) {
			t.Errorf("%q: pushed one by one it is % x, want % x", tt.hops, pushed, r)
		}
		checkPops(t, r, tt.hops)
	}
}

func checkPops(t *testing.T, r codec.Routes, hops []string) {
	t.Helper()
	for _, want := range hops {
		hop, rest, ok := r.Pop()
		if !ok || hop != want {
			t.Fatalf("Pop of %s = %q, %v, want %q", r, hop, ok, want)
		}
		r = rest
	}
	if hop, rest, ok := r.Pop(); ok || hop != "" || rest != nil {
		t.Errorf("Pop of the empty stack = %q, %v, %v", hop, rest, ok)
	}
}

// Push must not write into the memory of the stack it starts from, which is
// shared with the message it came in.
func TestPushDoesNotShare(t *testing.T) {
	base := append(make(codec.Routes, 0, 100), codec.MakeRoutes("a", "b")...)
	x, y := base.Push("x"), base.Push("y")
	if x.String() != "|b!a!x|" || y.String() != "|b!a!y|" || base.String() != "|b!a|" {
		t.Errorf("pushed %s and %s onto %s", x, y, base)
	}
}

func TestAllStopsEarly(t *testing.T) {
	n := 0
	for range codec.MakeRoutes("a", "b", "c").All() {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("%d hops before the break, want 2", n)
	}
}

func TestRoutesEqual(t *testing.T) {
	ab := codec.MakeRoutes("a", "b")
	tests := []struct {
		name string
		o    codec.Routes
		want bool
	}{
		{"same", codec.MakeRoutes("a", "b"), true},
		{"long form of a size", codec.Routes("\xff\x00\x00\x00\x01a\x01b"), true},
		{"other order", codec.MakeRoutes("b", "a"), false},
		{"shorter", codec.MakeRoutes("a"), false},
		{"longer", codec.MakeRoutes("a", "b", "c"), false},
		{"empty", nil, false},
		{"cut short", ab[:3], false},
	}
	for _, tt := range tests {
		if got := ab.Equal(tt.o); got != tt.want {
			t.Errorf("%s: Equal = %v, want %v", tt.name, got, tt.want)
		}
		if got := tt.o.Equal(ab); got != tt.want {
			t.Errorf("%s: Equal the other way = %v, want %v", tt.name, got, tt.want)
		}
	}
	if !codec.Routes(nil).Equal(codec.Routes{}) {
		t.Error("the nil stack is not equal to the empty one")
	}
}

// Bytes that are no route stack must not panic, nor loop for ever.
func TestRoutesOfOtherBytes(t *testing.T) {
	for _, s := range []string{"\x05ab", "\xff", "\xff\xff\xff\xff\xff", "\x01a\x09b"} {
		r := codec.Routes(s)
		n := len(slices.Collect(r.All()))
		if r.Len() != n || r.Origin() != strings.Repeat("a", n) {
			t.Errorf("% x: Len %d, Origin %q, want those of %d hops", s, r.Len(), r.Origin(), n)
		}
		if _, rest, ok := r.Pop(); ok != (n > 0) {
			t.Errorf("% x: Pop = %v, %v", s, rest, ok)
		}
	}
}
