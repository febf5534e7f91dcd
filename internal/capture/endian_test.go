package capture

import (
	"bytes"
	"testing"
)

func TestSwapMagic(t *testing.T) {
	in := []byte{0x12, 0x00, 0xee, 0xff, 1, 2, 3}
	want := []byte{0xff, 0xee, 0x00, 0x12, 1, 2, 3}
	if got := swapMagic(in); !bytes.Equal(got, want) {
		t.Errorf("swapMagic = % x, want % x", got, want)
	}
	if in[0] != 0x12 {
		t.Error("swapMagic changed its argument")
	}
	if got := swapMagic(in[:1]); !bytes.Equal(got, in[:1]) {
		t.Errorf("swapMagic of one byte = % x, want it as it is", got)
	}
}
