package hostlist

import (
	"bytes"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/idset"
	"github.com/flux-sdk/flux/internal/formattest"
)

func hostNames(l List) string { return strings.Join(l.Hosts(), ",") }

// TestCommand holds the package to flux-hostlist(1), with many random hostlists at once for each option.
func TestCommand(t *testing.T) {
	flux, err := exec.LookPath("flux")
	if err != nil {
		t.Skip("flux is not on PATH: not tested: that hostlist agrees with flux hostlist on random input")
	}
	random := formattest.Random(t)
	for _, tt := range []struct {
		name   string
		args   []string
		lines  int
		width  int
		result func(l List) string
	}{
		{"append", nil, 2000, 0, List.String},
		{"expand", []string{"--expand", "--delimiter=,"}, 2000, 0,
			hostNames},
		{"count", []string{"--count"}, 2000, 0, func(l List) string { return strconv.Itoa(l.Len()) }},
		{"nth", []string{"--nth=0,7-19,1000"}, 2000, 0,
			func(l List) string { return hostNames(l.Select(idset.New(0, 1000).Union(idset.Range(7, 19)))) }},
		{"exclude", []string{"--exclude=n[1-20],a-b007"}, 2000, 0, func(l List) string {
			if _, err := l.DeleteAll("n[1-20],a-b007"); err != nil {
				t.Error(err)
			}
			return hostNames(l)
		}},
		{"union", []string{"--union"}, 2000, 3, func(l List) string { l.UniqSorted(); return l.String() }},
		{"sort", []string{"--sort"}, 30, 3, func(l List) string { l.Sort(); return l.String() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var lines []string
			for len(lines) < tt.lines {
				if text := randomText(random, tt.width); text != "" {
					lines = append(lines, text)
				}
			}
			cmd := exec.Command(flux, append([]string{"hostlist"}, append(tt.args, "-")...)...)
			cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, &stderr)
			}
			want := strings.TrimSuffix(string(out), "\n")
			if tt.name == "exclude" || tt.name == "nth" { // The text depends on how the list came about.
				want = hostNames(New(want))
			}
			l := New(lines...)
			if got := tt.result(l); got != want {
				t.Errorf("%.500s, flux hostlist says %.500s", got, want)
			}
			t.Logf("%d hostlists, %d hosts, %d bytes of output", tt.lines, l.Len(), len(want))
		})
	}
}
