package capture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// Writer writes records. Several goroutines may use one: each record is one
// call of Write on what is underneath.
type Writer struct {
	mu sync.Mutex
	w  io.Writer
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Frame writes the record of one whole frame as it is on this host, or of the
// handshake byte; see [NewRecord].
func (w *Writer) Frame(conn int, dir Dir, raw []byte) error {
	r, err := NewRecord(conn, dir, raw)
	if err != nil {
		return fmt.Errorf("capture: conn %d %s: %w", conn, dir, err)
	}
	return w.Record(r)
}

// EOF writes that one side closed its half of a connection.
func (w *Writer) EOF(conn int, dir Dir) error {
	return w.Record(Record{Conn: conn, Dir: dir, EOF: true})
}

// Record writes a record.
func (w *Writer) Record(r Record) error {
	if r.Msg == nil && !r.EOF {
		return fmt.Errorf("capture: conn %d %s: record without a message", r.Conn, r.Dir)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(newLine(&r)); err != nil {
		return fmt.Errorf("capture: conn %d %s: %w", r.Conn, r.Dir, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.w.Write(b.Bytes())
	return err
}
