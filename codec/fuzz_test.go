package codec_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
)

// seedFrames adds recorded frames and odd input, as they would be on this host.
func seedFrames(f *testing.F, skip int) {
	seen := map[string]bool{}
	recorded(f, func(where string, r *capture.Record) {
		// One of each kind is enough of a start and keeps the runs short.
		kind := where[:strings.IndexByte(where, ' ')] + r.Msg.Type.String() + r.Msg.Flags.String()
		if b := r.Frame(); len(b) > skip && len(b) < 2000 && !seen[kind] {
			seen[kind] = true
			f.Add(b[skip:])
		}
	})
	for _, c := range malformedCases(f) {
		if b := capture.HostOrder(c.Sent); len(b) > skip {
			f.Add(b[skip:])
		}
	}
}

func FuzzDecode(f *testing.F) {
	seedFrames(f, codec.PrefixSize)
	f.Fuzz(func(t *testing.T, body []byte) {
		orig := bytes.Clone(body)
		m, err := codec.Decode(body)
		if !bytes.Equal(body, orig) {
			t.Fatal("Decode changed the body")
		}
		var d codec.Decoder
		var again codec.Message
		if derr := d.Decode(&again, body); (derr == nil) != (err == nil) {
			t.Fatalf("Decode = %v, Decoder = %v", err, derr)
		}
		if err != nil {
			if m != nil || !errors.Is(err, codec.ErrMalformed) {
				t.Fatalf("Decode = %v, %v, want an error that matches %v alone", m, err, codec.ErrMalformed)
			}
			return
		}
		if diff := cmp.Diff(*m, again); diff != "" {
			t.Fatalf("-Decode +Decoder\n%s", diff)
		}
		if n := len(m.Routes) + len(m.Topic) + len(m.Payload); n > len(body) {
			t.Fatalf("%d bytes of parts in a body of %d", n, len(body))
		}
		if n := len(slices.Collect(m.Routes.All())); n != m.Routes.Len() {
			t.Fatalf("All yields %d hops, Len says %d", n, m.Routes.Len())
		}
		checkStable(t, m)
	})
}

// checkStable encodes a decoded message twice and compares, unless the encoder
// refuses it for a reason that a decoded message can give.
func checkStable(t *testing.T, m *codec.Message) {
	t.Helper()
	frame, err := codec.Append(nil, m)
	if err != nil {
		long := m.Type == codec.TypeRequest && strings.LastIndexByte(m.Topic, '.') > codec.MaxService
		lost := m.Type != codec.TypeControl && m.Flags&codec.FlagTopic == 0
		if !errors.Is(err, codec.ErrUnsendable) || !long && !lost {
			t.Fatalf("Append of a decoded message: %v", err)
		}
		return
	}
	got, err := open(frame)
	if err != nil {
		t.Fatalf("decoding what was encoded: %v", err)
	}
	if diff := cmp.Diff(m, got); diff != "" {
		t.Fatalf("-decoded +decoded, encoded and decoded\n%s", diff)
	}
	if err := checkEncoding(got, frame); err != nil {
		t.Fatal(err)
	}
}

func FuzzParsePrefix(f *testing.F) {
	for _, n := range []uint32{0, 20, 21, 1 << 30, 1<<30 + 1, 0x7ffffff7, 0x7ffffff8, 0xfffffff8, 0xffffffff} {
		f.Add(prefix(n), 0)
		f.Add(prefix(n), 1<<31-1)
	}
	for _, c := range malformedCases(f) {
		f.Add(capture.HostOrder(c.Sent), 100)
	}
	magic := prefix(0)[:4]
	f.Fuzz(func(t *testing.T, b []byte, maxSize int) {
		n, err := codec.ParsePrefix(b, maxSize)
		if err != nil {
			if n != 0 || !errors.Is(err, codec.ErrMalformed) && !errors.Is(err, codec.ErrTooLarge) {
				t.Fatalf("ParsePrefix = %d, %v", n, err)
			}
			return
		}
		limit := maxSize
		if limit <= 0 {
			limit = codec.DefaultMaxSize
		}
		switch {
		case len(b) < codec.PrefixSize || !bytes.HasPrefix(b, magic):
			t.Fatalf("ParsePrefix accepts % x", b)
		case n < codec.MinBody || n > limit:
			t.Fatalf("ParsePrefix = %d, want %d to %d", n, codec.MinBody, limit)
		case !bytes.Equal(prefix(uint32(n)), b[:codec.PrefixSize]):
			t.Fatalf("ParsePrefix = %d for % x", n, b[:codec.PrefixSize])
		case int64(n)+codec.PrefixSize >= 1<<31:
			t.Fatalf("ParsePrefix accepts %d, whose frame is over 31 bits", n)
		}
	})
}

func FuzzMatch(f *testing.F) {
	data, err := os.ReadFile("testdata/fnmatch.txt")
	if err != nil {
		f.Fatal(err)
	}
	for i, line := range strings.Split(string(data), "\n") {
		if _, pattern, topic, err := fnmatchLine(line); err == nil && i%20 == 0 {
			f.Add(pattern, topic)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, topic string) {
		if len(pattern) > 1000 || len(topic) > 1000 {
			return
		}
		got := codec.Match(pattern, topic)
		if !codec.IsGlob(pattern) && pattern != "" && got != (pattern == topic) {
			t.Errorf("Match(%q, %q) = %v without a glob", pattern, topic, got)
		}
		if codec.IsGlob(pattern) && !strings.Contains(pattern, "[") {
			if want := simpleGlob(pattern, topic); got != want {
				t.Errorf("Match(%q, %q) = %v, want %v", pattern, topic, got, want)
			}
		}
		if got && !codec.Match("*"+pattern+"*", topic) && codec.IsGlob(pattern) {
			t.Errorf("%q matches %q, but not with stars around it", pattern, topic)
		}
		quoted := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(topic)
		if !codec.Match(quoted+"*", topic) {
			t.Errorf("Match(%q, %q) = false", quoted+"*", topic)
		}
	})
}

// simpleGlob is a model of globs without bracket expressions: a table of which
// ends of the pattern match which ends of the topic.
func simpleGlob(pattern, topic string) bool {
	ends := make([]bool, len(topic)+1) // ends[t]: the pattern from p matches topic[t:]
	ends[len(topic)] = true
	type element struct {
		kind byte // '*', '?', 0 for the byte lit, 'x' for nothing
		lit  byte
	}
	var elements []element
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '*' || c == '?':
			elements = append(elements, element{kind: c})
		case c == '\\' && i+1 == len(pattern):
			elements = append(elements, element{kind: 'x'})
		case c == '\\':
			i++
			elements = append(elements, element{lit: pattern[i]})
		default:
			elements = append(elements, element{lit: c})
		}
	}
	for _, e := range slices.Backward(elements) {
		next := make([]bool, len(ends))
		for t := len(topic); t >= 0; t-- {
			switch {
			case e.kind == '*':
				next[t] = ends[t] || t < len(topic) && next[t+1]
			case t == len(topic) || e.kind == 'x':
			case e.kind == '?' || e.lit == topic[t]:
				next[t] = ends[t+1]
			}
		}
		ends = next
	}
	return ends[0]
}

func FuzzPayload(f *testing.F) {
	seen := map[string]bool{}
	recorded(f, func(_ string, r *capture.Record) {
		if b := r.Msg.Payload; len(b) < 500 && !seen[r.Msg.Topic] {
			seen[r.Msg.Topic] = true
			f.Add(b)
		}
	})
	f.Fuzz(func(t *testing.T, p []byte) {
		text, terr := codec.TextPayload(p)
		obj, jerr := codec.JSONPayload(p)
		for _, err := range []error{terr, jerr} {
			if err != nil && !errors.Is(err, codec.ErrPayload) {
				t.Fatalf("%q: %v, want %v", p, err, codec.ErrPayload)
			}
		}
		if jerr == nil && (terr != nil || text != string(obj)) {
			t.Fatalf("%q: JSON %q, but text %q, %v", p, obj, text, terr)
		}
		if terr == nil {
			again, err := codec.EncodePayload(text, nil)
			if err != nil || !bytes.HasPrefix(p, again) {
				t.Fatalf("text %q encodes to %q, %v, want the start of %q", text, again, err, p)
			}
		}
		raw, err := codec.EncodePayload(json.RawMessage(p), nil)
		if err != nil {
			return
		}
		if obj, err := codec.JSONPayload(raw); err != nil || !bytes.Equal(obj, p) || !json.Valid(obj) {
			t.Fatalf("JSON %q is encoded to %q, which decodes to %q, %v", p, raw, obj, err)
		}
	})
}
