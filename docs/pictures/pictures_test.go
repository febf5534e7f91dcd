package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPictures wants the pictures that are checked in to be those that the
// program draws.
func TestPictures(t *testing.T) {
	for name, draw := range pictures {
		c, title, description := draw()
		drawn := c.svg(title, description)
		file, err := os.ReadFile(filepath.Join("..", name))
		if err != nil || string(file) != drawn {
			t.Errorf("docs/%s is not up to date, error %v: run \"go run ./docs/pictures\"", name, err)
		}
		d := xml.NewDecoder(strings.NewReader(drawn))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

// TestTextFits wants every text to be inside of its picture and no two texts of
// a line to overlap.
func TestTextFits(t *testing.T) {
	for name, draw := range pictures {
		c, _, _ := draw()
		for i, a := range c.texts {
			if a.left < 0 || a.right > float64(c.width) || a.y < fontSize || a.y > c.height-4 {
				t.Errorf("%s: %q from %.0f to %.0f at %d is cut off", name, a.text, a.left, a.right, a.y)
			}
			for _, b := range c.texts[:i] {
				if near := a.y - b.y; near > -fontSize && near < fontSize && a.left < b.right && b.left < a.right {
					t.Errorf("%s: %q and %q overlap at %d", name, b.text, a.text, a.y)
				}
			}
		}
	}
}

// TestPicturesAreShown wants every picture in some page.
func TestPicturesAreShown(t *testing.T) {
	pages, err := filepath.Glob("../*.md")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for name := range pictures {
		if !strings.Contains(all.String(), "]("+name+")") {
			t.Errorf("no page shows %s", name)
		}
	}
}
