package hostlist

import (
	"errors"
	"strings"
	"testing"
)

func TestParseErrors(t *testing.T) {
	const oneGroup = "a host has at most one pair of brackets, which may not nest"
	for _, tt := range []struct {
		in     string
		offset int
		part   string
		cause  error
		reason string
	}{
		{"a,foo[1-]", 6, "1-", ErrSyntax, "a number is missing"},
		{"foo[]", 4, "", ErrSyntax, "a number is missing"},
		{"foo[1,]", 6, "", ErrSyntax, "a number is missing"},
		{"foo[1,,2]", 6, "", ErrSyntax, "a number is missing"},
		{"foo[1, 2]", 6, " 2", ErrSyntax, "expected digits, or two numbers joined by '-'"},
		{"foo[+1]", 4, "+1", ErrSyntax, "expected digits, or two numbers joined by '-'"},
		{"foo[1-2-3]", 4, "1-2-3", ErrSyntax, "expected digits, or two numbers joined by '-'"},
		{"foo[3-1]", 4, "3-1", ErrSyntax, "the end of a range must not be less than its begin"},
		{"foo[0-1048576]", 4, "0-1048576", ErrRange, "a range has at most 1048576 hosts"},
		{"foo[0-18446744073709551615]", 4, "0-18446744073709551615", ErrRange, "a range has at most 1048576 hosts"},
		{"foo[18446744073709551616]", 4, "18446744073709551616", ErrRange, "a number is at most 18446744073709551615"},
		{"a foo18446744073709551616", 2, "foo18446744073709551616", ErrRange,
			"the number of a host is at most 18446744073709551615 and has at most 255 digits"},
		{"a9[0000000000000000000]", 0, "a9[0000000000000000000]", ErrRange,
			"the number of a host is at most 18446744073709551615 and has at most 255 digits"},
		{"foo[" + strings.Repeat("0", 256) + "]", 4, strings.Repeat("0", 256), ErrRange,
			"a number has at most 255 digits"},
		{"foo[1-2", 3, "[1-2", ErrBrackets, "a bracket that is not closed"},
		{"b,foo1]", 6, "]", ErrBrackets, "a bracket that was not opened"},
		{"b,rack[0-1]node[0-3]", 15, "[0-3]", ErrBrackets, oneGroup},
		{"foo[1-2]]", 8, "]", ErrBrackets, oneGroup},
		{"]foo[1]", 0, "]foo", ErrBrackets, oneGroup},
		{"a,foo\nbar", 5, "\n", ErrName, "a name has printable characters only, and no white space"},
		{"foo\x00", 3, "\x00", ErrName, "a name has printable characters only, and no white space"},
		{"a,\u200bfoo", 2, "\u200b", ErrName, "a name has printable characters only, and no white space"},
		{"foo\u00a0bar", 3, "\u00a0", ErrName, "a name has printable characters only, and no white space"},
		{"foo[1]b\xffr", 7, "\xff", ErrName, "a name is UTF-8"},
		{"a" + strings.Repeat("0", 256), 0, "a" + strings.Repeat("0", 256), ErrRange,
			"the number of a host is at most 18446744073709551615 and has at most 255 digits"},
		{"foo[1]\r", 6, "\r", ErrName, "a name has printable characters only, and no white space"},
	} {
		l, err := Parse(tt.in)
		var parse *ParseError
		if !errors.As(err, &parse) || !errors.Is(err, tt.cause) || !l.IsEmpty() {
			t.Errorf("%q: %q, %v", tt.in, l, err)
			continue
		}
		if parse.Offset != tt.offset || parse.Fragment != tt.part || parse.Reason != tt.reason {
			t.Errorf("%q: %#v", tt.in, parse)
		}
	}
	_, err := Parse("a,foo\nbar")
	want := `hostlist: error parsing '\n' at offset 5: a name has printable characters only, and no white space`
	if err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		" ,\t, ":                    "",
		"foo[5,1-3]":                "foo[5,1-3]",
		"foo3,foo2,foo1":            "foo[3,2,1]",
		"foo1,foo1":                 "foo[1,1]",
		" a  b,\tc":                 "a,b,c",
		"foo[01-3]":                 "foo[01-03]",
		"foo[1-03]":                 "foo[1-3]",
		"node[1-2]-ib,node[3]-ib":   "node1-ib,node2-ib,node3-ib",
		"fë[1-2],日本3":               "fë[1-2],日本3",
		"n[0-1048575],n[1048576]":   "n[0-1048575,1048576]", // so that Parse takes it again
		"n18446744073709551615,n0":  "n[18446744073709551615,0]",
		"n[8-11],n[012-013],n14":    "n[8-11,012-013,14]",
		"n[98-99],n100,n101,n[102]": "n[98-102]",
	} {
		l, err := Parse(in)
		if err != nil || l.String() != want {
			t.Errorf("%q: %q, %v, want %q", in, l, err, want)
		}
		if again, err := Parse(want); err != nil || !again.Equal(l) {
			t.Errorf("%q: %v, %v", want, again, err)
		}
	}
}

func TestParseLenient(t *testing.T) {
	for in, want := range map[string]string{
		"foo[1-]":                 "foo1",
		"foo[ 1]":                 "foo01",
		"foo[+1,1 -3]":            "foo[01,01-03]",
		"foo[1b-2]":               "foo[01-02]",
		"foo[1- +3]":              "foo[1-3]",
		"rack[0-1]node[0-3]":      "rack0node[0-3],rack1node[0-3]",
		"foo\nbar":                "foo\nbar",
		"foo18446744073709551616": "foo18446744073709551616",
	} {
		l, err := ParseLenient(in)
		if err != nil || l.String() != want {
			t.Errorf("%q: %q, %v, want %q", in, l, err, want)
		}
		if _, err := Parse(in); err == nil {
			t.Errorf("%q: strict parsing accepts it", in)
		}
	}
	for _, in := range []string{
		"foo[", "foo]", "foo[]", "foo[-1]", "foo[1--2]", "foo[1b]", "foo[1-2b]", "foo[1-b]", "foo[b-1]", "foo[3-1]",
		"foo[0-1048576]", "foo[18446744073709551616]", "foo[1-18446744073709551616]", "foo[1-2", "foo[+]", "foo[ ]",
	} {
		l, err := ParseLenient(in)
		var parse *ParseError
		if !errors.As(err, &parse) || !l.IsEmpty() || !strings.HasPrefix(in[parse.Offset:], parse.Fragment) {
			t.Errorf("%q: %q, %v", in, l, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "node[01-16,20],login", "foo[1-2]-ib,foo[3-1]", "a[1-2]b[3-4]", "foo[1-]", "foo[ 1]", "]a,b[1]",
		"foo[1-2]]", "n18446744073709551616", "n[18446744073709551614-18446744073709551615]0", "n[0-1048575]",
		"a1[00000000000000000000]", "\n", "é1", "\xff",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := Parse(text)
		lenient, lenientErr := ParseLenient(text)
		for _, e := range []error{err, lenientErr} {
			var parse *ParseError
			if e != nil && (!errors.As(e, &parse) || !strings.HasPrefix(text[parse.Offset:], parse.Fragment)) {
				t.Errorf("%q: %#v", text, e)
			}
		}
		if len(l.entries) > len(text) || len(lenient.entries) > len(text) {
			t.Errorf("%d and %d entries from %d bytes", len(l.entries), len(lenient.entries), len(text))
		}
		if lenient.Len() > 5000 {
			return // What follows costs by members.
		}
		checkEntries(t, lenient)
		if err != nil {
			lenient.Uniq()
			lenient.Sort()
			return
		}
		checkEntries(t, l)
		if lenientErr != nil || !lenient.Equal(l) {
			t.Errorf("%q: strict %v, lenient %v (%v)", text, l, lenient, lenientErr)
		}
		if again, err := Parse(l.String()); err != nil || !again.Equal(l) {
			t.Errorf("%q is written as %q, which is read as %v, %v", text, l, again, err)
		}
		if !New(l.Hosts()...).Equal(l) {
			t.Errorf("%q: the names make %q", text, New(l.Hosts()...))
		}
	})
}
