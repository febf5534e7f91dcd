package excerpt

import (
	"strings"
	"testing"
)

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "''",
		"a'b":                   "'a'b'",
		"é\n\xff":               `'é\n\xff'`,
		strings.Repeat("x", 61): "'" + strings.Repeat("x", 60) + "...'",
	} {
		if got := Quote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
