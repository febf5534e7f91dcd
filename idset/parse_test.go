package idset

import (
	"errors"
	"strings"
	"testing"
)

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct {
		in     string
		offset int
		part   string
		cause  error
		text   string
	}{
		{"0-01", 0, "0-01", ErrSyntax,
			"idset: error parsing range '0-01' at offset 0: leading zero"},
		{"[1,x]", 3, "x", ErrSyntax,
			"idset: error parsing range 'x' at offset 3: expected digits, or two numbers joined by '-'"},
		{"1,,2-", 3, "2-", ErrSyntax,
			"idset: error parsing range '2-' at offset 3: a number is missing"},
		{"5,3-1", 2, "3-1", ErrSyntax,
			"idset: error parsing range '3-1' at offset 2: the end of a range must not be less than its begin"},
		{"3-3", 0, "3-3", ErrSyntax,
			"idset: error parsing range '3-3' at offset 0: the end of a range must be greater than its begin"},
		{"0-2,1", 4, "1", ErrOrder,
			"idset: range '1' is out of order at offset 4: each id must be greater than the ids before it"},
		{"1,4294967296", 2, "4294967296", ErrRange,
			"idset: error parsing range '4294967296' at offset 2: an id is at most 4294967295"},
		{"0-18446744073709551616", 0, "0-18446744073709551616", ErrRange, ""},
		{"[1-2],3", 0, "[", ErrBrackets,
			"idset: mismatched or nested brackets at offset 0: one pair of brackets may enclose the whole set"},
		{"[[1]]", 1, "[", ErrBrackets, ""},
		{"]", 0, "]", ErrBrackets, ""},
		{"[", 0, "[", ErrBrackets, ""},
		{"1\x00", 0, "1\x00", ErrSyntax,
			`idset: error parsing range '1\x00' at offset 0: expected digits, or two numbers joined by '-'`},
		{strings.Repeat("7", 1000), 0, strings.Repeat("7", 1000), ErrRange,
			"idset: error parsing range '" + strings.Repeat("7", 60) + "...' at offset 0: an id is at most 4294967295"},
	} {
		_, err := Parse(tt.in)
		var parse *ParseError
		if !errors.As(err, &parse) || !errors.Is(err, tt.cause) {
			t.Errorf("%q: %v", tt.in, err)
			continue
		}
		if parse.Offset != tt.offset || parse.Fragment != tt.part || tt.text != "" && err.Error() != tt.text {
			t.Errorf("%q: at %d %q: %v", tt.in, parse.Offset, parse.Fragment, err)
		}
		if tt.in[parse.Offset:][:len(parse.Fragment)] != parse.Fragment {
			t.Errorf("%q: %q is not at %d", tt.in, parse.Fragment, parse.Offset)
		}
	}
}

func TestParseLenient(t *testing.T) {
	for in, want := range map[string]string{
		"0,0-1,1-2":               "0-2",
		"3,1":                     "1,3",
		"[5-9,0-6]":               "0-9",
		"1-1,01,007":              "1,7",
		" [ 1 , 3-4 , ] \n":       "1,3-4",
		"":                        "",
		" ":                       "",
		"[]":                      "",
		"4294967295,0-3":          "0-3,4294967295",
		"4294967295-4294967295,0": "0,4294967295",
	} {
		got, err := ParseLenient(in)
		if err != nil || got.String() != want {
			t.Errorf("%q: %v, %v, want %s", in, got, err, want)
		}
	}
	for in, offset := range map[string]int{
		" 3, 2-1 ": 4, "4294967296": 0, "[1": 0, "1,a": 2, "-1": 0, "1-": 0, "1 2": 0, " [1, [2]]": 5, "+1": 0,
		"1 - 2": 0,
	} {
		_, err := ParseLenient(in)
		var parse *ParseError
		if !errors.As(err, &parse) || parse.Offset != offset || !strings.HasPrefix(in[offset:], parse.Fragment) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "[]", "0-3,7", "[1-2],3", "4294967295", "0-4294967294", "1,,2", "00", "3-1", " 1", "[", "0,0-1,1-2",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		lenient, lenientErr := ParseLenient(text)
		for _, e := range []error{err, lenientErr} {
			var parse *ParseError
			if e != nil && (!errors.As(e, &parse) || !strings.HasPrefix(text[parse.Offset:], parse.Fragment)) {
				t.Errorf("%q: %#v", text, e)
			}
		}
		if err != nil {
			s = lenient
		} else if lenientErr != nil || !lenient.Equal(s) {
			t.Errorf("%q: strict %v, lenient %v (%v)", text, s, lenient, lenientErr)
		}
		checkNormal(t, s)
		for _, form := range []string{s.String(), s.Brackets()} {
			if again, err := Parse(form); err != nil || !again.Equal(s) {
				t.Errorf("%q is written as %q, which is read as %v, %v", text, form, again, err)
			}
		}
		if len(s.spans) > (len(text)+1)/2 {
			t.Errorf("%d ranges from %d bytes", len(s.spans), len(text))
		}
	})
}

// checkNormal checks the form that a Set always has.
func checkNormal(t *testing.T, s Set) {
	t.Helper()
	if s.spans != nil && len(s.spans) == 0 {
		t.Error("an empty set that is not nil")
	}
	for i, r := range s.spans {
		if r.lo > r.hi || i > 0 && uint64(s.spans[i-1].hi)+1 >= uint64(r.lo) {
			t.Errorf("not normal: %v", s.spans)
			return
		}
	}
}
