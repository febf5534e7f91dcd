package router

import (
	"encoding/binary"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// Frames are counted when they are whole, wherever the stream is cut.
func TestFrameCounter(t *testing.T) {
	var bytes []byte
	var ends []int
	for n := range 40 {
		prefix := binary.BigEndian.AppendUint32(make([]byte, 4, codec.PrefixSize), uint32(n*n%29))
		bytes = append(append(bytes, prefix...), make([]byte, n*n%29)...)
		ends = append(ends, len(bytes))
	}
	for step := 1; step <= len(bytes); step++ {
		var f frameCounter
		for at := 0; at < len(bytes); at += step {
			end := min(at+step, len(bytes))
			f.count(bytes[at:end])
			want := 0
			for want < len(ends) && ends[want] <= end {
				want++
			}
			if got := f.frames.Load(); got != int64(want) {
				t.Fatalf("cut each %d bytes: %d frames in the first %d bytes, want %d", step, got, end, want)
			}
		}
		if want := uint32(39 * 39 % 29); f.length != want {
			t.Errorf("cut each %d bytes: the last frame's length is %d, want %d", step, f.length, want)
		}
	}
}
