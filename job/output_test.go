package job

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/idset"
)

// readOutput returns the entries of testdata/output.jsonl: the logs of three real jobs.
func readOutput(t *testing.T) []OutputEvent {
	t.Helper()
	data, err := os.ReadFile("testdata/output.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	events, err := ParseEventlog(string(data))
	if err != nil {
		t.Fatal(err)
	}
	var out []OutputEvent
	for _, e := range events {
		o, err := DecodeOutput(e)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

func TestDecodeRealOutput(t *testing.T) {
	var headers, redirects, logs, eofs int
	stderr := map[int][]byte{}
	for _, o := range readOutput(t) {
		switch {
		case o.Header != nil:
			headers++
		case o.Redirect != nil:
			redirects++
		case o.Log != nil:
			logs++
		}
		for c := range o.Chunks() {
			if !c.Time.Equal(o.Event.Time) {
				t.Errorf("the chunk has the time %v; want %v", c.Time, o.Event.Time)
			}
			if c.EOF {
				eofs++
			} else {
				stderr[c.Task] = append(stderr[c.Task], c.Data...)
			}
		}
	}
	if headers != 3 || redirects != 3 || logs != 4 || eofs != 8 {
		t.Errorf("%d headers, %d redirects, %d logs, %d ends", headers, redirects, logs, eofs)
	}
	want := map[int][]byte{0: []byte("\xff\xfex"), 1: []byte("\xff\xfex"), 3: []byte("\xff\xfex")}
	if diff := cmp.Diff(want, stderr); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeRealEntries(t *testing.T) {
	all := readOutput(t)
	header := all[0].Header
	if header.Version != 1 || header.Encoding[Stdout] != "UTF-8" || header.Count[Stderr] != 4 {
		t.Errorf("got %+v", header)
	}
	wantLog := &OutputLog{Rank: 0, Level: 4, Message: "stdout will be truncated, 10 limit exceeded",
		Component: "output.kvs", File: "output/kvs.c", Line: 302}
	logs := slices.DeleteFunc(slices.Clone(all), func(o OutputEvent) bool { return o.Log == nil })
	if diff := cmp.Diff(wantLog, logs[0].Log); diff != "" {
		t.Error(diff)
	}
	redirects := slices.DeleteFunc(slices.Clone(all), func(o OutputEvent) bool { return o.Redirect == nil })
	if r := redirects[1].Redirect; r.Stream != Stderr || r.Path != "/home/u/out.{{taskid}}" ||
		!r.Tasks.IDs.Equal(idset.Range(0, 1)) {
		t.Errorf("got %+v", r)
	}
	if r := redirects[2].Redirect; r.Stream != Stdin || !r.Tasks.Every {
		t.Errorf("got %+v", r)
	}
}

// TestEncodeRealEntries checks that each real entry is encoded as it was read.
func TestEncodeRealEntries(t *testing.T) {
	for _, o := range readOutput(t) {
		var e Event
		var err error
		switch {
		case o.Header != nil:
			e, err = o.Header.Event(o.Event.Time)
		case o.Data != nil:
			e, err = o.Data.Event(o.Event.Time)
		case o.Redirect != nil:
			e, err = o.Redirect.Event(o.Event.Time)
		case o.Log != nil:
			e, err = o.Log.Event(o.Event.Time)
		}
		if err != nil {
			t.Fatal(err)
		}
		checkSameJSON(t, e, []byte(o.Event.String()))
	}
}

func TestDecodeOutputErrors(t *testing.T) {
	for _, test := range []struct{ name, context string }{
		{"data", `{}`},
		{"data", `{"stream":"stdout","rank":"0"}`},
		{"data", `{"stream":"stdout","data":"x"}`},
		{"data", `{"rank":"0","data":"x"}`},
		{"data", `{"stream":"stdout","rank":"x","data":"x"}`},
		{"data", `{"stream":"stdout","rank":"","data":"x"}`},
		{"data", `{"stream":"stdout","rank":"2147483648","data":"x"}`},
		{"data", `{"stream":"stdout","rank":0,"data":"x"}`},
		{"data", `{"stream":"stdout","rank":"0","data":"*","encoding":"base64"}`},
		{"data", `{"stream":"stdout","rank":"0","data":"x","encoding":"rot13"}`},
		{"data", `{"stream":"stdout","rank":"0","eof":"yes"}`},
		{"data", `{"stream":"stdout","rank":"0","DATA":"x"}`},
		{"data", `{"stream":"stdout","rank":"0","data":"\ud800"}`},
		{"redirect", `{"stream":"stdout","rank":"0"}`},
		{"redirect", `{"rank":"0","path":"x"}`},
		{"redirect", `[]`},
		{"header", `{"version":"1"}`},
		{"log", `{"level":"x"}`},
	} {
		o, err := DecodeOutput(Event{Name: test.name, Context: json.RawMessage(test.context)})
		if !errors.Is(err, flux.EPROTO) {
			t.Errorf("%s %s: %+v, %v; want EPROTO", test.name, test.context, o, err)
		}
	}
	_, err := DecodeOutput(Event{Name: "data", Context: json.RawMessage(`{"stream":"stdout","rank":0,"data":"x"}`)})
	if err == nil || !strings.Contains(err.Error(), `output entry "data": member rank must be a string, got a number`) {
		t.Errorf("a rank that is a number: %v", err)
	}
	if _, err := DecodeOutput(Event{Name: "data"}); !errors.Is(err, flux.EPROTO) {
		t.Errorf("no context: %v", err)
	}
	o, err := DecodeOutput(Event{Name: "future", Context: json.RawMessage("{}")})
	if err != nil || o.Data != nil || o.Header != nil || o.Redirect != nil || o.Log != nil || o.Event.Name != "future" {
		t.Errorf("an unknown name gives %+v, %v", o, err)
	}
}

func TestChunksExpandLazily(t *testing.T) {
	e := Event{Name: "data", Context: json.RawMessage(`{"stream":"stdout","rank":"0-2147483647","data":"x","eof":true}`)}
	o, err := DecodeOutput(e)
	if err != nil {
		t.Fatal(err)
	}
	var tasks []int
	for c := range o.Chunks() {
		if string(c.Data) != "x" || !c.EOF || c.Stream != Stdout {
			t.Fatalf("got %+v", c)
		}
		if tasks = append(tasks, c.Task); len(tasks) == 3 {
			break
		}
	}
	if !slices.Equal(tasks, []int{0, 1, 2}) {
		t.Errorf("got %v", tasks)
	}
}

func TestEncodeOutputErrors(t *testing.T) {
	one := TaskSet{IDs: idset.New(1)}
	for _, d := range []OutputData{
		{Tasks: one, Data: []byte("x")},
		{Stream: Stdout, Data: []byte("x")},
		{Stream: Stdout, Tasks: one},
	} {
		if e, err := d.Event(time.Unix(0, 0)); !errors.Is(err, flux.EINVAL) {
			t.Errorf("%+v gives %v, %v", d, e, err)
		}
	}
	for _, task := range []int{-2, math.MinInt32} {
		if e, err := (Chunk{Stream: Stdout, Task: task, EOF: true}).Event(); !errors.Is(err, flux.EINVAL) {
			t.Errorf("task %d gives %v, %v", task, e, err)
		}
	}
	if e, err := (OutputRedirect{Stream: Stdout, Path: "x"}).Event(time.Unix(0, 0)); !errors.Is(err, flux.EINVAL) {
		t.Errorf("got %v, %v", e, err)
	}
}

func TestEncodeRefusesOtherBytes(t *testing.T) {
	const bad = "x\xff"
	one := TaskSet{IDs: idset.New(1)}
	now := time.Unix(0, 0)
	for what, encode := range map[string]func() (Event, error){
		"stream":   func() (Event, error) { return OutputData{Stream: bad, Tasks: one, EOF: true}.Event(now) },
		"path":     func() (Event, error) { return OutputRedirect{Stream: Stdout, Tasks: one, Path: bad}.Event(now) },
		"message":  func() (Event, error) { return OutputLog{Message: bad}.Event(now) },
		"encoding": func() (Event, error) { return OutputHeader{Encoding: map[string]string{Stdout: bad}}.Event(now) },
		"count":    func() (Event, error) { return OutputHeader{Count: map[string]int{bad: 1}}.Event(now) },
	} {
		if e, err := encode(); !errors.Is(err, flux.EINVAL) {
			t.Errorf("%s: %s, %v", what, e, err)
		}
	}
	if text, err := FormatEventlog([]Event{{Name: bad}}); !errors.Is(err, flux.EINVAL) {
		t.Errorf("name: %s, %v", text, err)
	}
}

func TestEncodeHeaderWithBadOption(t *testing.T) {
	e, err := OutputHeader{Options: map[string]json.RawMessage{"a": json.RawMessage("{")}}.Event(time.Unix(0, 0))
	if !errors.Is(err, flux.EINVAL) || e.Name != "" {
		t.Errorf("got %v, %v; want EINVAL and no event", e, err)
	}
}

func TestEncodeEmptyHeader(t *testing.T) {
	e, err := OutputHeader{Count: map[string]int{Stdin: 1}}.Event(time.Unix(1, 0))
	const want = `{"timestamp":1.0,"name":"header","context":{"version":1,"encoding":{},` +
		`"count":{"stdin":1},"options":{}}}`
	if err != nil || e.String() != want {
		t.Errorf("got %s, %v; want %s", e, err, want)
	}
}

func FuzzChunkRoundTrip(f *testing.F) {
	f.Add("stdout", 0, []byte("hello\n"), false)
	f.Add("stderr", -1, []byte("\xff\x00"), true)
	f.Add("stdin", math.MaxInt32, []byte{}, true)
	f.Add("x", 7, []byte("\u2028\ufffd<&>\x00"), false)
	f.Fuzz(func(t *testing.T, stream string, task int, data []byte, eof bool) {
		c := Chunk{Time: time.Unix(7, 5), Stream: stream, Task: task, Data: data, EOF: eof}
		e, err := c.Event()
		if err != nil {
			if stream != "" && utf8.ValidString(stream) && task >= -1 && task <= math.MaxInt32 && (len(data) > 0 || eof) {
				t.Fatal(err)
			}
			return
		}
		line := e.String() + "\n"
		again, err := ParseEvent(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		o, err := DecodeOutput(again)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		got := slices.Collect(o.Chunks())
		if len(got) != 1 || got[0].Stream != stream || got[0].Task != task || !bytes.Equal(got[0].Data, data) ||
			got[0].EOF != eof || !got[0].Time.Equal(c.Time) {
			t.Fatalf("%+v is %s, which is %+v", c, line, got)
		}
	})
}

func FuzzDecodeOutput(f *testing.F) {
	f.Add("data", []byte(`{"stream":"stdout","rank":"0-3","data":"aGVsbG8=","encoding":"base64"}`))
	f.Add("redirect", []byte(`{"stream":"stdout","rank":"[0-3]","path":"x"}`))
	f.Add("header", []byte(`{"version":1,"encoding":{},"count":{},"options":{"x":[]}}`))
	f.Add("log", []byte(`{"rank":0,"level":4,"message":"x"}`))
	f.Fuzz(func(t *testing.T, name string, context []byte) {
		o, err := DecodeOutput(Event{Name: name, Context: context})
		if err != nil {
			if !errors.Is(err, flux.EPROTO) {
				t.Fatal(err)
			}
			return
		}
		for range o.Chunks() {
			break
		}
	})
}

func BenchmarkDecodeOutput(b *testing.B) {
	e := Event{Name: "data", Context: json.RawMessage(`{"stream":"stdout","rank":"0","data":"hello world\n"}`)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeOutput(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeOutput(b *testing.B) {
	c := Chunk{Stream: Stdout, Data: []byte("hello world\n")}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Event(); err != nil {
			b.Fatal(err)
		}
	}
}
