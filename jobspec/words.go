package jobspec

import (
	"errors"
	"regexp"
	"strings"
)

// splitWords splits a line into words by the rules of a POSIX shell, as far as directives (RFC 36) have them: single
// and double quotes, a backslash, and comments from "#" on. Within either kind of quote a backslash stands for
// itself unless a quote of that kind or a backslash follows. Operators of the shell are words of their own.
func splitWords(text string) ([]string, error) {
	w := &wordSplitter{rest: []rune(text)}
	for len(w.rest) > 0 {
		if err := w.next(); err != nil {
			return nil, err
		}
	}
	w.end()
	return w.words, nil
}

const (
	wordSpace    = " \t\r\n"
	wordOperator = "();<>|&"
	wordQuote    = `"'`
)

type wordSplitter struct {
	rest     []rune
	words    []string
	word     strings.Builder
	started  bool // there is a word, which may be empty because of quotes
	operator bool // the word is an operator
}

func (w *wordSplitter) end() {
	if w.started {
		w.words = append(w.words, w.word.String())
		w.word.Reset()
	}
	w.started, w.operator = false, false
}

func (w *wordSplitter) add(r rune, operator bool) {
	if w.operator != operator {
		w.end()
	}
	w.started, w.operator = true, operator
	w.word.WriteRune(r)
}

func (w *wordSplitter) next() error {
	r := w.rest[0]
	w.rest = w.rest[1:]
	switch {
	case strings.ContainsRune(wordSpace, r):
		w.end()
	case r == '#':
		w.end()
		for len(w.rest) > 0 && w.rest[0] != '\n' {
			w.rest = w.rest[1:]
		}
	case strings.ContainsRune(wordOperator, r):
		w.add(r, true)
	case strings.ContainsRune(wordQuote, r):
		return w.quoted(r)
	case r == '\\':
		if len(w.rest) == 0 {
			return errors.New("No escaped character")
		}
		w.add(w.rest[0], false)
		w.rest = w.rest[1:]
	default:
		w.add(r, false)
	}
	return nil
}

// quoted reads up to the closing quote.
func (w *wordSplitter) quoted(quote rune) error {
	if w.operator {
		w.end()
	}
	w.started = true
	for len(w.rest) > 0 {
		r := w.rest[0]
		w.rest = w.rest[1:]
		switch {
		case r == quote:
			return nil
		case r == '\\' && len(w.rest) == 0:
			return errors.New("No escaped character")
		case r == '\\':
			if w.rest[0] != quote && w.rest[0] != '\\' {
				w.word.WriteRune(r)
			}
			w.word.WriteRune(w.rest[0])
			w.rest = w.rest[1:]
		default:
			w.word.WriteRune(r)
		}
	}
	return errors.New("No closing quotation")
}

// plainWord is what needs no quotes.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// quoteWord returns text as one word for splitWords.
func quoteWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'"'"'`) + "'"
}
