package glob

import "testing"

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes     []string
		no      []string
	}{
		{"FOO", []string{"FOO"}, []string{"foo", "FOO2", "AFOO", ""}},
		{"FOO*", []string{"FOO", "FOO2", "FOO\n"}, []string{"AFOO"}},
		{"?", []string{"a", "é"}, []string{"", "ab"}},
		{"[a-c]x", []string{"ax", "cx"}, []string{"dx", "x", "-x"}},
		{"[!a-c]", []string{"d", "-", "!"}, []string{"a", ""}},
		{"[]]", []string{"]"}, []string{"[", ""}},
		{"[!]]", []string{"["}, []string{"]"}},
		{"[a", []string{"[a"}, []string{"a"}},
		{"[", []string{"["}, []string{""}},
		{"[!", []string{"[!"}, []string{"a"}},
		{"[a-]", []string{"a", "-"}, []string{"b"}},
		{"[^a]", []string{"^", "a"}, []string{"b"}},
		{"[c-a]", nil, []string{"a", "b", "c", "-"}},
		{"[!c-a]", []string{"b"}, []string{""}},
		{`[\w]`, []string{`\`, "w"}, []string{"a"}},
		{"a.b+(", []string{"a.b+("}, []string{"axb+("}},
		{"", []string{""}, []string{"a"}},
	} {
		re := Compile(c.pattern)
		for _, s := range c.yes {
			if !re.MatchString(s) {
				t.Errorf("%q does not match %q", c.pattern, s)
			}
		}
		for _, s := range c.no {
			if re.MatchString(s) {
				t.Errorf("%q matches %q", c.pattern, s)
			}
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{"a*", "[a-c]", "[!]", "[[]", "[]-a]", `[\]`, "[^]", "\xff[\xff]"} {
		f.Add(s, s)
	}
	f.Fuzz(func(_ *testing.T, pattern, name string) { Compile(pattern).MatchString(name) })
}
