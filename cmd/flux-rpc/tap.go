package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
)

// tap stands between clients and a broker: it records each frame and then
// passes it on.
type tap struct {
	upstream string
	out      *capture.Writer // may be nil
	trace    *tracer         // may be nil

	wg    sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]struct{}
	err   error // of writing the recording, the first one
}

// finishWait is how long connections may take to end after the command.
const finishWait = time.Second

func (t *tap) serve(l *net.UnixListener) {
	for num := 1; ; num++ {
		client, err := l.AcceptUnix()
		if err != nil {
			return
		}
		t.wg.Go(func() { t.conn(num, client) })
	}
}

// finish waits a moment for the connections and then cuts them.
func (t *tap) finish() {
	timer := time.AfterFunc(finishWait, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		for c := range t.conns {
			c.Close()
		}
	})
	t.wg.Wait()
	timer.Stop()
}

func (t *tap) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

func (t *tap) track(c net.Conn, add bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conns == nil {
		t.conns = make(map[net.Conn]struct{})
	}
	if add {
		t.conns[c] = struct{}{}
	} else {
		delete(t.conns, c)
		c.Close()
	}
}

// conn passes on one connection until both of its directions have ended.
func (t *tap) conn(num int, client *net.UnixConn) {
	t.track(client, true)
	defer t.track(client, false)
	broker, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: t.upstream, Net: "unix"})
	if err != nil {
		t.trace.note(num, "cannot connect to the broker: %v", err)
		return
	}
	t.track(broker, true)
	defer t.track(broker, false)
	var wg sync.WaitGroup
	wg.Go(func() { t.pump(num, capture.ClientToServer, client, broker) })
	wg.Go(func() { t.pump(num, capture.ServerToClient, broker, client) })
	wg.Wait()
}

// pump passes on one direction, and its end.
func (t *tap) pump(num int, dir capture.Dir, src, dst *net.UnixConn) {
	p := passage{t: t, num: num, dir: dir, dst: dst}
	err := p.run(src)
	if !errClosed(err) {
		t.trace.note(num, "%s: %v", dir, err)
	}
	t.keep(capture.Record{Conn: num, Dir: dir, EOF: true})
	t.trace.eof(num, dir)
	// What a peer that has gone does not take is no failure.
	_ = dst.CloseWrite()
}

// keep writes to the recording, if there is one, and keeps the first error.
func (t *tap) keep(rec capture.Record) {
	if t.out == nil {
		return
	}
	err := t.out.Record(rec)
	if err == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
}

// passage is one direction of one connection.
type passage struct {
	t    *tap
	num  int
	dir  capture.Dir
	dst  io.Writer
	gone bool // dst takes nothing any more; what comes is still recorded
}

// run passes on frame after frame, each recorded first, and returns why it
// ended. Bytes that are no frames are passed on as they come.
func (p *passage) run(src io.Reader) error {
	if p.dir == capture.ServerToClient {
		var shake [1]byte
		if _, err := io.ReadFull(src, shake[:]); err != nil {
			return err
		}
		p.pass(shake[:])
	}
	var frame bytes.Buffer
	for {
		frame.Reset()
		err := readFrame(src, &frame)
		if err == nil {
			p.pass(frame.Bytes())
			continue
		}
		// Whatever was read belongs to the other side.
		p.forward(frame.Bytes())
		if !errors.Is(err, codec.ErrMalformed) && !errors.Is(err, codec.ErrTooLarge) {
			return err
		}
		p.t.trace.note(p.num, "%s: %v; passing on bytes unrecorded", p.dir, err)
		_, err = io.Copy(p.dst, src)
		if err == nil {
			err = io.EOF
		}
		return err
	}
}

// readFrame reads one frame into b, which has on an error what was read of it.
func readFrame(src io.Reader, b *bytes.Buffer) error {
	if _, err := io.CopyN(b, src, codec.PrefixSize); err != nil {
		return partial(err, b)
	}
	n, err := codec.ParsePrefix(b.Bytes(), 0)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(b, src, int64(n)); err != nil {
		return partial(err, b)
	}
	return nil
}

func partial(err error, b *bytes.Buffer) error {
	if errors.Is(err, io.EOF) && b.Len() > 0 {
		return fmt.Errorf("%w after %d bytes of a message", io.ErrUnexpectedEOF, b.Len())
	}
	return err
}

// pass records a frame or the handshake byte and then passes it on, so that in
// the recording a cause always precedes its effect.
func (p *passage) pass(raw []byte) {
	rec, err := capture.NewRecord(p.num, p.dir, raw)
	if err != nil {
		p.t.trace.note(p.num, "%s: %d bytes not recorded: %v", p.dir, len(raw), err)
	} else {
		p.t.keep(rec)
		p.t.trace.record(&rec)
	}
	p.forward(raw)
}

func (p *passage) forward(raw []byte) {
	if p.gone || len(raw) == 0 {
		return
	}
	_, err := p.dst.Write(raw)
	p.gone = err != nil
}
