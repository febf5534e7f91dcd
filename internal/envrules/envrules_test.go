package envrules

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/internal/jsontree"
	"github.com/google/go-cmp/cmp"
)

var process = []string{"FOO=foo", "FOO2=two", "BAR=bar", "EMPTY=", "broken"}

func apply(rules ...string) (env, expand string, err error) {
	r := &Rules{
		Env:     FromList(process),
		Process: FromList(process),
		Expand:  &jsontree.Object{},
		ReadFile: func(name string) ([]byte, error) {
			switch name {
			case "f":
				return []byte("  -FOO*  \n# comment\n\nA=1\nB=$A-$FOO"), nil
			case "loop":
				return []byte("^loop"), nil
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		},
	}
	err = r.Apply(rules)
	return jsontree.Text(r.Env), jsontree.Text(r.Expand), err
}

func TestApply(t *testing.T) {
	for _, c := range []struct {
		rules  string
		env    string
		expand string
	}{
		{"", `{"FOO":"foo","FOO2":"two","BAR":"bar","EMPTY":""}`, `{}`},
		{"-", `{"FOO":"foo","FOO2":"two","BAR":"bar","EMPTY":""}`, `{}`},
		{"-[!F]* -?OO2", `{"FOO":"foo"}`, `{}`},
		{"-FOO*", `{"BAR":"bar","EMPTY":""}`, `{}`},
		{"-* FOO", `{"FOO":"foo"}`, `{}`},
		{"-* FOO=1 FOO*", `{"FOO":"1","FOO2":"two"}`, `{}`},
		{"-* /.*O/", `{"FOO":"foo","FOO2":"two"}`, `{}`},
		{"-/FO", `{"BAR":"bar","EMPTY":""}`, `{}`},
		{"-* A=${FOO}x$BAR A=$A! B=$$A C=a=b D=", `{"A":"fooxbar!","B":"$A","C":"a=b","D":""}`, `{}`},
		{"-* ^f", `{"A":"1","B":"1-foo"}`, `{}`},
		{"-* A={{id}}-$X", `{}`, `{"A":"{{id}}-$X"}`},
	} {
		env, expand, err := apply(strings.Fields(c.rules)...)
		if err != nil {
			t.Errorf("%s: %v", c.rules, err)
		}
		if diff := cmp.Diff([]string{c.env, c.expand}, []string{env, expand}); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.rules, diff)
		}
	}
}

func TestApplyErrors(t *testing.T) {
	for rule, want := range map[string]string{
		"A=$NO":   "Variable 'NO' not found in A=$NO",
		"A=$":     "Unable to substitute A=$",
		"A=${FOO": "Unable to substitute A=${FOO",
		"A=$1":    "Unable to substitute A=$1",
		"=x":      "names no variable",
		"-/(":     "missing closing",
		"-/(?=x)": "invalid or unsupported",
		"^no":     "file does not exist",
		"^loop":   "deeper than",
	} {
		if _, _, err := apply(rule); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", rule, err, want)
		}
	}
}

func FuzzApply(f *testing.F) {
	for _, s := range []string{"-FOO*", "A=$FOO", "A=${BAR}{{x}}", "^f", "/F.*/", "-[!a", "$", "=", "^loop"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		env, expand, err := apply(first, second)
		if err != nil {
			return
		}
		// AppendString replaces what is not UTF-8, so that the result is JSON in any case.
		for _, text := range []string{env, expand} {
			if _, err := jsontree.ParseMembers([]byte(text)); err != nil {
				t.Fatalf("%q, %q: %s: %v", first, second, text, err)
			}
		}
	})
}
