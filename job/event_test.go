package job

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux"
)

var eventDifferences = map[string]string{
	`log "{\"timestamp\":1.5,\"name\":\"a\"}\n{\"timestamp\":1.5,\"name\":\"a\"}"`: "Flux drops a last line without a " +
		"newline and reports no error",
}

// eventsTakenHere are the inputs that Flux refuses and this package takes.
var eventsTakenHere = map[string]string{
	`{"timestamp":1.5,"name":"a","context":{"big":18446744073709551615}}` + "\n": "the context is not read here, so an " +
		"integer over 63 bits in it is kept as it is",
}

func TestEventlogVectors(t *testing.T) {
	taken := 0
	want := map[string]int{"entry": 24, "log": 40}
	forEachVector(t, "eventlog.jsonl", want, eventDifferences, func(t *testing.T, v vector) bool {
		in := v.text(t)
		var events []Event
		var err error
		if v.Op == "entry" {
			events = make([]Event, 1)
			events[0], err = ParseEvent(in)
		} else {
			events, err = ParseEventlog(in)
		}
		if err != nil {
			checkParseError(t, err, in)
			return true
		}
		if reason, ok := eventsTakenHere[in]; ok {
			taken++
			if v.Error == nil {
				t.Errorf("%q is taken by both; listed as taken here only: %s", in, reason)
			}
			return true
		}
		if v.Error != nil {
			return false
		}
		if v.Op == "entry" {
			checkSameJSON(t, events[0], v.Out)
			return false
		}
		var want struct {
			Events []json.RawMessage
			Encode string
		}
		decodeJSON(t, v.Out, &want)
		if len(events) != len(want.Events) {
			t.Fatalf("%q: %d events; want %d", in, len(events), len(want.Events))
		}
		text, err := FormatEventlog(events)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(text, "\n")
		wantLines := strings.SplitAfter(want.Encode, "\n")
		if len(lines) != len(wantLines) {
			t.Fatalf("%q formats as %q; want %q", in, text, want.Encode)
		}
		for i := range events {
			checkSameJSON(t, events[i], want.Events[i])
			checkSameJSON(t, json.RawMessage(lines[i]), []byte(wantLines[i]))
		}
		return false
	})
	if taken == 0 {
		t.Error("no vector is in the list of what is taken here only")
	}
}

// checkSameJSON compares JSON by value, numbers as float64 except for integers that these do not hold.
func checkSameJSON(t *testing.T, got any, want []byte) {
	t.Helper()
	data, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if g, w := jsonValue(t, data), jsonValue(t, want); !reflect.DeepEqual(g, w) {
		t.Errorf("got  %s\nwant %s", data, want)
	}
}

func jsonValue(t *testing.T, data []byte) any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return numbers(v)
}

// numbers replaces each json.Number by an int64 or a float64.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil && (i > 1<<53 || i < -1<<53) {
			return i
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}

func TestEventKeepsUnknownMembersAndDigits(t *testing.T) {
	const line = `{"extra":[1, 2.50],"timestamp":1795889567.69253231,"name":"finish",` +
		`"context":{"status":18446744073709551615},"more":"<&>"}` + "\n"
	e, err := ParseEvent(line)
	if err != nil {
		t.Fatal(err)
	}
	if !e.Time.Equal(time.Unix(1795889567, 692532310)) {
		t.Errorf("the time is %v", e.Time)
	}
	want := strings.Replace(strings.TrimSuffix(line, "\n"), "[1, 2.50]", "[1,2.50]", 1)
	if e.String() != want {
		t.Errorf("got  %s\nwant %s", e, want)
	}
	if string(e.Member("extra")) != "[1,2.50]" || e.Member("none") != nil || e.Member("name") != nil {
		t.Errorf("Member gives %s, %s, %s", e.Member("extra"), e.Member("none"), e.Member("name"))
	}
	var context struct{ Status uint64 }
	if err := e.Decode(&context); err != nil || context.Status != 1<<64-1 {
		t.Errorf("got %d, %v", context.Status, err)
	}
	changed := e
	changed.Time, changed.Name, changed.Context = time.Unix(7, 0), "x", nil
	if got := changed.String(); got != `{"extra":[1,2.50],"timestamp":7.0,"name":"x","more":"<&>"}` {
		t.Errorf("got %s", got)
	}
	if e.String() != want {
		t.Errorf("changing a copy changed the event: %s", e)
	}
}

func TestEventErrors(t *testing.T) {
	for line, want := range map[string]string{
		`{"name":"a"}`:                              "timestamp must be a number, got nothing",
		`{"timestamp":1e300,"name":"a"}`:            "1e300 seconds since 1970 is not within the years up to 9999",
		`{"timestamp":1,"name":"a","context":null}`: "context must be an object, got null",
		`{"timestamp":1,"name":"a"} {}`:             "expected nothing after the value (offset 27)",
		``:                                          "expected a JSON object",
		`null`:                                      "expected a JSON object",
		"{\"timestamp\":1,\"name\":\"\xff\"}":       "text that is not UTF-8 (offset 23)",
	} {
		_, err := ParseEvent(line + "\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", line, err, want)
		}
	}
	const good = "{\"timestamp\":1.5,\"name\":\"a\"}\n"
	_, err := ParseEventlog(strings.Repeat(good, 10) + "{\"timestamp\":1.5,\"name\":7}\n")
	if parse, ok := errors.AsType[*ParseError](err); !ok || parse.Offset != 10*len(good) {
		t.Errorf("got %v", err)
	}
	if _, err := ParseEvent(good + good); !errors.Is(err, flux.EINVAL) {
		t.Errorf("two lines give %v", err)
	}
	if err := (Event{Name: "a"}).Decode(new(int)); !errors.Is(err, flux.ENODATA) {
		t.Errorf("Decode without context gives %v", err)
	}
	for _, context := range []string{"[]", "", "{", "1"} {
		e := Event{Name: "a", Context: json.RawMessage(context)}
		if _, err := FormatEventlog([]Event{e}); !errors.Is(err, flux.EINVAL) {
			t.Errorf("context %q gives %v", context, err)
		}
	}
}

func TestNewEventRoundTrip(t *testing.T) {
	events := []Event{
		{Time: time.Unix(1795889567, 692532300), Name: "a"},
		{Time: time.Unix(0, 0), Name: "b<c>", Context: json.RawMessage(`{ "x": 1 }`)},
		{Time: time.Unix(-3, 5e8), Name: ""},
	}
	text, err := FormatEventlog(events)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"timestamp":1795889567.6925323,"name":"a"}
{"timestamp":0.0,"name":"b<c>","context":{"x":1}}
{"timestamp":-2.5,"name":""}
`
	if diff := cmp.Diff(want, text); diff != "" {
		t.Error(diff)
	}
	again, err := ParseEventlog(text)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range again {
		if !e.Time.Equal(events[i].Time) || e.Name != events[i].Name {
			t.Errorf("got %v; want %v", e, events[i])
		}
	}
}

func FuzzParseEventlog(f *testing.F) {
	for _, s := range []string{"", "{\"timestamp\":1.5,\"name\":\"a\"}\n",
		"{\"timestamp\":1,\"name\":\"a\",\"context\":{\"x\":[]}}\n\n",
		"{\"timestamp\":1e-400,\"name\":\"\\ud800\",\"q\":null}\r\n", "{}\n", "{\"timestamp\":-0.0,\"name\":\"\"}\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		events, err := ParseEventlog(s)
		if err != nil {
			checkParseError(t, err, s)
			return
		}
		text, err := FormatEventlog(events)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseEventlog(text)
		if err != nil {
			t.Fatalf("%q formats as %q: %v", s, text, err)
		}
		text2, err := FormatEventlog(again)
		if err != nil || text2 != text || len(again) != len(events) {
			t.Fatalf("%q formats as %q and then %q, %v", s, text, text2, err)
		}
	})
}

func BenchmarkParseEventlog(b *testing.B) {
	const line = `{"timestamp":1795889567.7144136,"name":"data",` +
		`"context":{"stream":"stdout","rank":"0","data":"hello world\n"}}`
	text := strings.Repeat(line+"\n", 1000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseEventlog(text); err != nil {
			b.Fatal(err)
		}
	}
}
