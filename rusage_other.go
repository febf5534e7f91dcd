//go:build !unix

package flux

// rusage has no source on this system.
func rusage(string) (map[string]any, bool) { return nil, false }
