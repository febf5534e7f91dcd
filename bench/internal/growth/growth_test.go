package growth

import (
	"context"
	"regexp"
	"strings"
	"testing"
)

// Every sweep makes a table, with the smallest of its sizes.
func TestSweeps(t *testing.T) {
	if testing.Short() {
		t.Skip("a few seconds")
	}
	for _, s := range sweeps {
		t.Run(s.name, func(t *testing.T) {
			s.sizes, s.base = s.sizes[:1], s.sizes[0]
			var b strings.Builder
			if err := s.run(t.Context(), &b, true); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(b.String(), "\n| "); n != 2 || strings.Contains(b.String(), "NaN") {
				t.Errorf("want a table of a head and one row:\n%s", b.String())
			}
		})
	}
}

func TestRatiosAreToTheBase(t *testing.T) {
	s := sweep{name: "things", columns: []column{{name: "time"}, {"memory", true}}, sizes: []int{1, 2, 3, 4}, small: 3, base: 2,
		row: func(_ context.Context, n int, _ bool) ([]float64, error) {
			return []float64{float64(n), 100 * float64(n)}, nil
		}}
	var b strings.Builder
	if err := s.run(t.Context(), &b, true); err != nil {
		t.Fatal(err)
	}
	if want := "| 1 | 0.50x | 100 |\n| 2 | 1.00x | 200 |\n| 3 | 1.50x | 300 |\n\n"; !strings.HasSuffix(b.String(), want) {
		t.Errorf("got\n%swant at its end\n%s", b.String(), want)
	}
}

func TestOnly(t *testing.T) {
	var b strings.Builder
	if err := Run(t.Context(), &b, regexp.MustCompile("no such sweep"), true); err != nil || b.Len() > 0 {
		t.Errorf("Run = %v, wrote %q", err, b.String())
	}
}
