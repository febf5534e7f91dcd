// Package envrules applies the rules of `flux submit --env` to an environment.
package envrules

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/jsontree"
)

// maxFiles is how deep files of rules may name further files. It ends a file that names itself.
const maxFiles = 32

// FromList returns variables in the form of os.Environ as an object. Entries without a name are left out.
func FromList(environ []string) *jsontree.Object {
	o := &jsontree.Object{}
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok && name != "" {
			o.Set(name, value)
		}
	}
	return o
}

// Rules changes an environment by rules that may look at a second one, that of the submitting process.
type Rules struct {
	Env     *jsontree.Object // is changed; its values are strings
	Process *jsontree.Object // is read
	Expand  *jsontree.Object // receives the variables that the job shell expands (mustache templates)

	ReadFile func(name string) ([]byte, error)
}

// ReadFile reads a file, in the home directory if its name begins with "~/".
func ReadFile(name string) ([]byte, error) {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		name = filepath.Join(home, rest)
	}
	return os.ReadFile(name)
}

// Apply applies rules in order:
//
//	-PATTERN    removes what a glob, or a /regular expression/ from the start of the name, matches
//	^FILE       applies the rules in a file, one a line
//	PATTERN     copies what matches from the process, unless it is there
//	NAME=VALUE  sets a variable; $VAR and ${VAR} are expanded, $$ is a dollar sign, and a value with "{{" is left for
//	            the job shell to expand
func (r *Rules) Apply(rules []string) error { return r.apply(rules, 0) }

func (r *Rules) apply(rules []string, depth int) error {
	for _, rule := range rules {
		if err := r.one(rule, depth); err != nil {
			return err
		}
	}
	return nil
}

func (r *Rules) one(rule string, depth int) error {
	if pattern, ok := strings.CutPrefix(rule, "-"); ok {
		matches, err := matcher(pattern)
		if err != nil {
			return err
		}
		// What is removed is listed first, because a removal moves the members.
		var remove []string
		for _, m := range r.Env.Members() {
			if matches(m.Name) {
				remove = append(remove, m.Name)
			}
		}
		for _, name := range remove {
			r.Env.Delete(name)
		}
		return nil
	}
	if file, ok := strings.CutPrefix(rule, "^"); ok {
		if depth == maxFiles {
			return fmt.Errorf("%s: files of rules name each other deeper than %d", file, maxFiles)
		}
		text, err := r.ReadFile(file)
		if err != nil {
			return err
		}
		var rules []string
		for line := range strings.Lines(string(text)) {
			rules = append(rules, strings.TrimSpace(line))
		}
		return r.apply(rules, depth+1)
	}
	name, value, assigned := strings.Cut(rule, "=")
	switch {
	case !assigned:
		matches, err := matcher(name)
		if err != nil {
			return err
		}
		for _, m := range r.Process.Members() {
			if _, ok := r.Env.Get(m.Name); !ok && matches(m.Name) {
				r.Env.Set(m.Name, m.Value)
			}
		}
		return nil
	case name == "":
		return fmt.Errorf("the rule %q names no variable", rule)
	case strings.Contains(value, "{{"):
		r.Expand.Set(name, value)
		return nil
	}
	value, err := r.substitute(rule, value)
	if err == nil {
		r.Env.Set(name, value)
	}
	return err
}

// MatchGlob reports whether a name matches a glob, by the rules of [codec.Match] except that the empty pattern matches
// the empty name only. The Flux commands match by the rules of Python, where [^a] and a backslash have no meaning of
// their own.
func MatchGlob(pattern, name string) bool {
	if pattern == "" {
		return name == ""
	}
	return codec.Match(pattern, name)
}

// matcher returns a function that matches names with a pattern, which is a glob unless it begins with a slash.
func matcher(pattern string) (func(name string) bool, error) {
	expr, isExpr := strings.CutPrefix(pattern, "/")
	if !isExpr {
		return func(name string) bool { return MatchGlob(pattern, name) }, nil
	}
	re, err := regexp.Compile(`\A(?:` + strings.TrimRight(expr, "/") + `)`)
	if err != nil {
		return nil, fmt.Errorf("the pattern %q: %w", pattern, err)
	}
	return re.MatchString, nil
}

var variable = regexp.MustCompile(`\$(?:(\$)|([_A-Za-z][_A-Za-z0-9]*)|\{([_A-Za-z][_A-Za-z0-9]*)\}|)`)

func (r *Rules) substitute(rule, value string) (string, error) {
	var out strings.Builder
	from := 0
	for _, at := range variable.FindAllStringSubmatchIndex(value, -1) {
		out.WriteString(value[from:at[0]])
		from = at[1]
		if at[2] >= 0 {
			out.WriteByte('$')
			continue
		}
		var name string
		switch {
		case at[4] >= 0:
			name = value[at[4]:at[5]]
		case at[6] >= 0:
			name = value[at[6]:at[7]]
		default:
			return "", fmt.Errorf("Unable to substitute %s", rule)
		}
		v, ok := r.Env.Get(name)
		if !ok {
			if v, ok = r.Process.Get(name); !ok {
				return "", fmt.Errorf("Variable '%s' not found in %s", name, rule)
			}
		}
		text, ok := v.(string)
		if !ok {
			return "", fmt.Errorf("Variable '%s' in %s is no string", name, rule)
		}
		out.WriteString(text)
	}
	return out.String() + value[from:], nil
}
