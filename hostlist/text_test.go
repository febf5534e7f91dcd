package hostlist

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
	_ fmt.Stringer             = List{}
	_ encoding.TextMarshaler   = List{}
	_ encoding.TextAppender    = List{}
	_ encoding.TextUnmarshaler = (*List)(nil)
	_ flag.Value               = (*List)(nil)
)

func TestJSON(t *testing.T) {
	type message struct {
		Nodes []List `json:"nodelist"`
		Zero  List   `json:"zero,omitzero"`
	}
	in := message{Nodes: []List{New("node[01-03]", "login"), {}}}
	data, err := json.Marshal(in)
	if want := `{"nodelist":["node[01-03],login",""]}`; err != nil || string(data) != want {
		t.Fatalf("%s, %v, want %s", data, err, want)
	}
	var out message
	if err := json.Unmarshal(data, &out); err != nil || len(out.Nodes) != 2 || !out.Nodes[0].Equal(in.Nodes[0]) {
		t.Errorf("%v, %v", out, err)
	}
	l := New("a")
	var parse *ParseError
	if err := json.Unmarshal([]byte(`"b["`), &l); !errors.As(err, &parse) || l.String() != "a" {
		t.Errorf("%v, %v", l, err)
	}
}

func TestFlag(t *testing.T) {
	hosts := New("a")
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Var(&hosts, "hosts", "hosts to drain")
	flags.PrintDefaults()
	if err := flags.Parse([]string{"-hosts", "n[0-3]"}); err != nil || hosts.String() != "n[0-3]" {
		t.Errorf("%v, %v", hosts, err)
	}
	if err := flags.Parse([]string{"-hosts", "n["}); err == nil || hosts.String() != "n[0-3]" {
		t.Errorf("%v, %v", hosts, err)
	}
}

func TestAppendText(t *testing.T) {
	b, err := New("n[1-2]", "x").AppendText([]byte("hosts="))
	if string(b) != "hosts=n[1-2],x" || err != nil {
		t.Errorf("%s, %v", b, err)
	}
}
