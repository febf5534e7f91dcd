package framing

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// interruptible is a Conn that RecvOr may read, and its peer.
func interruptible(t *testing.T) (*Conn, io.ReadWriteCloser) {
	t.Helper()
	b, peer := blockPair(t)
	c := New(b, Config{})
	t.Cleanup(func() { c.Close() })
	if !c.Interruptible() {
		t.Fatal("it is not")
	}
	if err := c.ArmHangup(); err != nil {
		t.Fatal(err)
	}
	return c, peer
}

// An interruption loses nothing, whatever has arrived of a message.
func TestRecvOrLosesNothing(t *testing.T) {
	c, peer := interruptible(t)
	for _, size := range []int{0, 10, bigFrame - 100, bigFrame + 1, 3 * bigFrame, 2 * claimStep} {
		m := request("some.topic", 1, pattern(size))
		b := wire(t, m)
		for _, cut := range []int{0, 1, codec.PrefixSize, codec.PrefixSize + 1, len(b) / 2, len(b) - 1} {
			first := make(chan error, 1)
			go func() {
				_, err := peer.Write(b[:cut])
				first <- err
			}()
			var got codec.Message
			for range 1 + rand.IntN(3) {
				c.Interrupt()
				came, err := c.RecvOr(&got)
				if came || err != nil {
					t.Fatalf("size %d, cut at %d: RecvOr %v, %v, want an interruption", size, cut, came, err)
				}
			}
			go func() {
				<-first
				peer.Write(b[cut:])
			}()
			came, err := c.RecvOr(&got)
			for !came && err == nil { // an interruption that came too late for the one before
				came, err = c.RecvOr(&got)
			}
			if err != nil || !bytes.Equal(got.Payload, m.Payload) {
				t.Fatalf("size %d, cut at %d: received %d bytes, %v", size, cut, len(got.Payload), err)
			}
		}
	}
}

// A RecvOr that waits is ended by Interrupt, by the peer's close and by Close.
func TestRecvOrEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(c *Conn, peer io.Closer)
		want error
	}{
		{"interrupt", func(c *Conn, _ io.Closer) { c.Interrupt() }, nil},
		{"peer", func(_ *Conn, peer io.Closer) { peer.Close() }, io.EOF},
		{"close", func(c *Conn, _ io.Closer) { c.Close() }, ErrClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, peer := interruptible(t)
			ended := make(chan error, 1)
			go func() {
				came, err := c.RecvOr(new(codec.Message))
				if came {
					err = errors.New("something came")
				}
				ended <- err
			}()
			tt.end(c, peer)
			if err := within(t, "RecvOr", func() error { return <-ended }); err != tt.want {
				t.Errorf("it ended with %v, want %v", err, tt.want)
			}
		})
	}
}

// AwaitHangup sleeps while messages come and wakes when the peer closes, when it
// is woken and when the connection is closed.
func TestAwaitHangup(t *testing.T) {
	for name, end := range map[string]func(c *Conn, peer io.Closer){
		"peer":  func(_ *Conn, peer io.Closer) { peer.Close() },
		"woken": func(c *Conn, _ io.Closer) { c.WakeHangup() },
		"close": func(c *Conn, _ io.Closer) { c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			c, peer := interruptible(t)
			m := request("some.topic", 1, nil)
			awake := make(chan struct{})
			go func() {
				c.AwaitHangup()
				close(awake)
			}()
			for range 100 {
				if _, err := peer.Write(wire(t, m)); err != nil {
					t.Fatal(err)
				}
				var got codec.Message
				if came, err := c.RecvOr(&got); !came || err != nil {
					t.Fatalf("RecvOr %v, %v", came, err)
				}
			}
			select {
			case <-awake:
				t.Error("it woke while messages came")
			default:
			}
			end(c, peer)
			within(t, "AwaitHangup", func() error { <-awake; return nil })
			if name == "woken" { // and once more
				if err := c.ArmHangup(); err != nil {
					t.Fatal(err)
				}
				again := make(chan struct{})
				go func() { c.AwaitHangup(); close(again) }()
				select {
				case <-again:
					t.Error("it is still woken after ArmHangup")
				default:
				}
				c.WakeHangup()
				within(t, "AwaitHangup", func() error { <-again; return nil })
			}
		})
	}
}

// A reader that has received a message by Recv, and then lets others read, leaves
// nothing unwritten: neither what was queued before, nor what is queued while it
// waits for the hangup, nor what is queued while RecvOr waits.
func TestNothingIsLeftToAnAbsentReader(t *testing.T) {
	m := request("some.topic", 1, nil)
	for name, wait := range map[string]func(c *Conn){
		"AwaitHangup": (*Conn).AwaitHangup,
		"RecvOr":      func(c *Conn) { c.RecvOr(new(codec.Message)) },
	} {
		t.Run(name, func(t *testing.T) {
			c, stream := interruptible(t)
			peer := New(stream, Config{})
			defer peer.Close()
			received := make(chan *codec.Message, 2)
			go func() {
				defer close(received)
				for {
					var m codec.Message
					if peer.Recv(&m) != nil {
						return
					}
					received <- &m
				}
			}()
			queue := func() {
				t.Helper()
				if err := c.Queue(m); err != nil {
					t.Fatal(err)
				}
				c.FlushByReader()
			}
			arrives := func(what string) {
				t.Helper()
				within(t, what, func() error { <-received; return nil })
			}

			send(t, peer, m)
			recv(t, c)
			queue()
			ended := make(chan struct{})
			go func() { wait(c); close(ended) }()
			arrives("what was queued before the wait")
			queue()
			arrives("what was queued during the wait")
			c.Close()
			within(t, name, func() error { <-ended; return nil })
		})
	}
}

// An interruption ends a RecvOr for which there is always more to read.
func TestInterruptInsideArrivingBody(t *testing.T) {
	c, peer := interruptible(t)
	const size = 4 << 20
	m := request("some.topic", 1, pattern(size))
	b := wire(t, m)
	cut := codec.PrefixSize + 2*bigFrame
	if _, err := peer.Write(b[:cut]); err != nil {
		t.Fatal(err)
	}
	c.Interrupt()
	var got codec.Message
	if came, err := c.RecvOr(&got); came || err != nil {
		t.Fatalf("RecvOr %v, %v, want an interruption", came, err)
	}
	if c.r.big.have > 0 {
		t.Errorf("%d bytes were read before it", c.r.big.have)
	}
	go peer.Write(b[cut:])
	came, err := c.RecvOr(&got)
	for !came && err == nil {
		came, err = c.RecvOr(&got)
	}
	if err != nil || !bytes.Equal(got.Payload, m.Payload) {
		t.Fatalf("received %d bytes, %v", len(got.Payload), err)
	}
}
