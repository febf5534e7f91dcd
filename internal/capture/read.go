package capture

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Read reads all records of a file. The error names the line.
func Read(r io.Reader) ([]Record, error) {
	var out []Record
	err := eachLine(r, func(b []byte) error {
		var l line
		if err := strict(b, &l); err != nil {
			return err
		}
		rec, err := l.record()
		out = append(out, rec)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func eachLine(r io.Reader, f func([]byte) error) error {
	br := bufio.NewReader(r)
	for n := 1; ; n++ {
		b, err := br.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("capture: line %d: %w", n, err)
		}
		if err != nil && len(b) == 0 {
			return nil
		}
		if err := f(b); err != nil {
			return fmt.Errorf("capture: line %d: %w", n, err)
		}
	}
}

// strict decodes one JSON object and refuses keys it does not know, because a
// key that is passed over is an expectation that is not checked.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("empty line")
		}
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}
