// Package excerpt shows a part of a text in an error.
package excerpt

import "strconv"

// limit is how many bytes are shown.
const limit = 60

// Quote returns s in single quotes, with unprintable characters escaped, and cut if it is long.
func Quote(s string) string {
	more := ""
	if len(s) > limit {
		s, more = s[:limit], "..."
	}
	escaped := strconv.Quote(s)
	return "'" + escaped[1:len(escaped)-1] + more + "'"
}
