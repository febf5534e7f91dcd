package sdk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux/bench/internal/measure"
	"github.com/flux-sdk/flux/fluxtest"
)

// TestMain makes the test program be the benchmark for the command that sub
// starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "blast" {
		b := Bench{API: "call", Context: "shared"}
		if err := b.Run(context.Background(), os.Args[1:]); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

// line runs a command and returns the result that it printed last.
func line(t *testing.T, b Bench, args ...string) measure.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	b.Out = &out
	if err := b.Run(ctx, args); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var r measure.Result
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// serveBench serves the name bench at the broker of $FLUX_URI.
func serveBench(t *testing.T, mode string) {
	ctx, stop := context.WithCancel(t.Context())
	b := Bench{Service: mode}
	c, err := b.dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ready, served := make(chan struct{}), make(chan error, 1)
	go func() { served <- b.serve(ctx, c, "bench", func() { close(ready) }) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		c.Close()
	})
	<-ready
}

func TestCommands(t *testing.T) {
	broker := fluxtest.New(t)
	t.Setenv("FLUX_URI", broker.URI())
	serveBench(t, "goroutine")
	attr := []string{"attr.get", `{"name":"rank"}`}
	call := Bench{Label: "x", API: "call", Context: "shared", Service: "goroutine"}
	goes := call
	goes.API = "go"
	jsonBoth := call
	jsonBoth.JSON = true
	hooks := call
	hooks.Hooks = true
	each := call
	each.Context = "each"
	memory := goes
	memory.Conn = "memory"
	sequential := call
	sequential.Service = "sequential"
	for _, tt := range []struct {
		name string
		b    Bench
		args []string
		test string
		n    int
	}{
		{"serial", call, append(append([]string{"serial"}, attr...), "20"), "serial:attr.get", 20},
		{"serial json", jsonBoth, append(append([]string{"serial"}, attr...), "20"), "serial:attr.get", 20},
		{"serial deadline", each, append(append([]string{"serial"}, attr...), "5"), "serial:attr.get", 5},
		{"pipe", call, append(append([]string{"pipe"}, attr...), "4", "50"), "pipe:attr.get:4", 50},
		{"pipe hooks", hooks, append(append([]string{"pipe"}, attr...), "4", "50"), "pipe:attr.get:4", 50},
		{"latencies", call, append(append([]string{"lat"}, attr...), "4", "50"), "lat:attr.get:4", 50},
		{"pipe go", goes, append(append([]string{"pipe"}, attr...), "4", "50"), "pipe:attr.get:4", 50},
		{"deeper than there are calls", goes, append(append([]string{"pipe"}, attr...), "64", "3"), "pipe:attr.get:64", 3},
		{"stream", call, []string{"stream", "bench", "100"}, "stream", 100},
		{"echo", call, []string{"echo", "bench", "1024", "4", "40"}, "echo:1024:4", 40},
		{"pub serial", call, []string{"pub", "1", "10"}, "pub:1", 10},
		{"pub", call, []string{"pub", "4", "20"}, "pub:4", 20},
		{"blast", call, []string{"blast", "20"}, "blast", 20},
		{"sub", call, []string{"sub", "30", os.Args[0], "blast", "30"}, "sub", 29},
		{"connect", call, []string{"connect", "5"}, "connect", 5},
		{"mem", call, []string{"mem", "bench", "50"}, "mem", 50},
		{"mem go", goes, []string{"mem", "bench", "50"}, "mem", 50},
		{"embed", call, []string{"embed", "1", "20"}, "embed:1", 20},
		{"embed go", memory, []string{"embed", "8", "40"}, "embed:8", 40},
		{"embed sequential", sequential, []string{"embed", "8", "40"}, "embed:8", 40},
		{"embed2", call, []string{"embed2", "8", "40"}, "embed2:8", 40},
		{"embedstream", call, []string{"embedstream", "100"}, "embedstream", 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := line(t, tt.b, tt.args...)
			if r.Impl != "x" || r.Test != tt.test || r.N != tt.n || r.Ops <= 0 {
				t.Errorf("got %+v, want test %s of %d operations", r, tt.test, tt.n)
			}
		})
	}
}

func TestAllHooksAreSet(t *testing.T) {
	hooks := reflect.ValueOf(emptyHooks())
	for i := range hooks.NumField() {
		if hooks.Field(i).IsNil() {
			t.Errorf("%s is not set", hooks.Type().Field(i).Name)
		}
	}
}

func TestServiceUntilQuit(t *testing.T) {
	broker := fluxtest.New(t)
	t.Setenv("FLUX_URI", broker.URI())
	out, w := io.Pipe()
	b := Bench{Service: "goroutine", Out: w}
	done := make(chan error, 1)
	go func() {
		err := b.Run(t.Context(), []string{"svc", "quits"})
		w.CloseWithError(err)
		done <- err
	}()
	said := bufio.NewReader(out)
	if line, err := said.ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("svc wrote %q, %v", line, err)
	}
	if _, err := broker.Client().Call(t.Context(), "quits.quit", nil); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(said); len(rest) > 0 || err != nil {
		t.Errorf("svc wrote %q more, %v", rest, err)
	}
	if err := <-done; err != nil {
		t.Errorf("svc returned %v", err)
	}
}

func TestMistakes(t *testing.T) {
	for _, args := range [][]string{{}, {"nothing"}, {"serial", "a"}, {"embed", "x", "1"}, {"embedstream", "0"}} {
		b := Bench{Out: new(bytes.Buffer), Service: "goroutine"}
		if err := b.Run(t.Context(), args); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
	b := Bench{Out: new(bytes.Buffer), Service: "nothing"}
	if err := b.Run(t.Context(), []string{"embed", "1", "1"}); err == nil {
		t.Error("unknown -svcmode: no error")
	}
}
