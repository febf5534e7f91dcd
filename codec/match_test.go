package codec_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		pattern, topic string
		want           bool
	}{
		{"", "", true}, // everything, messages without a topic too
		{"", "any.topic", true},
		{"*", "", true},
		{"*", "a.b/c", true},
		{"job.state", "job.state", true},
		{"job.state", "job.states", false},
		{"job", "job.state", false}, // no prefix rule: that is the broker's
		{`a\*`, "a*", true},         // has a star, so it is a glob with a quoted star
		{`a\*`, `a\*`, false},
		{`a\b`, `a\b`, true}, // no glob: the backslash is literal
		{`a\b`, "ab", false},
		{`a\`, `a\`, true},
		{"a]", "a]", true},
		{"job.*", "job.", true},
		{"job.*", "job.a.b/c", true},
		{"job.*", "job", false},
		{"*.state", "job.state", true},
		{"*.state", ".state", true},
		{"?.b", "a.b", true},
		{"?.b", "..b", true},
		{"?.b", ".b", false},
		{"*a", ".a", true}, // a leading period is not special
		{"a?c", "a/c", true},
		{"[a-c]x", "bx", true},
		{"[a-c]x", "dx", false},
		{"[!a-c]x", "dx", true},
		{"[^a-c]x", "bx", false},
		{"[[:alpha:]]1", "z1", true},
		{"[[:digit:]]1", "z1", false},
		{"[[:alpha:][:digit:]]", "7", true},
		{`[\]]`, "]", true},
		{"[]a]", "]", true},
		{"a[", "a[", true}, // never closed: literal
		{"a[b", "a[b", true},
		{"a[b", "ab", false},
		{"*b[", "aab[", true},
		{`*\`, `a\`, false}, // nothing left to quote
		{"\xff*", "\xff\xfe", true},
		{"?", "é", false}, // two bytes
	}
	for _, tt := range tests {
		if got := codec.Match(tt.pattern, tt.topic); got != tt.want {
			t.Errorf("Match(%q, %q) = %v, want %v", tt.pattern, tt.topic, got, tt.want)
		}
	}
}

func TestIsGlob(t *testing.T) {
	for pattern, want := range map[string]bool{
		"": false, "a.b": false, `a\b`: false, "a]": false, "!a^-": false,
		"*": true, "a?": true, "[": true, `\*`: true,
	} {
		if got := codec.IsGlob(pattern); got != want {
			t.Errorf("IsGlob(%q) = %v, want %v", pattern, got, want)
		}
	}
}

// TestMatchIsFnmatch compares with what the C library said.
func TestMatchIsFnmatch(t *testing.T) {
	data, err := os.ReadFile("testdata/fnmatch.txt")
	if err != nil {
		t.Fatal(err)
	}
	matches, total := 0, 0
	for i, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		want, pattern, topic, err := fnmatchLine(line)
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		if got := codec.Match(pattern, topic); got != want {
			t.Errorf("line %d: Match(%q, %q) = %v, want %v", i+1, pattern, topic, got, want)
		}
		total++
		if want {
			matches++
		}
	}
	if total != 4663 || matches != 1389 {
		t.Errorf("%d lines with %d matches, want 4663 with 1389", total, matches)
	}
}

// fnmatchLine reads a line of the file: 1 "pattern" "topic".
func fnmatchLine(line string) (want bool, pattern, topic string, err error) {
	result, rest, _ := strings.Cut(line, " ")
	if want, err = strconv.ParseBool(result); err != nil {
		return false, "", "", err
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return false, "", "", fmt.Errorf("pattern in %q: %w", rest, err)
	}
	if pattern, err = strconv.Unquote(quoted); err != nil {
		return false, "", "", err
	}
	topic, err = strconv.Unquote(strings.TrimPrefix(rest[len(quoted):], " "))
	return want, pattern, topic, err
}

// Patterns whose naive matching takes exponential time: the test ends.
func TestMatchIsBounded(t *testing.T) {
	long := strings.Repeat("a", 5000)
	for _, pattern := range []string{
		strings.Repeat("*a", 100) + "b",
		strings.Repeat("*", 5000) + "b",
		strings.Repeat("*[a]", 100) + "b",
		strings.Repeat("*?", 100) + "b",
		strings.Repeat("*[", 30),
		"*[" + strings.Repeat("[:", 500),
	} {
		if codec.Match(pattern, long) {
			t.Errorf("Match(%.20q..., 5000 times a) = true", pattern)
		}
	}
}
