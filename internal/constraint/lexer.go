package constraint

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SyntaxError tells where an expression stops being one. Its text is that of the Flux commands.
type SyntaxError struct {
	Expr   string // the whole expression
	Offset int    // in bytes, of what is wrong
	Reason string
}

func (e *SyntaxError) Error() string { return e.Reason }

type kind int

const (
	end kind = iota
	or
	and
	not    // the word
	negate // the minus sign before one term
	open
	closing
	term
)

type token struct {
	kind kind
	text string
	at   int
}

// lexer splits an expression into tokens, on demand, so that the first error in reading order is the one reported.
type lexer struct {
	expr string
	at   int
	// pending is a term that ended in a colon: what follows is its value, which may be quoted.
	pending string
	// quote is the quote that is open, or 0, and quotedFrom is the offset after it.
	quote      byte
	quotedFrom int

	parens   int // open minus closed
	lastOpen int // offset of the last opening parenthesis
}

func (l *lexer) fail(at int, format string, args ...any) error {
	return &SyntaxError{Expr: l.expr, Offset: at, Reason: fmt.Sprintf(format, args...)}
}

func (l *lexer) next() (token, error) {
	for l.at < len(l.expr) {
		at := l.at
		if l.quote != 0 {
			if t, ok := l.quoted(); ok {
				return t, nil
			}
			continue
		}
		switch c := l.expr[l.at]; {
		case strings.IndexByte(" \t\r\n\f\v", c) >= 0:
			l.at++
		case c == '\'' || c == '"':
			l.at++
			l.quote, l.quotedFrom = c, l.at
		case c == '-':
			l.at++
			return token{negate, "-", at}, nil
		case c == '(':
			l.at++
			l.parens++
			l.lastOpen = at
			return token{open, "(", at}, nil
		case c == ')':
			l.at++
			l.parens--
			return token{closing, ")", at}, nil
		case c == '&' || c == '|':
			return l.symbol(c), nil
		default:
			t, ok, err := l.word()
			if ok || err != nil {
				return t, err
			}
		}
	}
	switch {
	case l.quote == '\'':
		return token{}, l.fail(l.quotedFrom, `Unclosed quote "'" at position %d`, l.quotedFrom)
	case l.quote != 0:
		return token{}, l.fail(l.quotedFrom, `Unclosed quote '"' at position %d`, l.quotedFrom)
	case l.pending != "":
		return token{}, l.fail(l.at, "Missing argument to token '%s'", l.pending)
	}
	return token{end, "", l.at}, nil
}

// symbol reads one or two of the same sign.
func (l *lexer) symbol(c byte) token {
	at := l.at
	l.at++
	if l.at < len(l.expr) && l.expr[l.at] == c {
		l.at++
	}
	k := and
	if c == '|' {
		k = or
	}
	return token{k, l.expr[at:l.at], at}
}

// quoted reads up to the closing quote, or that quote.
func (l *lexer) quoted() (token, bool) {
	if l.expr[l.at] == l.quote {
		l.at++
		l.quote = 0
		return token{}, false
	}
	at := l.at
	if n := strings.IndexByte(l.expr[at:], l.quote); n >= 0 {
		l.at += n
	} else {
		l.at = len(l.expr)
	}
	return l.term(at)
}

// word reads a term or one of the words and, or, not.
func (l *lexer) word() (token, bool, error) {
	at := l.at
	for _, w := range []struct {
		text string
		kind kind
	}{{"not", not}, {"and", and}, {"or", or}} {
		rest, ok := strings.CutPrefix(l.expr[at:], w.text)
		if r, _ := utf8.DecodeRuneInString(rest); ok && (rest == "" || !isWord(r)) {
			l.at += len(w.text)
			return token{w.kind, w.text, at}, true, nil
		}
	}
	n := strings.IndexFunc(l.expr[at:], func(r rune) bool {
		return strings.ContainsRune(`()|&"'`, r) || isSpace(r)
	})
	switch {
	case n == 0:
		r, _ := utf8.DecodeRuneInString(l.expr[at:])
		return token{}, false, l.fail(at, "Illegal character '%c' at position %d", r, at)
	case n < 0:
		n = len(l.expr) - at
	}
	l.at += n
	t, ok := l.term(at)
	return t, ok, nil
}

// term returns the text from an offset as a term, unless it ends in a colon and so waits for its value.
func (l *lexer) term(at int) (token, bool) {
	text := l.expr[at:l.at]
	if l.pending != "" {
		text, l.pending = l.pending+text, ""
	} else if strings.HasSuffix(text, ":") {
		l.pending = text
		return token{}, false
	}
	return token{term, text, at}, true
}

// isWord tells what may be in an identifier, as a word boundary sees it.
func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }

func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
