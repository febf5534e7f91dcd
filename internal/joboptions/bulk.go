package joboptions

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// delimiter separates the command of bulksubmit from inputs.
const delimiter = ":::"

// linesMax bounds the product of inputs, which is kept.
const linesMax = 1 << 20

// bulkLines makes the command lines that bulksubmit submits, one for each combination of inputs.
func bulkLines(a *arguments, host *Host) ([]*arguments, error) {
	if a.list["define"] != nil {
		return nil, errors.New("--define: Python expressions are not supported")
	}
	sep, err := separator(a)
	if err != nil {
		return nil, err
	}
	if len(a.rest) > 0 && a.rest[0] == "--" {
		a.rest = a.rest[1:]
	}
	command, inputs, links, err := splitInputs(a.rest, sep, host)
	if err != nil {
		return nil, err
	}
	if len(command) == 0 {
		command = []string{"{}"}
	}
	if len(inputs) == 0 {
		list, err := readInputs(host.Stdin, sep)
		if err != nil {
			return nil, err
		}
		inputs = [][]string{list}
	}
	combinations, err := product(inputs)
	if err != nil {
		return nil, err
	}
	a.rest = command
	var lines []*arguments
	for i, c := range combinations {
		for _, link := range links {
			at := min(link.index, len(c))
			c = append(c[:at:at], append([]string{link.list[i%len(link.list)]}, c[at:]...)...)
		}
		f, err := a.format(replacements{inputs: c, named: map[string]any{
			"seq": int64(i), "seq1": int64(i + 1), "cc": "{cc}",
		}})
		if err != nil {
			return nil, err
		}
		f.text["line"] = f.String()
		lines = append(lines, f.arguments)
	}
	if len(lines) == 0 {
		return nil, errors.New("no jobs provided for bulk submission")
	}
	return lines, nil
}

// separator returns what separates inputs in a file, or "" for blanks.
func separator(a *arguments) (string, error) {
	sep, given := a.text["sep"]
	switch {
	case !given:
		return "\n", nil
	case strings.EqualFold(sep, "none"):
		return "", nil
	}
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(sep, `"`, `\"`) + `"`)
	if err != nil || text == "" {
		return "", fmt.Errorf("--sep: invalid separator '%s'", sep)
	}
	return text, nil
}

// link is a list of inputs that goes along with the others instead of multiplying them.
type link struct {
	index int
	list  []string
}

// splitInputs splits a command at ":::" and what is like it: "::::" names a file, and "+" after the colons makes a link.
func splitInputs(argv []string, sep string, host *Host) (command []string, inputs [][]string, links []link,
	err error) {
	var marks []string
	lists := [][]string{{}}
	for _, arg := range argv {
		if strings.HasPrefix(arg, delimiter) {
			marks = append(marks, arg)
			lists = append(lists, []string{})
			continue
		}
		lists[len(lists)-1] = append(lists[len(lists)-1], arg)
	}
	command, lists = lists[0], lists[1:]
	for i, list := range lists {
		switch mark := strings.TrimPrefix(marks[i], delimiter); mark {
		case "", "+":
		case ":", ":+":
			if len(list) != 1 {
				return nil, nil, nil, fmt.Errorf("expected one file after %s", marks[i])
			}
			if list, err = fileInputs(list[0], sep, host); err != nil {
				return nil, nil, nil, err
			}
		default:
			return nil, nil, nil, fmt.Errorf("unknown separator '%s'", marks[i])
		}
		switch {
		case strings.HasSuffix(marks[i], "+") && len(list) > 0:
			links = append(links, link{i, list})
		case len(list) > 0:
			inputs = append(inputs, list)
		}
	}
	return command, inputs, links, nil
}

func fileInputs(name, sep string, host *Host) ([]string, error) {
	if name == "-" {
		return readInputs(host.Stdin, sep)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, openError(name, err)
	}
	defer f.Close()
	return readInputs(f, sep)
}

// readInputs splits a text at a separator and leaves out what is empty.
func readInputs(r io.Reader, sep string) ([]string, error) {
	if r == nil {
		return nil, nil
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if sep == "" {
		return strings.Fields(string(text)), nil
	}
	var list []string
	for part := range strings.SplitSeq(string(text), sep) {
		if part != "" {
			list = append(list, part)
		}
	}
	return list, nil
}

// product returns all combinations of one of each list.
func product(lists [][]string) ([][]string, error) {
	total := 1
	for _, l := range lists {
		if total *= len(l); total > linesMax {
			return nil, fmt.Errorf("more than %d combinations of inputs", linesMax)
		}
	}
	combinations := make([][]string, 0, total)
	for i := range total {
		c := make([]string, len(lists))
		for j := len(lists) - 1; j >= 0; j-- {
			c[j] = lists[j][i%len(lists[j])]
			i /= len(lists[j])
		}
		combinations = append(combinations, c)
	}
	return combinations, nil
}
