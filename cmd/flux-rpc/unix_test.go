//go:build unix

package main

import (
	"os"
	"testing"
)

// The watch tells that the reader has gone, once, and not before; without that it ends when it is told to.
func TestWatchReader(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	gone := make(chan struct{}, 1)
	stop, err := watchReader(w, func() { gone <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone:
		t.Error("the reader was said to be gone while it was there")
	default:
	}
	r.Close()
	<-gone
	stop()

	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	stop, err = watchReader(file, func() { t.Error("a file has no reader that goes") })
	if err != nil {
		t.Fatal(err)
	}
	stop()
}
