package codec_test

import (
	"fmt"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
)

// recorded calls f with every recorded frame and where it stands.
func recorded(tb testing.TB, f func(where string, r *capture.Record)) {
	tb.Helper()
	for _, name := range golden.Names() {
		recs, err := golden.Load(name)
		if err != nil {
			tb.Fatal(err)
		}
		for i := range recs {
			if recs[i].IsFrame() {
				f(fmt.Sprintf("%s line %d", name, i+1), &recs[i])
			}
		}
	}
}

// malformedCases returns the recorded cases of malformed and odd input.
func malformedCases(tb testing.TB) []capture.Case {
	tb.Helper()
	cases, err := golden.Malformed()
	if err != nil {
		tb.Fatal(err)
	}
	return cases
}

// open decodes a whole frame.
func open(frame []byte) (*codec.Message, error) {
	n, err := codec.ParsePrefix(frame, 0)
	if err != nil {
		return nil, err
	}
	if len(frame) != codec.PrefixSize+n {
		return nil, fmt.Errorf("frame of %d bytes, want %d", len(frame), codec.PrefixSize+n)
	}
	return codec.Decode(frame[codec.PrefixSize:])
}

// mustAppend encodes m.
func mustAppend(tb testing.TB, m *codec.Message) []byte {
	tb.Helper()
	b, err := codec.Append(nil, m)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// pattern is the payload of the recorded echoes.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(31*i + 7)
	}
	return p
}
