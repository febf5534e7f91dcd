package fluxtest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
)

// kvsCaptures are the recorded conversations with the key-value store, and what was in it before.
var kvsCaptures = []struct {
	name   string
	second bool // a later recording, kept with package kvs
	before []kvsOp
}{
	{name: "kvs-basic"},
	{name: "kvs-cli"},
	{name: "kvs-misc", before: []kvsOp{{"resource.R",
		`{"version":1,"execution":{"R_lite":[{"rank":"0-3","children":{"core":"0-1"}}],` +
			`"starttime":0.0,"expiration":0.0,"nodelist":["vm,vm,vm,vm"]}}`, 0}}},
	{name: "kvs-namespace"},
	{name: "kvs-watch"},
	{name: "content"},
	{name: "kvs-blob", second: true, before: []kvsOp{{"cap.b", "2", 0}}},
	{name: "kvs-eventlog", second: true, before: []kvsOp{
		{"e.log", `{"timestamp":1795883553.4554603,"name":"foo","context":{"a":1}}` + "\n", 32},
		{"e.log", `{"timestamp":1795883553.5701241,"name":"bar"}` + "\n", 32},
		{"e.log", `{"timestamp":1795883554.2472651,"name":"baz"}` + "\n", 32}}},
	{name: "kvs-large", second: true},
	{name: "kvs-namespace2", second: true},
	{name: "kvs-version", second: true, before: []kvsOp{{"s", "1", 0}}},
	{name: "kvs-watch-append", second: true},
	{name: "kvs-watch-full", second: true, before: []kvsOp{{"w.z", "d", 0}}},
	{name: "kvs-watch-uniq", second: true},
	{name: "kvs-watch-waitcreate", second: true, before: []kvsOp{{"wc.n", "2", 0}, {"wc.m", "9", 0}}},
}

// kvsOp is an operation of a commit.
type kvsOp struct {
	key, value string
	flags      int
}

func (o kvsOp) request() *codec.Message {
	return rq("kvs.commit", obj{"namespace": "primary", "flags": 0, "ops": []obj{
		{"key": o.key, "flags": o.flags, "dirent": valObject(o.value)},
	}})
}

func valObject(value string) obj {
	return obj{"ver": 1, "type": "val", "data": base64.StdEncoding.EncodeToString([]byte(value))}
}

// The embedded store answers as the recorded one: with the same values, tree objects, references of directories and
// errors. What depends on what else was in the primary namespace, its root and version, is compared by its place.
func TestReplayKVS(t *testing.T) {
	for _, c := range kvsCaptures {
		t.Run(c.name, func(t *testing.T) {
			recs, err := golden.Load(c.name)
			if c.second {
				var b []byte
				if b, err = os.ReadFile("../kvs/testdata/" + c.name + ".jsonl"); err == nil {
					recs, err = capture.Read(bytes.NewReader(b))
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				b := fluxtest.New(t, fluxtest.InProcess(), fluxtest.Size(4), fluxtest.Owner(0))
				w := dialWire(t, b)
				for _, op := range c.before {
					want(t, &codec.Message{Type: codec.TypeResponse, Errnum: w.Call(op.request()).Errnum}, 0, "")
				}
				r := &kvsReplay{t: t, b: b, conns: make(map[int]*wire), roots: make(map[string]string)}
				r.findRoots(recs)
				for _, rec := range recs {
					r.step(rec)
				}
				for n, w := range r.conns {
					if m := w.Take(); m != nil {
						t.Errorf("connection %d: %s was not recorded", n, show(m))
					}
				}
				w.Conn.Close()
			})
		})
	}
}

// kvsReplay plays a recorded client of the store.
type kvsReplay struct {
	t      *testing.T
	b      *fluxtest.Broker
	conns  map[int]*wire
	roots  map[string]string // recorded references of roots to those of this run
	offset int64             // between the versions
}

// findRoots notes which references are of roots.
func (r *kvsReplay) findRoots(recs []capture.Record) {
	for _, rec := range recs {
		if rec.IsFrame() && rec.Msg.Type == codec.TypeResponse {
			if ref, ok := fieldsOf(rec.Msg.Message().Payload)["rootref"].(string); ok {
				r.roots[ref] = ref
			}
		}
	}
}

func fieldsOf(payload []byte) map[string]any {
	var v map[string]any
	json.Unmarshal(bytes.TrimSuffix(payload, []byte{0}), &v)
	return v
}

func (r *kvsReplay) step(rec capture.Record) {
	r.t.Helper()
	w := r.conns[rec.Conn]
	switch {
	case rec.EOF && rec.Dir == capture.ClientToServer:
		w.HangUp()
	case rec.EOF:
	case rec.Msg.Handshake != nil:
		r.conns[rec.Conn] = dialWire(r.t, r.b)
	case rec.Dir == capture.ClientToServer:
		w.Send(r.request(&rec))
	default:
		r.answer(w, &rec)
	}
}

// request is what the recorded client sent, with the roots of this run.
func (r *kvsReplay) request(rec *capture.Record) *codec.Message {
	r.t.Helper()
	if rec.Digested() {
		// The one large value in the recordings.
		m := rec.Msg.Message()
		m.SetPayload([]byte(`{"namespace":"primary","flags":0,"ops":[{"key":"cap.big",` +
			`"flags":0,"dirent":{"ver":1,"type":"val","data":"` +
			base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("y"), 100000)) + `"}}]}` + "\x00"))
		frame, err := codec.Append(nil, m)
		if err == nil {
			err = rec.CheckFrame(frame)
		}
		if err != nil {
			r.t.Fatal(err)
		}
		return m
	}
	m, err := codec.Decode(rec.Frame()[codec.PrefixSize:])
	if err != nil {
		r.t.Fatal(err)
	}
	for recorded, ours := range r.roots {
		m.Payload = bytes.ReplaceAll(m.Payload, []byte(recorded), []byte(ours))
		if m.Topic == "content.load" {
			was, _ := hex.DecodeString(strings.TrimPrefix(recorded, "sha1-"))
			is, _ := hex.DecodeString(strings.TrimPrefix(ours, "sha1-"))
			m.Payload = bytes.ReplaceAll(m.Payload, was, is)
		}
	}
	return m
}

// answer compares what came with a recorded response. Those of a watch and of the commit that it reports come in any
// order.
func (r *kvsReplay) answer(w *wire, rec *capture.Record) {
	r.t.Helper()
	got := w.Next()
	if rec.Digested() {
		val := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("y"), 100000))
		same := *got
		same.SetPayload([]byte(`{"val":{"ver":1,"type":"val","data":"` + val + `"}}` + "\x00"))
		if err := rec.Msg.Check(&same); err != nil {
			r.t.Error(err)
		}
		if v, _ := fieldsOf(got.Payload)["val"].(map[string]any); v["data"] != val || v["type"] != "val" {
			r.t.Errorf("another value: %.200s", got.Payload)
		}
		return
	}
	msg := rec.Msg.Message()
	if got.Topic != msg.Topic || got.Matchtag != msg.Matchtag || got.Errnum != msg.Errnum || got.Flags != msg.Flags ||
		got.UserID != msg.UserID || got.Rolemask != msg.Rolemask {
		r.t.Errorf("got  %s\nwant %s", describe(got), describe(msg))
		return
	}
	g, want := fieldsOf(got.Payload), fieldsOf(msg.Payload)
	if want == nil || msg.Topic == "content.load" && want["type"] == "dir" {
		if want == nil && !bytes.Equal(got.Payload, msg.Payload) {
			r.t.Errorf("got  %s\nwant %s", describe(got), describe(msg))
		}
		return
	}
	r.place(g, want)
	if !reflect.DeepEqual(g, want) {
		r.t.Errorf("got  %v\nwant %v", g, want)
	}
}

// place makes alike what depends on what else was in the store.
func (r *kvsReplay) place(got, want map[string]any) {
	if ref, ok := want["rootref"].(string); ok {
		r.roots[ref], _ = got["rootref"].(string)
		want["rootref"] = got["rootref"]
	}
	if seq, ok := want["rootseq"].(float64); ok && got["rootseq"] != seq {
		ours, _ := got["rootseq"].(float64)
		if off := int64(seq - ours); r.offset == 0 {
			r.offset = off
		} else if off < r.offset {
			r.t.Errorf("version %v, want %v less %d", ours, seq, r.offset)
		} else {
			r.offset = off // others committed in between
		}
		want["rootseq"] = ours
	}
	if list, ok := want["namespaces"].([]any); ok {
		for _, l := range [][]any{list, got["namespaces"].([]any)} {
			slices.SortFunc(l, func(a, b any) int {
				return strings.Compare(a.(map[string]any)["namespace"].(string), b.(map[string]any)["namespace"].(string))
			})
		}
	}
	val, _ := want["val"].(map[string]any)
	switch data := val["data"].(type) {
	case []any:
		if ours, isRoot := r.roots[data[0].(string)]; isRoot {
			data[0] = ours
		}
	case map[string]any:
		if _, isRoot := data["admin"]; isRoot {
			for _, others := range []string{"admin", "job", "resource", "scn", "scnd", "scnw", "event", "cron"} {
				delete(data, others)
			}
			for name := range data {
				if _, ours := got["val"].(map[string]any)["data"].(map[string]any)[name]; !ours {
					r.t.Logf("entry %q was there before", name)
					delete(data, name)
				}
			}
		}
	}
}
