package joboptions

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// replacements are what stands for the fields in braces of bulksubmit and --cc.
type replacements struct {
	inputs []string       // {}, {0}, {1.%}
	named  map[string]any // {cc}, {seq}: int64 or string
}

// formatted is a line after replacement, and which of its options changed.
type formatted struct {
	*arguments
	changed map[string]bool
}

// mutable are the options with fields, in the order in which they are shown.
var mutable = []struct{ dest, shown string }{
	{"queue", "-q"}, {"bank", "-B"}, {"ntasks", "-n"}, {"nodes", "-N"}, {"cores_per_task", "-c"}, {"gpus_per_task", "-g"},
	{"cores", "--cores="}, {"tasks_per_node", "--tasks-per-node="}, {"tasks_per_core", "--tasks-per-core="},
	{"gpus_per_node", "--gpus-per-node="}, {"time_limit", "-t"}, {"env", "--env="}, {"urgency", "--urgency="},
	{"setopt", "-o "}, {"setattr", "--setattr="}, {"job_name", "--job-name="}, {"input", "--input="}, {"output",
		"--output="},
	{"error", "--error="}, {"cc", "--cc="}, {"bcc", "--bcc="}, {"log", "--log="}, {"log_stderr", "--log-stderr="},
	{"dependency", "--dependency="}, {"taskmap", "--taskmap="}, {"requires", "--requires="}, {"wait", "--wait="},
	{"cwd", "--cwd="}, {"flags", "--flags="}, {"signal", "--signal="},
}

// format replaces the fields in the command and in the options that have them.
func (a *arguments) format(r replacements) (*formatted, error) {
	f := &formatted{a.clone(), map[string]bool{}}
	for i, arg := range f.rest {
		text, err := r.replace(arg)
		if err != nil {
			return nil, fmt.Errorf("Invalid replacement string in command: '%s': %w", arg, err)
		}
		f.rest[i] = text
	}
	for _, m := range mutable {
		if value, ok := f.text[m.dest]; ok {
			text, err := r.replace(value)
			if err != nil {
				return nil, fmt.Errorf("%s%s: %w", m.shown, value, err)
			}
			f.text[m.dest] = text
			f.changed[m.dest] = text != value || m.dest == "cc"
		}
		for i, value := range f.list[m.dest] {
			text, err := r.replace(value)
			if err != nil {
				return nil, fmt.Errorf("%s%s: %w", m.shown, value, err)
			}
			f.list[m.dest][i] = text
			f.changed[m.dest] = f.changed[m.dest] || text != value
		}
	}
	return f, nil
}

// String returns the options that changed and the command.
func (f *formatted) String() string {
	var words []string
	for _, m := range mutable {
		if !f.changed[m.dest] {
			continue
		}
		if value := f.text[m.dest]; value != "" {
			words = append(words, m.shown+value)
		}
		if list := f.list[m.dest]; len(list) > 0 {
			var quoted []string
			for _, v := range list {
				quoted = append(quoted, "'"+v+"'")
			}
			words = append(words, m.shown+"["+strings.Join(quoted, ", ")+"]")
		}
	}
	return strings.Join(append(words, f.rest...), " ")
}

// field is one field in braces: an input by number, or none for the next, or a name; then methods and a width.
var field = regexp.MustCompile(`^([0-9]*|[A-Za-z_][A-Za-z_0-9]*)((?:\.[^.{}:!]+)*)(?::(0?)([0-9]*)([ds]?))?$`)

// replace replaces the fields in a text. Double braces, which the job shell expands, are left as they are.
func (r replacements) replace(text string) (string, error) {
	var out strings.Builder
	next, numbered := 0, false
	for text != "" {
		at := strings.IndexAny(text, "{}")
		if at < 0 {
			break
		}
		out.WriteString(text[:at])
		text = text[at:]
		if strings.HasPrefix(text, "{{") || strings.HasPrefix(text, "}}") {
			out.WriteString(text[:2])
			text = text[2:]
			continue
		}
		end := strings.IndexByte(text, '}')
		if text[0] == '}' || end < 0 {
			return "", fmt.Errorf("single '%c'", text[0])
		}
		m := field.FindStringSubmatch(text[1:end])
		if m == nil {
			return "", fmt.Errorf("the field %s is not known", text[:end+1])
		}
		if m[1] == "" {
			m[1] = strconv.Itoa(next)
			next++
		} else if m[1][0] <= '9' {
			numbered = true
		}
		if numbered && next > 0 {
			return "", fmt.Errorf("fields with and without a number")
		}
		value, err := r.value(m)
		if err != nil {
			return "", fmt.Errorf("the field %s %w", text[:end+1], err)
		}
		out.WriteString(value)
		text = text[end+1:]
	}
	return out.String() + text, nil
}

// value returns what stands for a field.
func (r replacements) value(m []string) (string, error) {
	name, methods, zero, width, kind := m[1], m[2], m[3], m[4], m[5]
	columns, err := strconv.Atoi("0" + width)
	if err != nil || columns > 1000 {
		return "", fmt.Errorf("is too wide")
	}
	if v, ok := r.named[name]; ok {
		n, isNumber := v.(int64)
		if methods != "" || !isNumber && zero+width+kind != "" || kind == "s" {
			return "", fmt.Errorf("has no such form")
		}
		if !isNumber {
			return v.(string), nil
		}
		if zero != "" {
			return fmt.Sprintf("%0*d", columns, n), nil
		}
		return fmt.Sprintf("%*d", columns, n), nil
	}
	i, err := strconv.Atoi(name)
	if err != nil || i >= len(r.inputs) {
		return "", fmt.Errorf("has no input")
	}
	if zero+width+kind != "" {
		return "", fmt.Errorf("has no such form")
	}
	value := r.inputs[i]
	for method := range strings.SplitSeq(strings.TrimPrefix(methods, "."), ".") {
		switch method {
		case "":
		case "%":
			value = withoutExtension(value)
		case "/":
			value = value[strings.LastIndexByte(value, '/')+1:]
		case "//":
			value = directory(value)
		case "/%":
			value = withoutExtension(value)
			value = value[strings.LastIndexByte(value, '/')+1:]
		default:
			return "", fmt.Errorf("names the unknown method '%s'", method)
		}
	}
	return value, nil
}

// withoutExtension drops what follows the last dot of the base name, unless only dots come before it.
func withoutExtension(name string) string {
	base := name[strings.LastIndexByte(name, '/')+1:]
	ext := path.Ext(base)
	if strings.Trim(strings.TrimSuffix(base, ext), ".") == "" {
		return name
	}
	return strings.TrimSuffix(name, ext)
}

// directory returns what comes before the last slash, without slashes at its end unless it is the root.
func directory(name string) string {
	head := name[:strings.LastIndexByte(name, '/')+1]
	if strings.Trim(head, "/") == "" {
		return head
	}
	return strings.TrimRight(head, "/")
}
