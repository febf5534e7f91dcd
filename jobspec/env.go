package jobspec

import (
	"fmt"
	"os"
	"strings"

	"github.com/flux-sdk/flux/internal/envrules"
	"github.com/flux-sdk/flux/internal/jsontree"
)

// environment returns the environment for a change, or nil and an error kept.
func (s *Spec) environment(method string) *jsontree.Object {
	v, ok := s.root().Lookup(system("environment")...)
	if !ok {
		env := &jsontree.Object{}
		before := len(s.errs)
		if s.put(method, env, system("environment")); len(s.errs) > before {
			return nil
		}
		return env
	}
	env, ok := v.(*jsontree.Object)
	if !ok {
		s.fail(method, "needs attributes.system.environment to be an object", nil)
		return nil
	}
	return env
}

// Env sets a variable in the environment of the job. The value is taken as it is; see [Spec.EnvExpand].
func (s *Spec) Env(name, value string) *Spec {
	if rule := variableName(name); rule != "" {
		return s.fail("Env", rule, name)
	}
	if err := jsontree.CheckString(value); err != nil {
		return s.fail("Env", fmt.Sprintf("value of %s %v", name, err), nil)
	}
	if env := s.environment("Env"); env != nil {
		env.Set(name, value)
		s.unexpand(name)
	}
	return s
}

// variableName tells what is wrong with the name of a variable.
func variableName(name string) string {
	switch err := jsontree.CheckString(name); {
	case name == "":
		return "name must not be empty"
	case strings.Contains(name, "="):
		return `name must not contain "="`
	case err != nil:
		return "name " + err.Error()
	}
	return ""
}

// UnsetEnv removes variables from the environment of the job.
func (s *Spec) UnsetEnv(names ...string) *Spec {
	if env := s.environment("UnsetEnv"); env != nil {
		for _, name := range names {
			env.Delete(name)
			s.unexpand(name)
		}
	}
	return s
}

// unexpand removes the template of a variable, which the job shell would put over its value.
func (s *Spec) unexpand(name string) {
	if v, _ := s.lookup(option("env-expand")...); v != nil && s.root().Remove(option("env-expand", name)...) {
		if o, ok := v.(*jsontree.Object); ok && o.Len() == 0 {
			s.root().Remove(option("env-expand")...)
		}
	}
}

// ClearEnv empties the environment of the job. What [Spec.Env] sets later is in it. The job shell adds PATH and the
// variables of Flux in any case.
func (s *Spec) ClearEnv() *Spec {
	s.root().Remove(option("env-expand")...)
	return s.put("ClearEnv", &jsontree.Object{}, system("environment"))
}

// Environ replaces the environment of the job by variables in the form of os.Environ.
func (s *Spec) Environ(environ []string) *Spec {
	s.ClearEnv()
	for _, kv := range environ {
		name, value, ok := strings.Cut(kv, "=")
		if !ok {
			s.fail("Environ", `must have the form "NAME=VALUE"`, kv)
			continue
		}
		s.Env(name, value)
	}
	return s
}

// EnvExpand sets a variable to a mustache template, such as "{{id}}" or "{{tmpdir}}/x", that the job shell expands
// when the job starts.
func (s *Spec) EnvExpand(name, template string) *Spec {
	if rule := variableName(name); rule != "" {
		return s.fail("EnvExpand", rule, name)
	}
	return s.putText("EnvExpand", template, option("env-expand", name))
}

// EnvRules changes the environment of the job by rules as those of `flux submit --env`, applied in order to what it
// is:
//
//	-PATTERN    removes the variables that a shell glob, or a /regular expression/ from the start of the name, matches
//	PATTERN     copies those that match from the environment of this process, unless they are there
//	NAME=VALUE  sets one; $VAR and ${VAR} are expanded, from the environment of the job or else of this process, and $$
//	            is a dollar sign; a value with "{{" goes to EnvExpand
//	^FILE       applies the rules in a file, one a line
//
// Regular expressions are those of package regexp.
func (s *Spec) EnvRules(rules ...string) *Spec {
	env := s.environment("EnvRules")
	if env == nil {
		return s
	}
	r := &envrules.Rules{
		Env: env, Process: envrules.FromList(os.Environ()), Expand: &jsontree.Object{},
		ReadFile: envrules.ReadFile,
	}
	if err := r.Apply(rules); err != nil {
		return s.fail("EnvRules", "cannot be applied: "+err.Error(), nil)
	}
	for _, m := range r.Expand.Members() {
		s.EnvExpand(m.Name, m.Value.(string))
	}
	return s
}

// EnvMap returns a copy of the environment of the job. Values that are not strings are left out.
func (s *Spec) EnvMap() map[string]string {
	v, _ := s.lookup(system("environment")...)
	return stringMembers(v)
}

// LookupEnv returns a variable in the environment of the job, and whether it is set.
func (s *Spec) LookupEnv(name string) (string, bool) {
	v, _ := s.lookup(system("environment", name)...)
	text, ok := v.(string)
	return text, ok
}

func stringMembers(v any) map[string]string {
	texts := map[string]string{}
	if o, ok := v.(*jsontree.Object); ok {
		for _, m := range o.Members() {
			if text, ok := m.Value.(string); ok {
				texts[m.Name] = text
			}
		}
	}
	return texts
}
