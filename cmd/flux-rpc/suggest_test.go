package main

import (
	"slices"
	"strings"
	"testing"
)

func TestSimilar(t *testing.T) {
	names := []string{
		"attr", "bench", "broker", "call", "ping", "pub", "record", "serve", "services", "stream", "sub",
		"top", "version",
	}
	for _, c := range []struct {
		typed string
		want  []string
	}{
		{"strem", []string{"stream"}},
		{"srtream", []string{"stream"}},
		{"steram", []string{"stream"}}, // two letters exchanged
		{"atr", []string{"attr"}},
		{"serv", []string{"serve", "services"}},
		{"cal", []string{"call"}},
		{"pbu", []string{"pub"}},
		{"subs", []string{"sub"}},
		{"", nil},
		{"x", nil},
		{"zzz", nil},
		{"submit", nil},
		{strings.Repeat("stream", 1000), nil},
	} {
		if got := similar(c.typed, names); !slices.Equal(got, c.want) {
			t.Errorf("similar(%.20q) = %q, want %q", c.typed, got, c.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"abc", "abc", 0}, {"abc", "", 3}, {"", "abc", 3}, {"abc", "acb", 1}, {"abc", "bc", 1},
		{"abc", "abcd", 1}, {"abc", "xyz", 3},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
