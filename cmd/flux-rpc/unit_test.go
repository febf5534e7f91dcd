package main

import (
	"debug/elf"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestHist(t *testing.T) {
	var h, other hist
	if h.quantile(0.5) != 0 || h.mean() != 0 {
		t.Error("an empty histogram has figures")
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var all []time.Duration
	for i := range 20000 {
		d := time.Duration(rnd.ExpFloat64() * float64(time.Millisecond))
		all = append(all, d)
		if i%2 == 0 {
			h.add(d)
		} else {
			other.add(d)
		}
	}
	h.merge(&other)
	h.merge(&hist{})
	slices.Sort(all)
	if h.n != len(all) || h.min != all[0] || h.max != all[len(all)-1] {
		t.Errorf("n %d, min %v, max %v; want %d, %v, %v", h.n, h.min, h.max, len(all), all[0], all[len(all)-1])
	}
	for _, q := range []float64{0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1} {
		want := all[max(0, int(q*float64(len(all))+0.5)-1)]
		got := h.quantile(q)
		if diff := (got - want).Abs(); diff > want/100+1 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
}

// Each value lies in its bucket, and buckets are in order up to the greatest.
func TestHistBuckets(t *testing.T) {
	last := -1
	for v := uint64(0); v < 1<<63; v += 1 + v/50 {
		i := bucketOf(v)
		if i < last || i >= len(hist{}.counts) {
			t.Fatalf("bucket of %d is %d after %d, of %d", v, i, last, len(hist{}.counts))
		}
		last = i
		if mid := valueOf(i); max(mid, v)-min(mid, v) > v/128+1 {
			t.Fatalf("%d is counted as %d", v, mid)
		}
	}
	if i := bucketOf(1<<63 - 1); i >= len(hist{}.counts) {
		t.Errorf("the greatest duration is in bucket %d", i)
	}
}

func TestBenchPicture(t *testing.T) {
	rows := []benchRow{
		{Depth: 1, Rate: 10000, Latency: latencies{P50: 0.05, P90: 0.09, P99: 0.5}},
		{Depth: 64, Rate: 100000, Latency: latencies{P50: 0.6, P90: 0.6, P99: 9.5}},
		{Depth: 9, Rate: 50, Latency: latencies{P50: 0.0001, P90: 0.0001, P99: 0.0001}},
	}
	for _, width := range []int{1, 20, 40, 80, 200} {
		picture := benchPicture(rows, width)
		for line := range strings.Lines(picture) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > max(width, 43) {
				t.Errorf("width %d: line of %d columns: %s", width, n, line)
			}
		}
	}
	picture := benchPicture(rows, 80)
	for _, want := range []string{
		"    1      10000  " + strings.Repeat("█", 6) + "▏\n",
		"   64     100000  " + strings.Repeat("█", 61) + "\n",
		"    9         50  \n",
		"|1ms", "10ms|",
	} {
		if !strings.Contains(picture, want) {
			t.Errorf("no %q in\n%s", want, picture)
		}
	}
}

func TestPayloadKinds(t *testing.T) {
	for _, c := range []struct {
		raw   string
		kind  payloadKind
		short string
	}{
		{"", noPayload, ""},
		{"\x00", textPayload, ""},
		{"{\"a\": 1}\x00", jsonPayload, `{"a":1}`},
		{" {}\n\x00", jsonPayload, `{}`},
		{"{\"a\": \x00", textPayload, `{"a": `},
		{"[1]\x00", textPayload, `[1]`},
		{"a\nb\n\x00", textPayload, `a\nb`},
		{"a\x1bb\x00", textPayload, `a\x1bb`},
		{"{}", textPayload, "{}"},
		{"a\x01", binaryPayload, "base64:YQE="},
		{"a\x00b\x00", binaryPayload, "base64:YQBiAA=="},
		{"\xff\x00", binaryPayload, "base64:/wA="},
	} {
		p := newPayload([]byte(c.raw))
		if p.kind != c.kind || p.short() != c.short {
			t.Errorf("%q: kind %d, short %q; want %d, %q", c.raw, p.kind, p.short(), c.kind, c.short)
		}
	}
}

func TestParseErrno(t *testing.T) {
	for s, want := range map[string]int{
		"2": 2, "ENOENT": 2, "enoent": 2, "EHOSTUNREACH": 113, "524": 524, "0": 0, "-1": 0, "E": 0, "": 0,
	} {
		e, err := parseErrno(s)
		if int(e) != want || (err != nil) != (want == 0) {
			t.Errorf("parseErrno(%q) = %d, %v; want %d", s, e, err, want)
		}
	}
	if names := errnoNames(); !slices.Contains(names, "EPERM") || !slices.Contains(names, "EHOSTUNREACH") {
		t.Errorf("%q", names)
	}
}

// What is released needs nothing of the system it runs on.
func TestStaticBinary(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	name := filepath.Join(t.TempDir(), "flux-rpc")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", name, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary has a %v segment: it is not static", p.Type)
		}
	}
}
