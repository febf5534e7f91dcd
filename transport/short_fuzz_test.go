package transport

import (
	"bytes"
	"io"
	"reflect"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// cutIO gives its bytes in pieces, to ReadShort with a wait that is too long
// between them.
type cutIO struct {
	rawIO
	rest []byte
	cuts []byte // sizes of the pieces, again and again
	n    int
	wait bool
}

func (c *cutIO) ReadShort(p []byte) (int, error) {
	if c.wait = !c.wait; c.wait {
		return 0, errLater
	}
	return c.Read(p)
}

func (c *cutIO) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	size := 1
	if len(c.cuts) > 0 {
		size += int(c.cuts[c.n%len(c.cuts)]) * 7
		c.n++
	}
	k := copy(p[:min(size, len(p))], c.rest)
	c.rest = c.rest[k:]
	return k, nil
}

// Whatever the bytes and however they come, short waits change nothing of what
// is received.
func FuzzRecvShort(f *testing.F) {
	_, b, _ := conversation(f)
	f.Add(b, []byte{0})
	f.Add(b[:100], []byte{1, 200, 3})
	f.Add(append(bytes.Clone(b[:4]), 0x3f, 0xff, 0xff, 0xff, 1, 2, 3), []byte{5})
	f.Fuzz(func(t *testing.T, b, cuts []byte) {
		var plain, short reader
		plain.init(&plainIO{ReadWriteCloser: closer{bytes.NewReader(b)}}, new(writer), 0)
		short.init(&cutIO{rest: b, cuts: cuts}, new(writer), 0)
		for {
			var want, got codec.Message
			wantErr, gotErr := plain.next(&want, false), error(errLater)
			for i := 0; gotErr == errLater; i++ {
				short.short = i%50 < 49 // a large message is for Recv alone
				gotErr = short.next(&got, false)
				if gotErr == errLater && !short.short {
					t.Fatal("Recv did not wait")
				}
			}
			if (wantErr == nil) != (gotErr == nil) || wantErr != nil && wantErr.Error() != gotErr.Error() {
				t.Fatalf("%v, with short waits %v", wantErr, gotErr)
			}
			if wantErr != nil {
				return
			}
			if !reflect.DeepEqual(want, got) {
				t.Fatalf("%+v, with short waits %+v", want, got)
			}
		}
	})
}

// closer makes a ReadWriteCloser of a reader.
type closer struct{ io.Reader }

func (closer) Write(p []byte) (int, error) { return len(p), nil }
func (closer) Close() error                { return nil }
