package kvs_test

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/kvs"
)

func newEvent(t testing.TB, name string, context any) kvs.Event {
	t.Helper()
	return must[kvs.Event](t)(kvs.NewEvent(name, context))
}

func TestEventlog(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		s, _ := open(t, b)
		waited := make(chan error, 1)
		go func() {
			e, err := s.WaitEvent(ctx, "job.log", "finish")
			var c struct{ Status int }
			if err == nil {
				err = e.Decode(&c)
			}
			if err == nil && c.Status != 256 {
				err = errors.New(e.Name + " has the wrong context")
			}
			waited <- err
		}()
		must[kvs.Version](t)(s.AppendEvent(ctx, "job.log", newEvent(t, "submit", nil)))
		must[kvs.Version](t)(s.Txn().AppendEvent("job.log", newEvent(t, "start", map[string]int{"n": 1})).
			AppendEvent("job.log", newEvent(t, "finish", map[string]int{"status": 256})).Commit(ctx))
		if err := <-waited; err != nil {
			t.Error(err)
		}
		list := must[[]kvs.Event](t)(s.Eventlog(ctx, "job.log"))
		var names []string
		for _, e := range list {
			names = append(names, e.Name)
			if age := time.Since(e.Time); age < 0 || age > time.Hour {
				t.Errorf("%s has the time %v", e.Name, e.Time)
			}
		}
		if got := strings.Join(names, " "); got != "submit start finish" {
			t.Errorf("%s", got)
		}
		// Lines that are split and joined anywhere, and one that is none.
		must[kvs.Version](t)(s.Txn().Append("odd", `{"timestamp":1.5,"na`).Append("odd", `me":"a"}`+"\n"+`{"timestamp":2`).
			Append("odd", `,"name":"b"}`+"\nrubbish\n"+`{"timestamp":3,"name":"c"}`+"\n").Commit(ctx))
		var got []string
		for e, err := range s.FollowEventlog(ctx, "odd") {
			if err != nil {
				got = append(got, "error")
				continue
			}
			if got = append(got, e.Name); e.Name == "c" {
				break
			}
		}
		if got := strings.Join(got, " "); got != "a b error c" {
			t.Errorf("%s", got)
		}
		for e, err := range s.FollowEventlog(ctx, "job.log") {
			if err == nil && e.Name == "finish" {
				must[kvs.Version](t)(s.Delete(ctx, "job.log"))
			} else if err != nil && !errors.Is(err, flux.ENOENT) {
				t.Errorf("%v", err)
			}
		}
		if _, err := s.WaitEvent(ctx, "odd", "c"); err == nil || !strings.Contains(err.Error(), "rubbish") {
			t.Errorf("%v", err)
		}
		if _, err := s.Eventlog(ctx, "odd"); err == nil || !strings.Contains(err.Error(), "line 3") {
			t.Errorf("%v", err)
		}
	})
}

// flux kvs eventlog and this package read what the other has written.
func TestEventlogCommand(t *testing.T) {
	b := real(t)
	ctx := bounded(t)
	s, _ := open(t, b)
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(ctx, "flux", append([]string{"kvs", "eventlog"}, args...)...)
		cmd.Env = append(cmd.Environ(), "FLUX_URI="+b.URIOf(0), "FLUX_KVS_NAMESPACE="+s.Name())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("flux kvs eventlog %q: %v: %s", args, err, out)
		}
		return string(out)
	}
	must[kvs.Version](t)(s.AppendEvent(ctx, "log", newEvent(t, "ours", map[string]any{"a": 1.5, "b": "x y"})))
	run("append", "log", "theirs", `{"c":2}`)
	run("append", "log", "bare")
	list := must[[]kvs.Event](t)(s.Eventlog(ctx, "log"))
	if len(list) != 3 || list[1].Name != "theirs" || string(list[1].Context) != `{"c":2}` || list[2].Context != nil {
		t.Errorf("%v", list)
	}
	if out := run("get", "--unformatted", "log"); !strings.HasPrefix(out, `{"timestamp":`) || strings.Count(out,
		"\n") != 3 ||
		!strings.Contains(out, `"name":"ours","context":{"a":1.5,"b":"x y"}}`) {
		t.Errorf("%s", out)
	}
}

func TestEvent(t *testing.T) {
	line := `{"timestamp":1795883819.7698317,"name":"foo","context":{"a":1},"extra":[1,2]}`
	var e kvs.Event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatal(err)
	}
	if e.Name != "foo" || e.Time.UnixNano() != 1795883819769831700 || string(e.Context) != `{"a":1}` {
		t.Errorf("%+v", e)
	}
	if out := must[[]byte](t)(json.Marshal(e)); !strings.Contains(string(out), `"extra":[1,2]`) ||
		!strings.Contains(string(out), `"timestamp":1795883819.7698317,`) {
		t.Errorf("%s", out)
	}
	for _, bad := range []string{`{}`, `[]`, `{"timestamp":"1","name":"a"}`, `{"timestamp":1}`,
		`{"timestamp":1,"name":""}`,
		`{"timestamp":1,"name":"a","context":1}`, `{"timestamp":1,"name":"a"`} {
		if err := json.Unmarshal([]byte(bad), &e); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
	if _, err := kvs.NewEvent("a", 1); err == nil {
		t.Error("a context that is a number was accepted")
	}
	if _, err := kvs.NewEvent("", nil); err == nil {
		t.Error("a name that is empty was accepted")
	}
	if err := (kvs.Event{Name: "a"}).Decode(&e); err == nil {
		t.Error("a context that is not there was decoded")
	}
	if _, err := kvs.ParseEvents([]byte(line + "\n" + line)); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("%v", err)
	}
}

func FuzzParseEvents(f *testing.F) {
	f.Add([]byte(`{"timestamp":1795883819.7698317,"name":"foo","context":{"a":1}}` + "\n"))
	f.Add([]byte(`{"timestamp":1,"name":"b","x":null}` + "\n{}\n"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := kvs.ParseEvents(data)
		if err != nil {
			return
		}
		for _, e := range list {
			out, err := e.MarshalJSON()
			if err != nil {
				t.Fatalf("%q cannot be written again: %v", data, err)
			}
			var again kvs.Event
			if err := again.UnmarshalJSON(out); err != nil || again.Name != e.Name || !again.Time.Equal(e.Time) {
				t.Fatalf("%s: %v", out, err)
			}
		}
	})
}
