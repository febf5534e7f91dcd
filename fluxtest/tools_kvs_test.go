package fluxtest_test

import (
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/kvs"
)

// kvsTools are the commands of flux kvs. They are run in this order, each of them on one broker after the other.
var kvsTools = []tool{
	{args: []string{"kvs", "put", "t.a=1", "t.b=two words", `t.j={"x":[1,2]}`}},
	{args: []string{"kvs", "get", "t.a"}, want: `^1$`},
	{args: []string{"kvs", "get", "--label", "t.a", "t.b"}, want: `^t\.a=1\nt\.b=two words$`},
	{args: []string{"kvs", "get", "t.nosuch"}, want: `t\.nosuch: No such file or directory`, fails: true},
	{args: []string{"kvs", "get", "t"}, want: `t: Is a directory`, fails: true},
	{args: []string{"kvs", "get", "--treeobj", "t.a"}, want: `^\{"data":"MQ==","type":"val","ver":1\}$`},
	{args: []string{"kvs", "get", "--raw", "t.a"}, want: `^1$`},
	{args: []string{"kvs", "put", "--raw", "t.raw=-"}, input: "from input"},
	{args: []string{"kvs", "get", "--raw", "t.raw"}, want: `^from input$`},
	{args: []string{"kvs", "put", "--append", "t.app=x"}},
	{args: []string{"kvs", "put", "--append", "t.app=y"}},
	{args: []string{"kvs", "get", "--stream", "t.app"}, want: `(?s)^x.*y$`},
	{args: []string{"kvs", "put", "--no-merge", "t.a=2"}},
	{args: []string{"kvs", "put", "--sync", "t.a=3"}},
	{args: []string{"kvs", "put", "--blobref", "t.a=4"}, want: `^sha1-[0-9a-f]{40}$`},
	{args: []string{"kvs", "put", "--sequence", "t.a=5"}, want: `^[0-9]+$`},
	{args: []string{"kvs", "mkdir", "t.d"}},
	{args: []string{"kvs", "put", "t.d.k=v"}},
	{args: []string{"kvs", "link", "t.a", "t.l"}},
	{args: []string{"kvs", "get", "t.l"}, want: `^5$`},
	{args: []string{"kvs", "readlink", "t.l"}, want: `^t\.a$`},
	{args: []string{"kvs", "readlink", "t.a"}, want: `t\.a: Invalid argument`, fails: true},
	{args: []string{"kvs", "ls", "t"}, want: `^a +app +b +d +j +l +raw$`},
	{args: []string{"kvs", "ls", "-1F", "t"}, want: `^a\napp\nb\nd\.\nj\nl@?\nraw$`},
	{args: []string{"kvs", "ls", "-R", "t"}, want: `(?s)t:.*t\.d:\nk`},
	{args: []string{"kvs", "ls", "-d", "t"}, want: `^t$`},
	{args: []string{"kvs", "dir", "t"},
		want: `(?s)^t\.a = 5\nt\.app = xy\nt\.b = two words\n` +
			`t\.d\.\nt\.j = \{"x":\[1,2\]\}\nt\.l -> t\.a\nt\.raw = from input$`},
	{args: []string{"kvs", "dir", "-R", "t"}, want: `t\.d\.k = v`},
	{args: []string{"kvs", "dir", "-d", "t"}, want: `^t\.a\nt\.app`},
	{args: []string{"kvs", "dir", "t.a"}, want: `t\.a: Not a directory`, fails: true},
	{args: []string{"kvs", "copy", "t.d", "t.e"}},
	{args: []string{"kvs", "get", "t.e.k"}, want: `^v$`},
	{args: []string{"kvs", "move", "t.e.k", "t.m"}},
	{args: []string{"kvs", "get", "t.m"}, want: `^v$`},
	{args: []string{"kvs", "get", "t.e.k"}, want: `No such file or directory`, fails: true},
	{args: []string{"kvs", "unlink", "t.d"}, want: `Directory not empty`, fails: true},
	{args: []string{"kvs", "unlink", "-R", "t.d"}},
	{args: []string{"kvs", "unlink", "t.nosuch"}, want: `No such file or directory`, fails: true},
	{args: []string{"kvs", "unlink", "-f", "t.nosuch"}},
	{args: []string{"kvs", "version"}, want: `^[0-9]+$`},
	{args: []string{"kvs", "wait", "1"}},
	{args: []string{"kvs", "getroot"},
		want: `^\{"data":\["sha1-[0-9a-f]{40}"\],"type":"dirref","ver":1\}$|` +
			`^\{"ver":1,"type":"dirref","data":\["sha1-[0-9a-f]{40}"\]\}$`},
	{args: []string{"kvs", "getroot", "--blobref"}, want: `^sha1-[0-9a-f]{40}$`},
	{args: []string{"kvs", "getroot", "--sequence"}, want: `^[0-9]+$`},
	{args: []string{"kvs", "getroot", "--owner"}, want: `^[0-9]+$`},
	{name: "kvs get --at", args: []string{"python", "-c", pyKVSAt}, want: `^5$`},
	{args: []string{"kvs", "namespace", "create", "tools1", "tools2"}},
	{args: []string{"kvs", "namespace", "create", "tools1"}, want: `tools1: File exists`, fails: true},
	{args: []string{"kvs", "namespace", "list"}, want: `(?m)^tools1 +[0-9]+ +0x00000000$`},
	{args: []string{"kvs", "put", "--namespace=tools1", "k=in ns"}},
	{args: []string{"kvs", "get", "--namespace=tools1", "k"}, want: `^in ns$`},
	{args: []string{"kvs", "link", "--target-namespace=tools1", "k", "t.nsl"}},
	{args: []string{"kvs", "get", "t.nsl"}, want: `^in ns$`},
	{args: []string{"kvs", "readlink", "t.nsl"}, want: `^tools1::k$`},
	{args: []string{"kvs", "get", "--namespace=nosuch", "k"}, want: `k: Operation not supported`, fails: true},
	{args: []string{"kvs", "namespace", "remove", "tools1", "tools2"}},
	{args: []string{"kvs", "namespace", "remove", "primary"}, want: `primary: Operation not supported`, fails: true},
	{args: []string{"kvs", "eventlog", "append", "--timestamp=1.5", "t.log", "one", `{"n":1}`}},
	{args: []string{"kvs", "eventlog", "append", "--timestamp=2.5", "t.log", "two"}},
	{args: []string{"kvs", "eventlog", "get", "--unformatted", "t.log"},
		want: `^\{"timestamp":1\.5,"name":"one","context":\{"n":1\}\}\n\{"timestamp":2\.5,"name":"two"\}$`},
	{args: []string{"kvs", "eventlog", "get", "t.log"}, want: `one n=1\n.*two`},
	{args: []string{"kvs", "eventlog", "get", "--watch", "--count=2", "t.log"}, want: `one n=1\n.*two`},
	{args: []string{"kvs", "eventlog", "wait-event", "t.log", "two"}, want: `two`},
	{args: []string{"kvs", "eventlog", "wait-event", "--timeout=0.05", "t.log", "three"},
		want: `wait-event timeout on event 'three'`, fails: true},
	{args: []string{"kvs", "get", "--watch", "--count=1", "t.a"}, want: `^5$`},
	{args: []string{"kvs", "get", "--waitcreate", "t.a"}, want: `^5$`},
	{args: []string{"content", "flush"}},
	{args: []string{"content", "dropcache"}},
	{name: "kvs get as a guest", env: asGuestEnv, args: []string{"kvs", "get", "t.a"},
		want: `t\.a: Operation not permitted`, fails: true},
	{name: "python: kvs", args: []string{"python", "-c", pyKVS}, want: `^done$`},
}

// pyKVSAt reads a key at a root that is no longer the current one.
const pyKVSAt = `
import subprocess
def run(*args): return subprocess.run(("flux", "kvs") + args, check=True, capture_output=True, text=True).stdout.strip()
root = run("getroot")
run("put", "t.a=6")
assert run("get", "t.a") == "6"
print(run("get", "--at", root, "t.a"))
run("put", "t.a=5")
`

// pyKVS uses the Python binding.
const pyKVS = `
import flux, flux.kvs
h = flux.Flux()
d = flux.kvs.get_dir(h)
d.mkdir("py")
flux.kvs.put(h, "py.a", {"x": 1})
flux.kvs.put(h, "py.b", "text")
flux.kvs.commit(h)
assert flux.kvs.get(h, "py.a") == {"x": 1}
assert flux.kvs.get(h, "py.b") == "text"
assert flux.kvs.exists(h, "py.a") and not flux.kvs.exists(h, "py.c")
assert flux.kvs.isdir(h, "py")
names = sorted(f for _, _, fs in flux.kvs.walk("py", flux_handle=h) for f in fs)
assert names == ["a", "b"], names
flux.kvs.namespace_create(h, "pyns")
assert "pyns" in flux.kvs.namespace_list(h)
flux.kvs.namespace_remove(h, "pyns")
print("done")
`

// flux kvs takes the embedded store for a real one: it prints there what it prints at a real one.
func TestFluxKVSTools(t *testing.T) {
	if _, err := exec.LookPath("flux"); err != nil {
		t.Skipf("NOT TESTED: flux kvs against the embedded broker: %v", err)
	}
	brokers := map[string]instance{
		embeddedOne: fluxtest.New(t, fluxtest.Size(4), fluxtest.FanOut(32)),
		realOne:     fluxtest.Real(t, 4),
	}
	for _, name := range slices.Sorted(maps.Keys(brokers)) {
		uri := brokers[name].URIOf(0)
		t.Run(name, func(t *testing.T) {
			for _, p := range kvsTools {
				t.Run(p.title(), func(t *testing.T) { p.run(t, uri) })
			}
			for _, p := range kvsWatchTools {
				t.Run(strings.Join(p.args, " "), func(t *testing.T) { p.run(t, uri) })
			}
		})
	}
}

// watchTool is a command that follows what is committed while it runs.
type watchTool struct {
	args []string
	key  string
	want string
}

var kvsWatchTools = []watchTool{
	{[]string{"kvs", "get", "--watch", "--waitcreate", "--count=2", "t.w1"}, "t.w1", `^v(\nv)+$`},
	{[]string{"kvs", "get", "--watch", "--waitcreate", "--append", "--raw", "--count=3", "t.w2"}, "t.w2", `^vvv+$`},
	{[]string{"kvs", "eventlog", "get", "--unformatted", "--watch", "--waitcreate", "--count=2", "t.w3"}, "t.w3",
		`^\{"timestamp":1.0,"name":"e"\}(\n\{"timestamp":1.0,"name":"e"\})+$`},
}

func (p watchTool) run(t *testing.T, uri string) {
	c, err := flux.Dial(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := kvs.Open(c, kvs.Namespace("primary"))
	appends, value := strings.Contains(strings.Join(p.args, " "), "append"), "v"
	if p.args[1] == "eventlog" {
		appends, value = true, `{"timestamp":1.0,"name":"e"}`+"\n"
	}
	out := until(t, fluxCommand(t.Context(), uri, p.args...), func() error {
		txn := s.Txn()
		if appends {
			txn.Append(p.key, value)
		} else {
			txn.Put(p.key, value)
		}
		_, err := txn.Commit(t.Context())
		return err
	})
	if !regexp.MustCompile(p.want).MatchString(out) { // what came before the cancel was served is printed as well
		t.Errorf("%q, want %s", out, p.want)
	}
}
