package framing

import (
	"bytes"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"
	"testing/iotest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
)

// direction is what one side of a recorded conversation wrote, and the
// messages in it.
func direction(t *testing.T, name string, dir capture.Dir) (b []byte, msgs []*codec.Message) {
	t.Helper()
	recs, err := golden.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		if r.Dir != dir || !r.IsFrame() || r.Raw == nil {
			continue
		}
		frame := r.Frame()
		m, err := codec.Decode(frame[codec.PrefixSize:])
		if err != nil {
			t.Fatal(err)
		}
		b, msgs = append(b, frame...), append(msgs, m)
	}
	return b, msgs
}

func wantSame(t *testing.T, r io.Reader, msgs []*codec.Message) {
	t.Helper()
	c := reading(r)
	for i, m := range msgs {
		if got := recv(t, c); !reflect.DeepEqual(got, m) {
			t.Fatalf("message %d is %+v, want %+v", i, got, m)
		}
	}
	if err := c.Recv(new(codec.Message)); err != io.EOF {
		t.Fatalf("after the last message: %v", err)
	}
}

// Real conversations, in the pieces that a socket may make of them.
func TestReaderGolden(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, name := range golden.Names() {
		for _, dir := range []capture.Dir{capture.ClientToServer, capture.ServerToClient} {
			b, msgs := direction(t, name, dir)
			wantSame(t, bytes.NewReader(b), msgs)
			wantSame(t, iotest.OneByteReader(bytes.NewReader(b)), msgs)
			for range 5 {
				var some chunks
				for rest := b; len(rest) > 0; {
					k := min(len(rest), 1+rnd.IntN(200))
					some, rest = append(some, rest[:k]), rest[k:]
				}
				wantSame(t, &some, msgs)
			}
		}
	}
}

func TestReaderGoldenSplitAnywhere(t *testing.T) {
	b, msgs := direction(t, "ssh-relay", capture.ServerToClient)
	if len(msgs) < 5 {
		t.Fatalf("%d messages", len(msgs))
	}
	for i := range b {
		wantSame(t, &chunks{b[:i], b[i:]}, msgs)
	}
}

// What a client sends through a *Conn is, byte for byte, what was recorded.
func TestWriterGolden(t *testing.T) {
	for _, name := range []string{"ssh-relay", "attr-get", "payload-sizes", "service-streaming"} {
		b, msgs := direction(t, name, capture.ClientToServer)
		raw, end := BytePipe()
		c := New(end, Config{})
		got := make(chan []byte)
		go func() {
			b, _ := io.ReadAll(raw)
			got <- b
		}()
		for _, m := range msgs {
			send(t, c, m)
		}
		c.Close()
		if g := <-got; !bytes.Equal(g, b) {
			t.Errorf("%s: sent %d bytes, want the %d recorded", name, len(g), len(b))
		}
		raw.Close()
	}
}
