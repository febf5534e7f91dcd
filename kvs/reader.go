package kvs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/flux-sdk/flux"
)

// Reader reads a value in pieces. It is made by [Store.Reader] and must not be used by several goroutines at once.
type Reader struct {
	ctx  context.Context
	stop context.CancelFunc
	s    *Store
	key  string
	next func() ([]byte, error) // the next piece, io.EOF at the end; nil before the first
	part []byte                 // what is left of the piece at hand
	err  error                  // for all further reads
}

// Reader returns a reader of a value that needs not fit memory: it holds one of the blobs that the value is made of at
// a time. [Store.Writer] makes them 1 MiB; a value that was put or appended in one operation is one blob, whatever its
// size. The value is what the first Read finds, whatever is committed later. Links are followed.
//
// The owner's reads ask the content store for one blob after the other. A guest may not; its reads use the streaming
// lookup (flux_kvs_lookup(3), FLUX_KVS_STREAM), which sends the blobs as fast as it can, so that a slow reader gets
// flux.ErrSlowConsumer.
//
// Read returns the error of opening: flux.ENOENT, flux.EISDIR. The end of ctx ends the reading. Close must be called.
func (s *Store) Reader(ctx context.Context, key string) *Reader {
	ctx, stop := context.WithCancel(ctx)
	return &Reader{ctx: ctx, stop: stop, s: s, key: key}
}

// Read reads the next bytes of the value.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := r.fill(); err != nil {
		return 0, err
	}
	n := copy(p, r.part)
	r.part = r.part[n:]
	return n, nil
}

// WriteTo writes the rest of the value to w, blob by blob.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		err := r.fill()
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(r.part)
		total += int64(n)
		r.part = r.part[n:]
		if err != nil {
			return total, err
		}
	}
}

// Close ends the reading. It always returns nil.
func (r *Reader) Close() error {
	r.stop()
	r.part, r.next = nil, nil
	r.err = r.s.fail("read", r.key, errReaderClosed)
	return nil
}

var errReaderClosed = errors.New("reader is closed")

// fill sees to it that there is something in r.part, or returns why not.
func (r *Reader) fill() error {
	for len(r.part) == 0 && r.err == nil {
		if r.next == nil {
			if r.err = r.s.fail("read", r.key, r.open()); r.err != nil {
				break
			}
		}
		var err error
		r.part, err = r.next()
		if err != nil {
			r.err = io.EOF
			if err != io.EOF {
				r.err = r.s.fail("read", r.key, err)
			}
			r.stop()
		}
	}
	if len(r.part) > 0 {
		return nil
	}
	return r.err
}

// open finds the value.
func (r *Reader) open() error {
	s, key, o, err := r.s.resolve(r.ctx, r.key)
	switch {
	case err != nil:
		return err
	case o.isDir():
		// What the service answers to a plain lookup.
		return &flux.Error{Topic: "kvs.lookup", Errno: flux.EISDIR}
	case !o.isValue():
		return fmt.Errorf("the answer is a %s, expected a value", o.kind)
	}
	if o.kind == typeVal {
		r.next = pieces([][]byte{o.data})
		return nil
	}
	first, err := loadBlob(r.ctx, s.conn, o.refs[0])
	if remoteErrno(err) == flux.EPERM {
		return r.openStream(s, key, o.refs)
	}
	if err != nil {
		return err
	}
	refs := o.refs[1:]
	r.next = func() ([]byte, error) {
		if first != nil {
			part := first
			first = nil
			return part, nil
		}
		if len(refs) == 0 {
			return nil, io.EOF
		}
		ref := refs[0]
		refs = refs[1:]
		return loadBlob(r.ctx, s.conn, ref)
	}
	return nil
}

// pieces returns a next of pieces that are here already.
func pieces(list [][]byte) func() ([]byte, error) {
	return func() ([]byte, error) {
		if len(list) == 0 {
			return nil, io.EOF
		}
		p := list[0]
		list = list[1:]
		return p, nil
	}
}

// openStream reads a value of these blobs without the content store.
func (r *Reader) openStream(s *Store, key string, refs []BlobRef) error {
	if s.root != "" {
		return r.openWhole(s, key) // the streaming lookup knows no roots but the current one
	}
	ctx, stop := context.WithCancel(r.ctx)
	stream, err := s.watchStream(ctx, key, flagStream, nil)
	if err != nil {
		stop()
		return err
	}
	first, err := nextPiece(stream)
	if err == nil && !refs[0].matches(first) {
		// The value has changed meanwhile, or the service is older than the streaming lookup, which is of release
		// 0.70. That would send the whole value and then nothing more.
		stop()
		return r.openWhole(s, key)
	}
	read := 0
	r.next = func() ([]byte, error) {
		if read == len(refs) {
			stop()
			return nil, io.EOF
		}
		piece, pieceErr := first, err
		if read > 0 {
			piece, pieceErr = nextPiece(stream)
		}
		first = nil
		if pieceErr == nil && !refs[read].matches(piece) {
			pieceErr = fmt.Errorf("piece %d is not the blob %s", read, refs[read])
		}
		read++
		if pieceErr != nil {
			stop()
		}
		return piece, pieceErr
	}
	return nil
}

// nextPiece takes one response of a streaming lookup. An end that comes too early is an error.
func nextPiece(stream <-chan flux.Response) ([]byte, error) {
	resp, ok := <-stream
	if !ok {
		return nil, io.ErrUnexpectedEOF
	}
	defer resp.Release()
	var answer lookupAnswer
	if err := decode(resp, &answer); err != nil {
		return nil, err
	}
	if answer.Val == nil {
		return nil, fmt.Errorf("the answer has no tree object")
	}
	return answer.Val.data, nil
}

// openWhole reads a value in one piece.
func (r *Reader) openWhole(s *Store, key string) error {
	o, err := s.lookup(r.ctx, key, 0)
	if err != nil {
		return err
	}
	r.next = pieces([][]byte{o.data})
	return nil
}
