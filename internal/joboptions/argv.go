package joboptions

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// arguments are the values that a command line gave.
type arguments struct {
	command string
	text    map[string]string   // values of text, integer and optional options that were given
	list    map[string][]string // values of repeated options
	count   map[string]int      // how often flags and counted options were given
	rest    []string            // what follows the options
}

func newArguments(command string) *arguments {
	return &arguments{command: command, text: map[string]string{}, list: map[string][]string{}, count: map[string]int{}}
}

func (a *arguments) clone() *arguments {
	c := *a
	c.text, c.count, c.rest = maps.Clone(a.text), maps.Clone(a.count), slices.Clone(a.rest)
	c.list = map[string][]string{}
	for dest, values := range a.list {
		c.list[dest] = slices.Clone(values)
	}
	return &c
}

func (a *arguments) has(dest string) bool {
	_, ok := a.text[dest]
	return ok
}

func (a *arguments) set(flag string) bool { return a.count[flag] > 0 }

var negativeNumber = regexp.MustCompile(`^-\d+$|^-\d*\.\d+$`)

// parse adds the options in argv, up to the first argument that is none, to what a has.
func (a *arguments) parse(argv []string) error {
	p := &parser{arguments: a, options: optionsOf[a.command], argv: argv}
	a.rest = nil
	for p.at < len(argv) {
		arg := argv[p.at]
		if len(arg) < 2 || arg[0] != '-' || arg == "--" || negativeNumber.MatchString(arg) {
			break
		}
		p.at++
		if err := p.one(arg); err != nil {
			return err
		}
	}
	a.rest = slices.Clone(argv[p.at:])
	if len(p.unknown) > 0 {
		return a.usage("unrecognized arguments: " + strings.Join(p.unknown, " "))
	}
	return nil
}

func (a *arguments) usage(text string) error { return &UsageError{Command: a.command, Text: text} }

type parser struct {
	*arguments
	options []option
	argv    []string
	at      int
	unknown []string
}

// find returns the option that has exactly this name, with its hyphens.
func (p *parser) find(name string) *option {
	for i := range p.options {
		o := &p.options[i]
		if long, ok := strings.CutPrefix(name, "--"); ok && slices.Contains(o.long, long) {
			return o
		}
		if len(name) == 2 && o.short == name[1] && o.short != 0 {
			return o
		}
	}
	return nil
}

// one handles an argument that begins with a hyphen.
func (p *parser) one(arg string) error {
	if o := p.find(arg); o != nil {
		return p.separate(o)
	}
	if name, value, ok := strings.Cut(arg, "="); ok {
		if o := p.find(name); o != nil {
			return p.attached(o, value)
		}
	}
	if strings.HasPrefix(arg, "--") {
		p.unknown = append(p.unknown, arg)
		return nil
	}
	// Short options may stand together, the last of them with its value.
	for i, rest := 0, arg[1:]; ; i, rest = i+1, rest[1:] {
		o := p.find("-" + rest[:1])
		switch {
		case o == nil && i == 0:
			p.unknown = append(p.unknown, arg)
			return nil
		case o == nil:
			previous := p.find("-" + arg[i:i+1])
			return p.usage(previous.label() + ": ignored explicit argument '" + rest + "'")
		case len(rest) == 1 && o.takesValue():
			return p.usage(o.label() + ": expected one argument")
		case len(rest) == 1:
			return p.store(o, "")
		case o.takesValue():
			return p.store(o, rest[1:])
		}
		if err := p.store(o, ""); err != nil {
			return err
		}
	}
}

func (o *option) takesValue() bool { return o.kind != flag && o.kind != counted }

// label names an option in an error.
func (o *option) label() string {
	names := "--" + strings.Join(o.long, "/--")
	if o.short != 0 {
		names = "-" + string(o.short) + "/" + names
	}
	return "argument " + names
}

// attached handles an option with a value after an equals sign.
func (p *parser) attached(o *option, value string) error {
	if !o.takesValue() {
		return p.usage(o.label() + ": ignored explicit argument '" + value + "'")
	}
	return p.store(o, value)
}

// separate handles an option whose value, if any, is the next argument.
func (p *parser) separate(o *option) error {
	if !o.takesValue() {
		return p.store(o, "")
	}
	next := p.at < len(p.argv) && !p.looksLikeOption(p.argv[p.at])
	switch {
	case next:
		p.at++
		return p.store(o, p.argv[p.at-1])
	case o.kind == optional:
		return p.store(o, optionalDefault[o.dest])
	}
	return p.usage(o.label() + ": expected one argument")
}

// looksLikeOption tells whether an argument is an option rather than a value.
func (p *parser) looksLikeOption(arg string) bool {
	if len(arg) < 2 || arg[0] != '-' {
		return false
	}
	name, _, _ := strings.Cut(arg, "=")
	known := p.find(arg) != nil || p.find(name) != nil || arg[1] != '-' && p.find(arg[:2]) != nil
	return arg == "--" || known || !negativeNumber.MatchString(arg) && !strings.Contains(arg, " ")
}

// store keeps a value.
func (p *parser) store(o *option, value string) error {
	switch o.kind {
	case flag, counted:
		p.count[o.dest]++
	case repeated:
		p.list[o.dest] = append(p.list[o.dest], o.prefix+value)
	case integer:
		if _, ok := pythonInt(value); !ok {
			return p.usage(o.label() + ": invalid int value: '" + value + "'")
		}
		p.text[o.dest] = value
	default:
		p.text[o.dest] = value
	}
	return nil
}
