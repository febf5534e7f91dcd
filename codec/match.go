package codec

import "strings"

// Match reports whether topic matches pattern by the rules of Flux's message
// dispatcher (flux_msg_handler_create(3)): "" and "*" match every topic, a
// pattern with any of the characters *, ? and [ is a glob as in fnmatch(3) with
// no flags in the C locale, and any other pattern matches only itself.
//
// In a glob, * matches any run of bytes, periods and slashes included; ? any
// one byte; [a-z], [!a-z], [^a-z] and [[:alpha:]] one byte of a set; a
// backslash takes the next byte literally; a [ that is never closed is literal.
func Match(pattern, topic string) bool {
	switch {
	case pattern == "" || pattern == "*":
		return true
	case !IsGlob(pattern):
		return pattern == topic
	}
	return glob(pattern, topic)
}

// IsGlob reports whether the dispatcher takes pattern for a glob rather than
// for a literal topic.
func IsGlob(pattern string) bool { return strings.ContainsAny(pattern, "*?[") }

// glob backtracks to the last star only, so it matches at most
// len(pattern)*len(topic) elements whatever the input.
func glob(pattern, topic string) bool {
	p, t := 0, 0
	starP, starT := -1, 0
	for {
		if p < len(pattern) && pattern[p] == '*' {
			starP, starT = p, t
			p++
			continue
		}
		if t == len(topic) {
			return p == len(pattern)
		}
		if p < len(pattern) {
			if n, ok := matchByte(pattern[p:], topic[t]); ok {
				p += n
				t++
				continue
			}
		}
		if starP < 0 {
			return false
		}
		starT++
		p, t = starP+1, starT
	}
}

// matchByte matches c against the element that pattern, not empty, starts with
// and returns the length of that element.
func matchByte(pattern string, c byte) (n int, ok bool) {
	switch pattern[0] {
	case '?':
		return 1, true
	case '\\':
		if len(pattern) == 1 {
			return 1, false
		}
		return 2, pattern[1] == c
	case '[':
		return matchSet(pattern, c)
	}
	return 1, pattern[0] == c
}

// matchSet matches c against the bracket expression that pattern starts with
// and returns its length. One that is never closed is a literal [; one that is
// malformed in another way matches nothing. As in glibc the members are read up
// to the first that holds c and the rest is only skipped, so that what follows
// that member is judged less strictly.
func matchSet(pattern string, c byte) (n int, ok bool) {
	i := 1
	negate := i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^')
	if negate {
		i++
	}
	for first := true; ; first = false {
		if i == len(pattern) {
			return 1, c == '['
		}
		if pattern[i] == ']' && !first {
			return i + 1, negate
		}
		size, in := matchMember(pattern[i:], c)
		if size == 0 {
			return 0, false
		}
		i += size
		if in {
			break
		}
	}
	for {
		if i == len(pattern) {
			return 1, c == '['
		}
		if pattern[i] == ']' {
			return i + 1, !negate
		}
		size := skipMember(pattern[i:])
		if size == 0 {
			return 0, false
		}
		i += size
	}
}

// matchMember matches c against the member of a set that s starts with and
// returns the length of that member, 0 if it is malformed.
func matchMember(s string, c byte) (size int, in bool) {
	lo, size := s[0], 1
	symbol := false
	switch {
	case s[0] == '\\':
		if len(s) == 1 {
			return 0, false
		}
		lo, size = s[1], 2
	case strings.HasPrefix(s, "[:"):
		if n := classSize(s); n > 0 {
			known, member := class(s[2:n-2], c)
			if !known {
				return 0, false
			}
			return n, member
		}
	case isEquivalence(s):
		return 5, s[2] == c
	case strings.HasPrefix(s, "[."):
		if size = symbolSize(s); size != 5 {
			return 0, false
		}
		lo, symbol = s[2], true
	}
	rest := s[size:]
	switch {
	case rest == "" || rest[0] != '-':
		return size, lo == c
	case len(rest) == 1:
		// No upper bound: malformed, unless its lower bound already holds c.
		if lo == c {
			return size, true
		}
		return 0, false
	case rest[1] == ']':
		// glibc takes the [.a.] of [[.a.]-] for a range and then for nothing.
		return size, lo == c && !symbol
	}
	hi, n := rangeEnd(rest[1:])
	if n == 0 {
		return 0, false
	}
	return size + 1 + n, lo <= c && c <= hi
}

// rangeEnd reads the upper bound of a range and its length, 0 if malformed.
func rangeEnd(s string) (hi byte, size int) {
	switch {
	case strings.HasPrefix(s, "[."):
		if symbolSize(s) != 5 {
			return 0, 0
		}
		return s[2], 5
	case s[0] == '\\':
		if len(s) == 1 {
			return 0, 0
		}
		return s[1], 2
	}
	return s[0], 1
}

// skipMember is the length of the member of a set that s starts with, which
// may be an end of a range or its dash, and 0 if it is malformed.
func skipMember(s string) int {
	switch {
	case s[0] == '\\':
		if len(s) == 1 {
			return 0
		}
		return 2
	case strings.HasPrefix(s, "[:"):
		return max(classSize(s), 1)
	case strings.HasPrefix(s, "[="):
		if !isEquivalence(s) {
			return 0
		}
		return 5
	case strings.HasPrefix(s, "[."):
		return symbolSize(s)
	}
	return 1
}

// classSize is the length of the [:name:] that s starts with, or 0 if the [ is
// no such start. No class has a z in its name, and glibc accepts none.
func classSize(s string) int {
	i := 2
	for i < len(s) && 'a' <= s[i] && s[i] < 'z' {
		i++
	}
	if !strings.HasPrefix(s[i:], ":]") {
		return 0
	}
	return i + 2
}

// isEquivalence reports whether s starts with [=x=].
func isEquivalence(s string) bool {
	return len(s) >= 5 && s[:2] == "[=" && s[3:5] == "=]"
}

// symbolSize is the length of the [.name.] that s starts with, or 0 if it is
// not closed. The C locale has names of one byte only, which makes it 5.
func symbolSize(s string) int {
	end := strings.Index(s[2:], ".]")
	if end < 0 {
		return 0
	}
	return end + 4
}

// class reports whether c is in the named character class of the C locale.
func class(name string, c byte) (known, member bool) {
	lower := 'a' <= c && c <= 'z'
	upper := 'A' <= c && c <= 'Z'
	digit := '0' <= c && c <= '9'
	switch name {
	case "alpha":
		return true, lower || upper
	case "digit":
		return true, digit
	case "alnum":
		return true, lower || upper || digit
	case "upper":
		return true, upper
	case "lower":
		return true, lower
	case "space":
		return true, c == ' ' || '\t' <= c && c <= '\r'
	case "blank":
		return true, c == ' ' || c == '\t'
	case "punct":
		return true, '!' <= c && c <= '~' && !lower && !upper && !digit
	case "print":
		return true, ' ' <= c && c <= '~'
	case "graph":
		return true, '!' <= c && c <= '~'
	case "cntrl":
		return true, c < ' ' || c == 0x7f
	case "xdigit":
		return true, digit || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
	}
	return false, false
}
