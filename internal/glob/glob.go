// Package glob matches names with the shell patterns of glob(7), as the Flux commands do for environment variables
// and resource limits.
package glob

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// Compile returns a pattern as a regular expression for whole names. "*" stands for any text, "?" for one character,
// "[a-c]" for one of a set and "[!a-c]" for one that is not in it. A bracket without end stands for itself.
func Compile(pattern string) *regexp.Regexp {
	var re strings.Builder
	re.WriteString(`(?s)\A`)
	for i := 0; i < len(pattern); {
		r, n := utf8.DecodeRuneInString(pattern[i:])
		i += n
		switch r {
		case '*':
			re.WriteString(".*")
		case '?':
			re.WriteString(".")
		case '[':
			if set, end, ok := class(pattern[i:]); ok {
				re.WriteString(set)
				i += end
				continue
			}
			fallthrough
		default:
			re.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	re.WriteString(`\z`)
	return regexp.MustCompile(re.String())
}

// class translates what follows an opening bracket and returns the length of it, the closing bracket included.
func class(s string) (re string, length int, ok bool) {
	negated := strings.HasPrefix(s, "!")
	from := 0
	if negated {
		from = 1
	}
	// A closing bracket in the first place belongs to the set.
	first := min(from+1, len(s))
	end := strings.IndexByte(s[first:], ']')
	if end < 0 {
		return "", 0, false
	}
	end += first
	members := []rune(s[from:end])
	var set strings.Builder
	for i := 0; i < len(members); i++ {
		lo, hi := members[i], members[i]
		if i+2 < len(members) && members[i+1] == '-' {
			hi = members[i+2]
			i += 2
		}
		if lo <= hi {
			set.WriteString(quoteInSet(lo) + "-" + quoteInSet(hi))
		}
	}
	switch {
	case set.Len() == 0 && negated:
		re = "."
	case set.Len() == 0:
		re = `[^\x{0}-\x{10FFFF}]`
	case negated:
		re = "[^" + set.String() + "]"
	default:
		re = "[" + set.String() + "]"
	}
	return re, end + 1, true
}

func quoteInSet(r rune) string {
	if strings.ContainsRune(`\]^-[`, r) {
		return `\` + string(r)
	}
	return string(r)
}
