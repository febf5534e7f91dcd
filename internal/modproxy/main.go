// Modproxy writes a module proxy of the tree: a directory that holds each module
// of the tree, as the version to be released, in the form that GOPROXY=file://DIR
// takes. The modules can so be installed, before a tag exists, as they will be
// after the release.
//
// It prints that version. It refuses a tree whose modules could not be installed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	dir := flag.String("C", ".", "the `directory` of the tree, in which go.work is")
	out := flag.String("out", "", "the `directory` to write the proxy to, which must not exist or be empty")
	flag.Parse()
	if err := run(*dir, *out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "modproxy:", err)
		os.Exit(1)
	}
}

func run(dir, out string, rest []string) error {
	if out == "" || len(rest) > 0 {
		return errors.New("usage: modproxy [-C DIR] -out DIR")
	}
	t, err := readTree(dir)
	if err != nil {
		return err
	}
	if err := t.check(); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	// In the tree, a zip would take up itself, without end.
	inside, err := isBelow(out, dir)
	if err != nil {
		return err
	}
	if inside {
		return fmt.Errorf("%s is in the tree %s: want a directory outside of it", out, dir)
	}
	if entries, err := os.ReadDir(out); err != nil || len(entries) > 0 {
		return fmt.Errorf("%s is not empty", out)
	}
	if err := t.writeProxy(out); err != nil {
		return err
	}
	fmt.Println(t.version)
	return nil
}

// isBelow reports whether a directory is another one or below it.
func isBelow(dir, top string) (bool, error) {
	for _, p := range []*string{&dir, &top} {
		abs, err := filepath.Abs(*p)
		if err == nil {
			abs, err = filepath.EvalSymlinks(abs)
		}
		if err != nil {
			return false, err
		}
		*p = abs
	}
	rel, err := filepath.Rel(top, dir)
	return err == nil && filepath.IsLocal(rel), nil
}
