package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// document is a Markdown file, as far as the tests need to know one.
type document struct {
	path   string // from the root of the repository
	blocks []block
	lines  []textLine // what is not in a code block
}

// block is a fenced code block.
type block struct {
	lang string // the first word after the fence
	file string // the second: where the block belongs in its program
	line int    // of its first line of code
	text string
}

type textLine struct {
	n    int
	text string
}

// root is the directory of the module, seen from the tests.
const root = ".."

// documents reads all Markdown files of the repository.
func documents(t *testing.T) []*document {
	t.Helper()
	var docs []*document
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch name := d.Name(); {
		case d.IsDir() && (name == "testdata" || name == "tools" || strings.HasPrefix(name, ".") && path != root):
			return filepath.SkipDir
		case !d.IsDir() && filepath.Ext(name) == ".md":
			doc, err := readDocument(path)
			if err != nil {
				return err
			}
			docs = append(docs, doc)
		}
		return nil
	})
	if err != nil || len(docs) == 0 {
		t.Fatalf("%d documents, error %v", len(docs), err)
	}
	return docs
}

func readDocument(path string) (*document, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return nil, err
	}
	doc := &document{path: filepath.ToSlash(rel)}
	var open *block
	for i, line := range strings.Split(string(b), "\n") {
		info, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case open != nil && fence:
			doc.blocks = append(doc.blocks, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		case fence:
			words := append(strings.Fields(info), "", "")
			open = &block{lang: words[0], file: words[1], line: i + 2}
		default:
			doc.lines = append(doc.lines, textLine{i + 1, line})
		}
	}
	return doc, nil
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// spans lists the code spans of a line. In tables they bear escaped bars.
func spans(text string) []string {
	var list []string
	for _, m := range codeSpan.FindAllStringSubmatch(text, -1) {
		list = append(list, strings.ReplaceAll(m[1], `\|`, `|`))
	}
	return list
}

var bar = regexp.MustCompile(`(\\\|)|\|`)

// cells splits a row of a table; nil for any other line.
func cells(text string) []string {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "|") || !strings.HasSuffix(text, "|") || len(text) < 2 {
		return nil
	}
	text = text[1 : len(text)-1]
	var list []string
	from := 0
	for _, at := range bar.FindAllStringSubmatchIndex(text, -1) {
		if at[2] < 0 { // not escaped
			list = append(list, strings.TrimSpace(text[from:at[0]]))
			from = at[1]
		}
	}
	return append(list, strings.TrimSpace(text[from:]))
}

var (
	link    = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`^#+ (.*)$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// links lists the targets of the links of a line, code left out.
func links(text string) []string {
	var list []string
	for _, m := range link.FindAllStringSubmatch(codeSpan.ReplaceAllString(text, "x"), -1) {
		list = append(list, m[1])
	}
	return list
}

// anchors are the fragments that the headings of a document make.
func (d *document) anchors() map[string]bool {
	set := make(map[string]bool)
	for _, l := range d.lines {
		if m := heading.FindStringSubmatch(l.text); m != nil {
			slug := noSlug.ReplaceAllString(strings.ToLower(m[1]), "")
			set[strings.ReplaceAll(slug, " ", "-")] = true
		}
	}
	return set
}
