package codec_test

import (
	"bytes"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

func TestPart(t *testing.T) {
	for _, n := range []int{0, 1, 2, 253, 254, 255, 256, 70_000} {
		content := pattern(n)
		b := append(codec.AppendPartSize(nil, n), content...)
		if len(b) != codec.PartSize(n) {
			t.Errorf("PartSize(%d) = %d, want %d", n, codec.PartSize(n), len(b))
		}
		if got, ok := codec.SolePart(b); !ok || !bytes.Equal(got, content) {
			t.Errorf("SolePart of a part of %d bytes: %d bytes, %t", n, len(got), ok)
		}
		for what, bad := range map[string][]byte{"more than a part": append(bytes.Clone(b), 0), "less than a part": b[:len(b)-1]} {
			if _, ok := codec.SolePart(bad); ok {
				t.Errorf("SolePart takes %s of %d bytes", what, n)
			}
		}
	}
	if _, ok := codec.SolePart([]byte{255, 0, 0, 0, 1, 'x'}); ok {
		t.Error("SolePart takes a short part in the long form")
	}
}
