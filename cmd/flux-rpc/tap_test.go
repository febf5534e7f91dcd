package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
)

// Whatever bytes a client and a broker say arrive as they are: frames of all
// sizes, frames that do not decode, half a frame, and no frames at all.
func TestTapPassesBytes(t *testing.T) {
	frame := func(payload int) []byte {
		m := codec.NewRequest("a.b")
		m.Matchtag = 1
		m.SetPayload(bytes.Repeat([]byte{'x'}, payload))
		b, err := codec.Append(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	bad := frame(10)
	bad[len(bad)-20] = 0 // the header's magic
	huge := binary.BigEndian.AppendUint32(bytes.Clone(bad[:4]), 1<<31-1)
	for _, c := range []struct {
		name    string
		said    []byte
		records int // of the client, its end not counted
	}{
		{"nothing", nil, 0},
		{"small", bytes.Join([][]byte{frame(0), frame(1), frame(300)}, nil), 3},
		{"large", bytes.Join([][]byte{frame(200000), frame(5 << 20), frame(3)}, nil), 3},
		{"does not decode", bytes.Join([][]byte{frame(1), bad, frame(2)}, nil), 2},
		{"cut short", append(frame(1), frame(1000)[:500]...), 1},
		{"cut in the prefix", append(frame(1), frame(1000)[:5]...), 1},
		{"no frame", append(frame(1), "GET / HTTP/1.0\r\n\r\n"...), 1},
		{"too large a frame", append(huge, "and so on"...), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			broker := listenAt(t, filepath.Join(dir, "b"))
			go func() {
				conn, err := broker.AcceptUnix()
				if err != nil {
					return
				}
				conn.Write([]byte{0})
				io.Copy(conn, conn)
				conn.Close()
			}()
			var file, trace strings.Builder
			tp := &tap{
				upstream: filepath.Join(dir, "b"), out: capture.NewWriter(&file), trace: newTracer(&trace, false),
			}
			front := listenAt(t, filepath.Join(dir, "t"))
			go tp.serve(front)
			client, err := net.DialUnix("unix", nil, front.Addr().(*net.UnixAddr))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			client.SetDeadline(time.Now().Add(patience))
			go func() {
				client.Write(c.said)
				client.CloseWrite()
			}()
			got, err := io.ReadAll(client)
			if want := append([]byte{0}, c.said...); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes came back, %v, want %d", len(got), err, len(want))
			}
			front.Close()
			tp.finish()
			if err := tp.failure(); err != nil {
				t.Error(err)
			}
			recs, err := capture.Read(strings.NewReader(file.String()))
			if err != nil {
				t.Fatal(err)
			}
			frames, ends := 0, 0
			for _, r := range recs {
				switch {
				case r.EOF:
					ends++
				case r.Dir == capture.ClientToServer:
					frames++
				}
			}
			if frames != c.records || ends != 2 {
				t.Errorf("%d frames and %d ends recorded, want %d and 2\n%s", frames, ends, c.records, trace.String())
			}
		})
	}
}

func listenAt(t *testing.T, path string) *net.UnixListener {
	t.Helper()
	l, err := listenPrivate(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
