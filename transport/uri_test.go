package transport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestParseURI(t *testing.T) {
	for _, tt := range []struct{ in, scheme, path, text string }{
		{"local:///run/flux/local", "local", "/run/flux/local", ""},
		{"local:///run/flux/local \t ", "local", "/run/flux/local", "local:///run/flux/local"},
		{"local:// /leading", "local", " /leading", ""},
		{" local:///x", " local", "/x", ""},
		{"local:///a b", "local", "/a b", ""},
		{"local:///a%20b", "local", "/a%20b", ""},
		{"local:///a?b#c", "local", "/a?b#c", ""},
		{"local://", "local", "", "local"},
		{"local:// \t", "local", "", "local"},
		{"loop", "loop", "", ""},
		{"loop ", "loop ", "", ""},
		{"ssh://me@host:22/path", "ssh", "me@host:22/path", ""},
		{"fd://12", "fd", "12", ""},
		{"a://b://c", "a", "b://c", ""},
		{"local:/x", "local:/x", "", ""},
		{"/run/flux/local", "/run/flux/local", "", ""},
		{"..", "..", "", ""},
		{"://x", "", "x", ""},
		{"", "", "", ""},
	} {
		u, err := ParseURI(tt.in)
		if err != nil || u.Scheme != tt.scheme || u.Path != tt.path {
			t.Errorf("ParseURI(%q) = %q, %q, %v, want %q, %q", tt.in, u.Scheme, u.Path, err, tt.scheme, tt.path)
		}
		text := tt.text
		if text == "" {
			text = tt.in
		}
		if u.String() != text {
			t.Errorf("ParseURI(%q).String() = %q, want %q", tt.in, u.String(), text)
		}
	}
	if _, err := ParseURI("local:///a\x00b"); !errors.Is(err, ErrInvalidURI) {
		t.Errorf("NUL byte: %v", err)
	}
}

func FuzzParseURI(f *testing.F) {
	for _, s := range []string{"local:///run/flux/local", "ssh://u@h:1/p", "loop", "://", " a:// b \t", "\x00", "a://b://c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURI(s)
		if err != nil {
			if !errors.Is(err, ErrInvalidURI) || !strings.Contains(s, "\x00") {
				t.Fatalf("ParseURI(%q): %v", s, err)
			}
			return
		}
		if strings.Contains(u.Scheme, "://") || strings.TrimRight(u.Path, " \t") != u.Path {
			t.Fatalf("ParseURI(%q) = %q, %q", s, u.Scheme, u.Path)
		}
		if again, err := ParseURI(u.String()); err != nil || again != u {
			t.Fatalf("ParseURI(%q) = %+v, which parses as %+v, %v", s, u, again, err)
		}
		// Whatever an ssh URI says, its command line has the same shape.
		u.Scheme = "ssh"
		argv, err := sshCommand(u)
		if err != nil {
			if !errors.Is(err, ErrInvalidURI) {
				t.Fatalf("sshCommand(%q): %v", u, err)
			}
			return
		}
		if at := slices.Index(argv, "relay"); at < 2 || !strings.HasPrefix(argv[len(argv)-1], "/") {
			t.Fatalf("sshCommand(%q) = %q", u, argv)
		}
		if dest := argv[1]; strings.HasPrefix(dest, "-") && dest != "-p" {
			t.Fatalf("sshCommand(%q) = %q: option where the host should be", u, argv)
		}
	})
}

func TestUnknownScheme(t *testing.T) {
	for uri, name := range map[string]string{
		"nosuch:///x": "nosuch",
		"":            "",
		" local:///x": " local",
		"/run/flux":   "/run/flux",
	} {
		_, err := Dial(t.Context(), uri, Config{})
		if !errors.Is(err, ErrUnknownScheme) {
			t.Errorf("Dial(%q): %v, want ErrUnknownScheme", uri, err)
			continue
		}
		if !strings.Contains(err.Error(), "unable to find connector name '"+name+"'") {
			t.Errorf("Dial(%q): %v, does not name '%s'", uri, err, name)
		}
		for _, scheme := range []string{"fd", "local", "loop", "ssh"} {
			if !strings.Contains(err.Error(), scheme) {
				t.Errorf("Dial(%q): %v, does not name %s", uri, err, scheme)
			}
		}
	}
	if _, err := Dial(t.Context(), "local:///\x00", Config{}); !errors.Is(err, ErrInvalidURI) {
		t.Errorf("NUL byte: %v", err)
	}
}

func TestRegister(t *testing.T) {
	var got URI
	var gotCfg Config
	mark := errors.New("mine")
	scheme := fmt.Sprintf("test-register-%d", len(Schemes())) // a test may run twice
	Register(scheme, func(_ context.Context, uri URI, cfg Config) (Conn, error) {
		got, gotCfg = uri, cfg
		return nil, mark
	})
	if !slices.Contains(Schemes(), scheme) || !slices.IsSorted(Schemes()) {
		t.Errorf("Schemes() = %q", Schemes())
	}
	if _, err := Dial(t.Context(), scheme+"://a/b ", Config{MaxSize: 7}); !errors.Is(err, mark) {
		t.Errorf("Dial: %v", err)
	}
	if want := (URI{scheme, "a/b"}); got != want || gotCfg.MaxSize != 7 {
		t.Errorf("connector got %+v, %+v", got, gotCfg)
	}
}

func TestRegisterPanics(t *testing.T) {
	dial := func(context.Context, URI, Config) (Conn, error) { return nil, nil }
	for _, tt := range []struct {
		name   string
		scheme string
		dial   DialFunc
		text   string
	}{
		{"empty", "", dial, "want a word"},
		{"colon", "a:b", dial, "want a word"},
		{"slash", "a/b", dial, "want a word"},
		{"no function", "test-nil", nil, "want a word and a function"},
		{"built in", "local", dial, "twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if p, _ := recover().(string); !strings.Contains(p, tt.text) {
					t.Errorf("panic %q, want one with %q", p, tt.text)
				}
			}()
			Register(tt.scheme, tt.dial)
		})
	}
}
