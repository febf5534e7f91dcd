package joboptions

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/flux-sdk/flux/internal/jsontree"
)

var intText = regexp.MustCompile(`^[+-]?[0-9]+(?:_[0-9]+)*$`)

// pythonInt reads an integer as the commands do, which are written in Python: with blanks around it and underscores.
func pythonInt(text string) (int, bool) {
	text = strings.TrimSpace(text)
	if !intText.MatchString(text) {
		return 0, false
	}
	n, err := strconv.Atoi(strings.ReplaceAll(text, "_", ""))
	return n, err == nil
}

var (
	floatText   = regexp.MustCompile(`^[+-]?(?:[0-9_]+\.?[0-9_]*|\.[0-9_]+)(?:[eE][+-]?[0-9]+)?$`)
	specialText = regexp.MustCompile(`^(?i)[+-]?(?:inf|infinity|nan)$`)
)

// pythonFloat reads a real as the commands do. The result may be infinite or not a number.
func pythonFloat(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	if !floatText.MatchString(text) && !specialText.MatchString(text) {
		return 0, false
	}
	f, _ := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	return f, true
}

// keyValue reads KEY, KEY=VALUE or ^KEY=FILE. The value is JSON if it parses, else text; 1 stands for none.
func keyValue(label, arg string) (string, any, error) {
	key, value, ok := strings.Cut(arg, "=")
	if name, fromFile := strings.CutPrefix(key, "^"); fromFile {
		if !ok {
			return "", nil, fmt.Errorf("%s: %s needs the name of a file", label, arg)
		}
		content, err := os.ReadFile(value)
		if err != nil {
			return "", nil, openError(value, err)
		}
		tree, err := jsontree.Parse(content)
		if err != nil {
			return "", nil, fmt.Errorf("%s: %s: %w", label, value, err)
		}
		return strings.TrimLeft(name, "^"), tree, nil
	}
	if !ok {
		return key, jsontree.Int(1), nil
	}
	return key, jsonOrText(value), nil
}

func jsonOrText(value string) any {
	tree, err := jsontree.Parse([]byte(value))
	if err != nil {
		return value
	}
	return tree
}

// splitCommas splits each of the values at commas.
func splitCommas(values []string) []string {
	var out []string
	for _, v := range values {
		out = append(out, strings.Split(v, ",")...)
	}
	return out
}
