package idset

import (
	"encoding"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"testing"
)

var (
	_ fmt.Stringer             = Set{}
	_ encoding.TextMarshaler   = Set{}
	_ encoding.TextAppender    = Set{}
	_ encoding.TextUnmarshaler = (*Set)(nil)
	_ flag.Value               = (*Set)(nil)
)

func TestJSON(t *testing.T) {
	type message struct {
		Ranks  Set            `json:"ranks"`
		Zero   Set            `json:"zero,omitzero"`
		ByRank map[string]Set `json:"by"`
	}
	in := message{Ranks: New(0, 1, 2, 3, 7), ByRank: map[string]Set{"a": {}}}
	data, err := json.Marshal(in)
	if want := `{"ranks":"0-3,7","by":{"a":""}}`; err != nil || string(data) != want {
		t.Fatalf("%s, %v, want %s", data, err, want)
	}
	var out message
	data = []byte(`{"ranks":"[0-3,7]","by":{"a":""}}`)
	if err := json.Unmarshal(data, &out); err != nil || !out.Ranks.Equal(in.Ranks) {
		t.Errorf("%v, %v", out, err)
	}
	var parse *ParseError
	if err := json.Unmarshal([]byte(`{"ranks":"1-1"}`), &out); !errors.As(err, &parse) || !out.Ranks.Equal(in.Ranks) {
		t.Errorf("%v, %v", out, err)
	}
	if err := json.Unmarshal([]byte(`{"ranks":3}`), &out); err == nil {
		t.Error("a number is no idset")
	}
}

func TestFlag(t *testing.T) {
	ranks := New(1)
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Var(&ranks, "ranks", "ranks to run on")
	flags.PrintDefaults()
	if err := flags.Parse([]string{"-ranks", "0-3"}); err != nil || ranks.String() != "0-3" {
		t.Errorf("%v, %v", ranks, err)
	}
	if err := flags.Parse([]string{"-ranks", "x"}); err == nil || ranks.String() != "0-3" {
		t.Errorf("%v, %v", ranks, err)
	}
}

func TestText(t *testing.T) {
	for _, tt := range []struct{ in, text, brackets, plain string }{
		{"", "", "", ""},
		{"5", "5", "5", "5"},
		{"[5]", "5", "5", "5"},
		{"5,6", "5-6", "[5-6]", "5,6"},
		{"0-2,4294967295", "0-2,4294967295", "[0-2,4294967295]", "0,1,2,4294967295"},
	} {
		s := mustParse(t, tt.in)
		b, err := s.AppendText([]byte("x"))
		if fmt.Sprint(s) != tt.text || s.Brackets() != tt.brackets || s.Plain() != tt.plain ||
			string(b) != "x"+tt.text || err != nil {
			t.Errorf("%q: %v, %s, %s, %s", tt.in, s, s.Brackets(), s.Plain(), b)
		}
	}
}
