package jobspec

import (
	"fmt"
	"regexp"
	"strings"
)

// Directive is one line of a script, or a few that a quote holds together, that sets options for `flux batch` (RFC
// 36).
type Directive struct {
	Line int      // of the script, from 1
	Args []string // the options, such as "-N2", "--queue=debug"
}

// sentinel is how a line with a directive begins: no letters or digits, and the word.
var sentinel = regexp.MustCompile(`^([^\pL\pN_]*)((?:flux|FLUX):)(.*)$`)

// Directives returns the directives in a script, as `flux batch` reads them. They are not applied to anything. Lines
// that are comments after the sentinel are left out.
//
// Directives stand together at the top: one after another line of the script is an error, and so is a second
// spelling of the sentinel and, unlike in Flux, a triple quote that is open at the end. The error begins with the
// number of the line and has the words of `flux batch`; the caller adds the name of the script.
func Directives(script string) ([]Directive, error) {
	r := &directiveReader{}
	number := 0
	for line := range strings.Lines(script) {
		number++
		if err := r.line(number, strings.TrimSuffix(line, "\n")); err != nil {
			return nil, err
		}
	}
	if q := r.quote; q != nil {
		return nil, fmt.Errorf("line %d: unterminated multi-line quote at line %d: `%s'", number, q.line, q.start)
	}
	return r.found, nil
}

type directiveReader struct {
	found        []Directive
	prefix, full string // of the first sentinel
	started      bool
	lastLine     int // after which directives are disabled, or 0
	quote        *tripleQuote
}

func (r *directiveReader) line(number int, line string) error {
	m := sentinel.FindStringSubmatch(line)
	if m == nil {
		return r.other(number, line)
	}
	r.started = true
	prefix, tag := m[1], m[2]
	if r.lastLine > 0 {
		return fmt.Errorf("line %d: orphan '%s' detected: directives disabled after line %d", number, tag, r.lastLine)
	}
	value, err := quoteTriple(m[3])
	if err != nil {
		return fmt.Errorf("line %d: %w", number, err)
	}
	if r.full == "" {
		r.prefix, r.full = prefix, prefix+tag
	} else if r.full != prefix+tag {
		return fmt.Errorf("line %d: sentinel changed from '%s' to '%s': all directives in a file must use the same "+
			"sentinel (to disable one, put a comment character after the sentinel)", number, r.full, prefix+tag)
	}
	switch {
	case strings.HasSuffix(value, `"""`) || strings.HasSuffix(value, `'''`):
		return r.triple(number, value)
	case r.quote != nil:
		r.quote.add(value)
		return nil
	case value != "":
		return r.add(number, value)
	}
	return nil
}

// other handles a line without a directive.
func (r *directiveReader) other(number int, line string) error {
	if r.quote != nil {
		return fmt.Errorf("line %d: unterminated multi-line quote at line %d: `%s'", number, r.quote.line, r.quote.start)
	}
	comment := strings.HasPrefix(line, strings.TrimRight(r.prefix, " \t\r\n\f\v"))
	if r.started && r.lastLine == 0 && !comment && strings.TrimSpace(line) != "" {
		r.lastLine = number - 1
	}
	return nil
}

func (r *directiveReader) add(number int, value string) error {
	args, err := splitWords(value)
	switch {
	case err != nil:
		return fmt.Errorf("line %d: %s: %w", number, value, err)
	case len(args) == 0:
		return nil
	case !strings.HasPrefix(args[0], "-"):
		return fmt.Errorf("line %d: Unknown directive: %s", number, value)
	}
	r.found = append(r.found, Directive{Line: number, Args: args})
	return nil
}

// tripleQuote collects the lines of a quote that began with three quote characters at the end of a line.
type tripleQuote struct {
	mark, indent, start string
	line                int
	lines               []string
}

func (q *tripleQuote) add(value string) {
	q.lines = append(q.lines, strings.TrimPrefix(value, q.indent))
}

// triple handles a line that ends in three quote characters.
func (r *directiveReader) triple(number int, value string) error {
	text, mark := value[:len(value)-3], value[len(value)-3:]
	switch q := r.quote; {
	case q == nil:
		start := strings.TrimLeft(value, " \t")
		r.quote = &tripleQuote{mark: mark, start: start, line: number, indent: value[:len(value)-len(start)]}
		r.quote.add(text)
	case q.mark != mark:
		q.add(value)
	default:
		q.add(text)
		r.quote = nil
		joined := q.lines[0] + quoteWord(strings.Join(q.lines[1:], "\n"))
		if strings.Contains(joined, q.mark) {
			return fmt.Errorf("line %d: improperly terminated triple quoted string at: `%s'", number, q.start)
		}
		return r.add(q.line, joined)
	}
	return nil
}

// quoteTriple replaces what is in triple quotes on one line by a shell word.
func quoteTriple(value string) (string, error) {
	pairs := func(mark string) bool {
		n := strings.Count(value, mark)
		return n > 0 && n%2 == 0
	}
	if !pairs(`"""`) && !pairs(`'''`) {
		if i := indexTriple(value); i >= 0 && i+3 < len(value) {
			return "", fmt.Errorf("unclosed triple quote: %s", strings.TrimSpace(value))
		}
		return value, nil
	}
	var out strings.Builder
	for i := 0; i < len(value); {
		if isTriple(value[i:]) {
			mark, rest := value[i:i+3], value[i+3:]
			if end := strings.LastIndex(rest, mark); end >= 0 {
				out.WriteString(quoteWord(rest[:end]))
				i += 3 + end + 3
				continue
			}
		}
		out.WriteByte(value[i])
		i++
	}
	return out.String(), nil
}

// isTriple tells whether text begins with three quote characters, of whatever kind.
func isTriple(text string) bool { return len(text) >= 3 && strings.Trim(text[:3], `"'`) == "" }

func indexTriple(text string) int {
	for i := range len(text) {
		if isTriple(text[i:]) {
			return i
		}
	}
	return -1
}
