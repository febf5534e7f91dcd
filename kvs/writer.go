package kvs

import (
	"context"
	"errors"
)

// pieceSize is the size of the blobs of a Writer. Larger ones take more memory, smaller ones more requests and a longer
// list of references in the directory.
const pieceSize = 1 << 20

// Writer writes a value in pieces. It is made by [Store.Writer] and must not be used by several goroutines at once.
type Writer struct {
	ctx     context.Context
	s       *Store
	key     string
	buf     []byte
	refs    []BlobRef
	version Version
	closed  bool
	err     error
}

// Writer returns a writer of a value that needs not fit memory. What is written goes to the content store in blobs of
// 1 MiB; Close then gives the key its value in one commit, so a reader sees all of it or nothing. A Writer that is not
// closed changes nothing. Only the instance owner may use it. The end of ctx ends the writing.
func (s *Store) Writer(ctx context.Context, key string) *Writer {
	w := &Writer{ctx: ctx, s: s, key: key}
	_, err := cleanWriteKey(key)
	switch {
	case err != nil:
	case s.err != nil:
		err = s.err
	case s.root != "":
		err = ErrSnapshot
	}
	w.err = s.fail("write", key, err)
	return w
}

// Write adds p to the value.
func (w *Writer) Write(p []byte) (int, error) {
	if w.closed && w.err == nil {
		w.err = w.s.fail("write", w.key, errWriterClosed)
	}
	done := 0
	for done < len(p) && w.err == nil {
		if w.buf == nil {
			w.buf = make([]byte, 0, pieceSize)
		}
		n := min(len(p)-done, pieceSize-len(w.buf))
		w.buf = append(w.buf, p[done:done+n]...)
		done += n
		if len(w.buf) == pieceSize {
			w.flush()
		}
	}
	return done, w.err
}

var errWriterClosed = errors.New("writer is closed")

// flush stores what is buffered as one blob.
func (w *Writer) flush() {
	ref, err := StoreBlob(w.ctx, w.s.conn, w.buf)
	if err != nil {
		w.err = w.s.fail("write", w.key, errors.Unwrap(err))
		return
	}
	w.refs = append(w.refs, ref)
	w.buf = w.buf[:0]
}

// Close stores the rest and commits the value. After an error the key is as it was, unless the error is of the commit
// and not SafeToRetry.
func (w *Writer) Close() error {
	if w.closed || w.err != nil {
		w.closed = true
		return w.err
	}
	w.closed = true
	o := object{kind: typeVal, data: w.buf}
	if len(w.refs) > 0 {
		if len(w.buf) > 0 {
			w.flush()
		}
		o = object{kind: typeValref, refs: w.refs}
	}
	if w.err == nil {
		t := w.s.named("write", w.key, w.s.Txn())
		w.version, w.err = t.add(w.key, 0, &o).Commit(w.ctx)
	}
	w.buf = nil
	return w.err
}

// Version returns the version of the commit, once Close has returned nil.
func (w *Writer) Version() Version { return w.version }
