package framing

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/flux-sdk/flux/codec"
)

// readOnly is a stream of what r has.
type readOnly struct{ io.Reader }

func (readOnly) Write(p []byte) (int, error) { return len(p), nil }
func (readOnly) Close() error                { return nil }

func reading(r io.Reader) *Conn { return New(readOnly{r}, Config{}) }

// chunks gives its pieces one a read.
type chunks [][]byte

func (c *chunks) Read(p []byte) (int, error) {
	for len(*c) > 0 && len((*c)[0]) == 0 {
		*c = (*c)[1:]
	}
	if len(*c) == 0 {
		return 0, io.EOF
	}
	n := copy(p, (*c)[0])
	(*c)[0] = (*c)[0][n:]
	return n, nil
}

// conversation is one message of every shape, and their frames in a row.
func conversation(t testing.TB) (msgs []*codec.Message, b []byte, ends map[int]bool) {
	event := codec.NewEvent("heartbeat.pulse")
	event.Routes = codec.MakeRoutes("63c2cf00-a775-487a-8128-7f1c7fc9eef0")
	event.Sequence = 7
	response := codec.NewResponse(request("attr.get", 9, nil))
	response.SetPayload([]byte("{\"value\":\"0\"}\x00"))
	response.UserID, response.Rolemask = 1000, 5
	failed := codec.NewResponse(request("attr.get", 10, nil))
	failed.Errnum = 2
	empty := request("empty.payload", 3, []byte{})
	msgs = []*codec.Message{
		request("attr.get", 1, []byte("{\"name\":\"rank\"}\x00")),
		event, response, failed, empty,
		{Type: codec.TypeControl, ControlType: 3, ControlStatus: 4},
		request("long.part", 2, pattern(254)),
		request("long.part", 2, pattern(255)),
	}
	ends = map[int]bool{0: true}
	for _, m := range msgs {
		b = append(b, wire(t, m)...)
		ends[len(b)] = true
	}
	return msgs, b, ends
}

// wantAll receives msgs and then io.EOF.
func wantAll(t *testing.T, c *Conn, msgs []*codec.Message) {
	t.Helper()
	for _, m := range msgs {
		want(t, c, m)
	}
	if err := c.Recv(new(codec.Message)); err != io.EOF {
		t.Fatalf("after the last message: %v, want io.EOF", err)
	}
}

func TestReaderSplitAndCoalesced(t *testing.T) {
	msgs, b, _ := conversation(t)
	t.Run("at once", func(t *testing.T) { wantAll(t, reading(bytes.NewReader(b)), msgs) })
	t.Run("byte by byte", func(t *testing.T) { wantAll(t, reading(iotest.OneByteReader(bytes.NewReader(b))), msgs) })
	t.Run("end with the data", func(t *testing.T) { wantAll(t, reading(iotest.DataErrReader(bytes.NewReader(b))), msgs) })
	t.Run("in halves", func(t *testing.T) { wantAll(t, reading(iotest.HalfReader(bytes.NewReader(b))), msgs) })
	t.Run("split anywhere", func(t *testing.T) {
		for i := range b {
			wantAll(t, reading(&chunks{b[:i], b[i:]}), msgs)
		}
	})
}

func TestReaderCutAnywhere(t *testing.T) {
	msgs, b, ends := conversation(t)
	for cut := range b {
		c := reading(bytes.NewReader(b[:cut]))
		n := 0
		var err error
		for err == nil {
			var m codec.Message
			if err = c.Recv(&m); err == nil {
				n++
			}
		}
		wantErr := io.ErrUnexpectedEOF
		if ends[cut] {
			wantErr = io.EOF
		}
		if err != wantErr || n > len(msgs) {
			t.Fatalf("cut after %d bytes: %v after %d messages, want %v", cut, err, n, wantErr)
		}
		if again := c.Recv(new(codec.Message)); again != err {
			t.Fatalf("cut after %d bytes: %v, then %v", cut, err, again)
		}
	}
}

// withBody is a request whose body has n bytes.
func withBody(t *testing.T, n int) *codec.Message {
	t.Helper()
	m := request("a.b", 1, []byte{0})
	m.SetPayload(pattern(n - 4 - (codec.FrameSize(m) - codec.PrefixSize - 1)))
	if got := codec.FrameSize(m) - codec.PrefixSize; got != n {
		t.Fatalf("body of %d bytes, want %d", got, n)
	}
	return m
}

func TestReaderSizes(t *testing.T) {
	small := request("small.one", 1, []byte("x"))
	var sizes []int
	for _, n := range []int{shortRead, bigFrame, readBuffer} {
		for d := -10; d <= 10; d++ { // a prefix has 8 bytes
			sizes = append(sizes, n+d)
		}
	}
	for _, n := range []int{1 << 20, claimStep, 2 * claimStep, 3 << 20} {
		sizes = append(sizes, n-8, n-1, n, n+1)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range sizes {
		m := withBody(t, n)
		msgs := []*codec.Message{small, m, small, m, m, small}
		var b []byte
		for _, m := range msgs {
			b = append(b, wire(t, m)...)
		}
		wantAll(t, reading(bytes.NewReader(b)), msgs)
		var some chunks
		for rest := b; len(rest) > 0; {
			k := min(len(rest), 1+rnd.IntN(40_000))
			some, rest = append(some, rest[:k]), rest[k:]
		}
		wantAll(t, reading(&some), msgs)
		for _, cut := range []int{len(b) - len(wire(t, small)) - 1, len(b) - len(wire(t, small)) - n + 1} {
			c := reading(bytes.NewReader(b[:cut]))
			for _, m := range msgs[:4] {
				want(t, c, m)
			}
			if err := c.Recv(new(codec.Message)); err != io.ErrUnexpectedEOF {
				t.Fatalf("body of %d bytes cut: %v", n, err)
			}
		}
	}
}

func TestReaderError(t *testing.T) {
	_, b, _ := conversation(t)
	mark := errors.New("broken cable")
	for _, cut := range []int{0, 3, 30} {
		c := reading(io.MultiReader(bytes.NewReader(b[:cut]), iotest.ErrReader(mark)))
		for range 2 {
			if err := c.Recv(new(codec.Message)); !errors.Is(err, mark) {
				t.Errorf("after %d bytes: %v, want the stream's error", cut, err)
			}
		}
	}
}

// A length field is only a claim: memory follows the bytes that come.
func TestReaderClaims(t *testing.T) {
	for _, arrives := range []int{0, 100, 20_000, 3 << 20} {
		prefix := []byte{0, 0, 0, 0, 0x3f, 0xff, 0xff, 0xff}
		copy(prefix, wire(t, request("a.b", 1, nil))[:4])
		r := io.MultiReader(bytes.NewReader(prefix), bytes.NewReader(pattern(arrives)))
		c := reading(r)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := c.Recv(new(codec.Message))
		runtime.ReadMemStats(&after)
		if err != io.ErrUnexpectedEOF {
			t.Errorf("%d bytes of 1 GiB: %v", arrives, err)
		}
		if used, limit := int(after.TotalAlloc-before.TotalAlloc), 2*claimStep+4*arrives; used > limit {
			t.Errorf("%d bytes of 1 GiB: allocated %d, want %d at most", arrives, used, limit)
		}
	}
}

func TestReaderCap(t *testing.T) {
	fits, over := withBody(t, 1000), withBody(t, 1001)
	c := New(readOnly{bytes.NewReader(append(wire(t, fits), wire(t, over)...))}, Config{MaxSize: 1000})
	want(t, c, fits)
	if !c.Buffered() {
		t.Error("Recv fails at once, but Buffered is false")
	}
	for range 2 {
		if err := c.Recv(new(codec.Message)); !errors.Is(err, codec.ErrTooLarge) {
			t.Errorf("Recv: %v, want ErrTooLarge", err)
		}
	}
	send(t, c, fits)
	if err := c.Send(t.Context(), over); !errors.Is(err, codec.ErrTooLarge) {
		t.Errorf("Send: %v, want ErrTooLarge", err)
	}
	send(t, c, fits)
}

func TestReaderBadPrefix(t *testing.T) {
	good := wire(t, request("a.b", 1, nil))
	for name, b := range map[string][]byte{
		"magic of the other byte order": {good[3], good[2], good[1], good[0], 0, 0, 0, 21},
		"length 0":                      append(bytes.Clone(good[:4]), 0, 0, 0, 0),
		"length 20":                     append(bytes.Clone(good[:4]), 0, 0, 0, 20),
		"length that wraps":             append(bytes.Clone(good[:4]), 0xff, 0xff, 0xff, 0xf8),
		"length 2 GiB":                  append(bytes.Clone(good[:4]), 0x7f, 0xff, 0xff, 0xff),
	} {
		c := reading(bytes.NewReader(b))
		err := c.Recv(new(codec.Message))
		if !errors.Is(err, codec.ErrMalformed) && !errors.Is(err, codec.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The memory of a message is its receiver's: what is done to one shows in no
// other, before or after.
func TestReaderMemoryIsOwned(t *testing.T) {
	for _, n := range []int{100, 5000, bigFrame + 1, 100_000, 2 * claimStep} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var b []byte
			for range 20 {
				m := request("a.b", 1, pattern(n))
				m.Routes = codec.MakeRoutes("one", "two")
				b = append(b, wire(t, m)...)
			}
			c := reading(bytes.NewReader(b))
			var kept []*codec.Message
			for range 20 {
				kept = append(kept, recv(t, c))
			}
			for i, m := range kept {
				if !bytes.Equal(m.Payload, pattern(n)) || m.Routes.String() != "|two!one|" || m.Topic != "a.b" {
					t.Fatalf("message %d was changed through another", i)
				}
				clear(m.Payload[:cap(m.Payload)])
				clear(m.Routes[:cap(m.Routes)])
			}
		})
	}
}

// What is sent is copied: the caller may reuse its memory at once.
func TestSendCopies(t *testing.T) {
	a, b := pipe(Config{})
	defer a.Close()
	defer b.Close()
	m := request("a.b", 1, pattern(1000))
	if err := a.Queue(m); err != nil {
		t.Fatal(err)
	}
	clear(m.Payload)
	m.Topic = "c.d"
	a.Flush()
	want(t, b, request("a.b", 1, pattern(1000)))
}

func FuzzReader(f *testing.F) {
	_, b, _ := conversation(f)
	f.Add(b, uint16(0))
	f.Add(b[:30], uint16(3))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint16(1))
	f.Add(append(bytes.Clone(b[:4]), 0x3f, 0xff, 0xff, 0xff, 1, 2, 3), uint16(5))
	f.Fuzz(func(t *testing.T, b []byte, split uint16) {
		raw, end := BytePipe()
		c := New(end, Config{})
		go func() {
			cut := min(int(split), len(b))
			raw.Write(b[:cut])
			raw.Write(b[cut:])
			raw.Close()
		}()
		size := 0
		for {
			var m codec.Message
			err := c.Recv(&m)
			if err != nil {
				if err == io.EOF && size > len(b) {
					t.Fatalf("%d bytes of messages from %d", size, len(b))
				}
				if again := c.Recv(&m); again != err {
					t.Fatalf("Recv: %v, then %v", err, again)
				}
				break
			}
			if size += codec.MinBody + codec.PrefixSize; size > len(b) {
				t.Fatalf("more messages than %d bytes hold", len(b))
			}
		}
		c.Close()
		raw.Close()
	})
}
