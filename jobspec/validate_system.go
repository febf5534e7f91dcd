package jobspec

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/flux-sdk/flux/internal/jsontree"
)

func (v *validator) attributes(value any) {
	o, ok := v.object("attributes", value)
	if !ok {
		return
	}
	for _, m := range o.Members() {
		if m.Name != "system" && m.Name != "user" {
			v.bad(below("attributes", m.Name), "is not a section of attributes (system, user)", m.Value)
		}
	}
	if system, ok := v.required(o, "attributes", "system"); ok {
		v.system("attributes.system", system)
	}
}

func (v *validator) system(path string, value any) {
	o, ok := v.object(path, value)
	if !ok {
		return
	}
	if value, ok := v.required(o, path, "duration"); ok {
		if _, isNumber := value.(json.Number); !isNumber {
			v.bad(below(path, "duration"), "must be a number of seconds", value)
		} else if f, ok := finite(value); ok && f < 0 {
			v.bad(below(path, "duration"), "must not be negative", value)
		}
	}
	v.optionalText(o, path, "cwd", "queue", "bank", "project")
	for _, name := range []string{"cwd", "queue"} {
		if value, _ := o.Get(name); value == "" {
			v.bad(below(path, name), "must not be empty", value)
		}
	}
	for _, m := range o.Members() {
		path := below(path, m.Name)
		switch m.Name {
		case "environment":
			v.environment(path, m.Value)
		case "dependencies":
			v.dependencies(path, m.Value)
		case "constraints":
			v.constraint(path, m.Value)
		case "shell":
			v.shell(path, m.Value)
		case "files":
			v.files(path, m.Value)
		case "job":
			v.job(path, m.Value)
		}
	}
}

func (v *validator) job(path string, value any) {
	if o, ok := v.object(path, value); ok {
		v.optionalText(o, path, "name")
	}
}

func (v *validator) environment(path string, value any) {
	o, ok := v.object(path, value)
	if !ok {
		return
	}
	for _, m := range o.Members() {
		if m.Name == "" || strings.Contains(m.Name, "=") {
			v.bad(below(path, m.Name), "must have a name without \"=\"", m.Name)
		}
		// The job shell leaves out what is not a string and reports no error.
		v.str(below(path, m.Name), m.Value)
	}
}

func (v *validator) dependencies(path string, value any) {
	list, ok := v.array(path, value)
	if !ok {
		return
	}
	for i, e := range list {
		path := element(path, i)
		o, ok := v.object(path, e)
		if !ok {
			continue
		}
		scheme, value := "", ""
		if s, found := v.required(o, path, "scheme"); found {
			scheme, ok = v.str(below(path, "scheme"), s)
		} else {
			ok = false
		}
		if s, found := v.required(o, path, "value"); found {
			var isText bool
			value, isText = v.str(below(path, "value"), s)
			ok = ok && isText
		} else {
			ok = false
		}
		if ok {
			v.dependency(path, scheme, value)
		}
	}
}

func (v *validator) dependency(path, scheme, value string) {
	switch scheme {
	case "":
		v.bad(below(path, "scheme"), "must not be empty", scheme)
	case "begin-time":
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || !(f >= 0) || f > 1e300 {
			v.bad(below(path, "value"), "must be seconds since 1970", value)
		}
	case "after", "afterstart", "afterany", "afterok", "afternotok":
		if !isJobID(value) {
			v.bad(below(path, "value"), "must be a job id over 0", value)
		}
	}
}

func (v *validator) shell(path string, value any) {
	o, ok := v.object(path, value)
	if !ok {
		return
	}
	value, ok = o.Get("options")
	if !ok {
		return
	}
	path = below(path, "options")
	options, ok := v.object(path, value)
	if !ok {
		return
	}
	if value, ok := options.Get("per-resource"); ok {
		v.perResource(below(path, "per-resource"), value)
	}
	if value, ok := options.Get("rlimit"); ok {
		v.rlimit(below(path, "rlimit"), value)
	}
	if value, ok := options.Get("env-expand"); ok {
		path := below(path, "env-expand")
		if o, ok := v.object(path, value); ok {
			for _, m := range o.Members() {
				v.str(below(path, m.Name), m.Value)
			}
		}
	}
}

func (v *validator) perResource(path string, value any) {
	o, ok := v.object(path, value)
	if !ok {
		return
	}
	if kind, ok := v.required(o, path, "type"); ok && kind != "node" && kind != "core" {
		v.bad(below(path, "type"), `must be "node" or "core"`, kind)
	}
	if count, ok := o.Get("count"); ok {
		v.count(below(path, "count"), count)
	}
}

func (v *validator) rlimit(path string, value any) {
	o, ok := v.object(path, value)
	if !ok {
		return
	}
	for _, m := range o.Members() {
		if !knownLimit(m.Name) {
			v.bad(below(path, m.Name), "is not a resource limit that the job shell knows", m.Value)
		}
		if n, ok := m.Value.(json.Number); !ok || !isInteger(n) {
			v.bad(below(path, m.Name), "must be an integer", m.Value)
		}
	}
}

func (v *validator) files(path string, value any) {
	o, ok := v.object(path, value)
	if !ok {
		return
	}
	for _, m := range o.Members() {
		path := below(path, m.Name)
		if rule := fileName(m.Name); rule != "" {
			v.bad(path, rule, m.Name)
		}
		if file, ok := v.object(path, m.Value); ok {
			v.file(path, file)
		}
	}
}

// file checks one file (RFC 37).
func (v *validator) file(path string, file *jsontree.Object) {
	value, ok := v.required(file, path, "mode")
	if ok {
		mode, isInt := smallInt(value)
		kind := mode & modeType
		if !isInt || mode < 0 || kind != modeRegular && kind != modeDir && kind != modeSymlink {
			v.bad(below(path, "mode"), "must be the mode of a file, a directory or a symbolic link", value)
		}
	}
	for _, name := range []string{"size", "mtime", "ctime"} {
		if value, ok := file.Get(name); ok {
			if n, ok := value.(json.Number); !ok || !isInteger(n) {
				v.bad(below(path, name), "must be an integer", value)
			}
		}
	}
	encoding, encoded := file.Get("encoding")
	if !encoded {
		return
	}
	data, _ := file.Get("data")
	switch encoding {
	case "utf-8":
		v.str(below(path, "data"), data)
	case "base64":
		text, ok := v.str(below(path, "data"), data)
		if !ok {
			return
		}
		if _, err := base64.StdEncoding.DecodeString(text); err != nil {
			v.bad(below(path, "data"), "must be base64", data)
		}
	case "blobvec":
		v.array(below(path, "data"), data)
	default:
		v.bad(below(path, "encoding"), `must be "utf-8", "base64" or "blobvec"`, encoding)
	}
}

// constraint checks a constraint object (RFC 31). What it refuses ends an instance once the scheduler meets it, or is
// taken for something else: the scheduler looks at one member of an object, and at one value of "not".
func (v *validator) constraint(path string, value any) {
	o, ok := v.object(path, value)
	if !ok {
		return
	}
	if o.Len() != 1 {
		v.bad(path, "must have one member, an operator (without constraints, leave it out)", value)
		return
	}
	m := o.Members()[0]
	path = below(path, m.Name)
	args, ok := v.array(path, m.Value)
	if !ok {
		return
	}
	check := v.constraint
	switch m.Name {
	case "and", "or":
	case "not":
		if len(args) != 1 {
			v.bad(path, "must have one value", m.Value)
		}
	case "properties":
		check = v.property
	case "hostlist":
		check = v.hostlist
	case "ranks":
		check = v.ranks
	default:
		v.bad(path, "is not an operator (and, or, not, properties, hostlist, ranks)", m.Value)
		return
	}
	for i, a := range args {
		check(element(path, i), a)
	}
}

func (v *validator) property(path string, value any) {
	name, ok := v.str(path, value)
	if ok && (name == "" || strings.ContainsAny(name, "&'\"`|()")) {
		v.bad(path, fmt.Sprintf("must be a name without any of %s", "&'\"`|()"), value)
	}
}

func (v *validator) hostlist(path string, value any) {
	if text, ok := v.str(path, value); ok {
		if err := checkHostlist(text); err != nil {
			v.bad(path, "must be a hostlist: "+err.Error(), value)
		}
	}
}

func (v *validator) ranks(path string, value any) {
	if text, ok := v.str(path, value); ok {
		if err := checkRanks(text); err != nil {
			v.bad(path, "must be an idset: "+err.Error(), value)
		}
	}
}
