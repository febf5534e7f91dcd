package kvs

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// rootKey names the root directory of a namespace.
const rootKey = "."

// cleanKey returns a key as the service reads it: periods at both ends are dropped, and of several in a row one stays.
// It refuses what the service would store or look up as something else.
func cleanKey(key string) (string, error) {
	switch {
	case key == "":
		return "", fmt.Errorf("%w: it is empty; the root directory is %q", ErrKey, rootKey)
	case !utf8.ValidString(key):
		return "", fmt.Errorf("%w: it is not UTF-8: %q", ErrKey, key)
	case strings.IndexByte(key, 0) >= 0:
		return "", fmt.Errorf("%w: it has a NUL: %q", ErrKey, key)
	}
	if !strings.Contains(key, "..") && key[0] != '.' && key[len(key)-1] != '.' {
		return key, nil
	}
	words := strings.FieldsFunc(key, func(r rune) bool { return r == '.' })
	if len(words) == 0 {
		return rootKey, nil
	}
	return strings.Join(words, "."), nil
}

// cleanWriteKey is cleanKey for a key that is to be written, which the root is not.
func cleanWriteKey(key string) (string, error) {
	key, err := cleanKey(key)
	if err == nil && key == rootKey {
		err = fmt.Errorf("%w: the root directory cannot be written", ErrKey)
	}
	return key, err
}

// checkNamespace refuses the names that no namespace can have. The service would accept the empty one.
func checkNamespace(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: the name of the namespace is empty", ErrKey)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: the name of the namespace is not UTF-8: %q", ErrKey, name)
	case strings.IndexByte(name, 0) >= 0:
		return fmt.Errorf("%w: the name of the namespace has a NUL: %q", ErrKey, name)
	case len(name) > maxNamespace:
		return fmt.Errorf("%w: the name of the namespace has %d bytes, at most %d are possible",
			ErrKey, len(name), maxNamespace)
	}
	return nil
}

// maxNamespace is the longest name whose events still have a topic: kvs.namespace-NAME-setroot, of at most 255 bytes.
const maxNamespace = 255 - len("kvs.namespace--setroot")

// joinKey returns the key of an entry of the directory dir.
func joinKey(dir, name string) string {
	if dir == rootKey {
		return name
	}
	return dir + "." + name
}

// splitKey returns the directory that a key is in, and its last word.
func splitKey(key string) (dir, name string) {
	if i := strings.LastIndexByte(key, '.'); i > 0 {
		return key[:i], key[i+1:]
	}
	return rootKey, key
}
