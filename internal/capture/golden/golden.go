// Package golden holds conversations that were recorded at a real broker. Only
// tests import it: it embeds a megabyte of data.
package golden

import (
	"bytes"
	"embed"
	"fmt"
	"path"
	"strings"

	"github.com/flux-sdk/flux/internal/capture"
)

const malformed = "malformed"

//go:embed testdata/*.jsonl
var files embed.FS

// Names lists the conversations, sorted.
func Names() []string {
	entries, err := files.ReadDir("testdata")
	if err != nil {
		panic(err) // the directory is compiled in
	}
	var out []string
	for _, e := range entries {
		if name := strings.TrimSuffix(e.Name(), ".jsonl"); name != malformed {
			out = append(out, name)
		}
	}
	return out
}

// Bytes returns the file of a conversation as it is.
func Bytes(name string) ([]byte, error) {
	return files.ReadFile(path.Join("testdata", name+".jsonl"))
}

// Load reads a conversation by one of the [Names].
func Load(name string) ([]capture.Record, error) {
	b, err := Bytes(name)
	if err != nil {
		return nil, err
	}
	recs, err := capture.Read(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return recs, nil
}

// Malformed reads the cases of malformed and odd input.
func Malformed() ([]capture.Case, error) {
	b, err := Bytes(malformed)
	if err != nil {
		return nil, err
	}
	return capture.ReadMalformed(bytes.NewReader(b))
}
