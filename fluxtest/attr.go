package fluxtest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// Version is the release of flux-core that the broker says it is.
const Version = "0.88.0"

const (
	immutable = 1 // shown by attr.get: the value may be cached
	runtimeOK = 2 // attr.set may change it
)

// attrKinds are the names that a broker knows, globs included; nothing else can
// be set by a client.
var attrKinds = []struct {
	glob  string
	flags int
}{
	{"rank", immutable},
	{"size", immutable},
	{"security.owner", immutable},
	{"local-uri", immutable},
	{"parent-uri", immutable},
	{"instance-level", immutable},
	{"jobid", immutable},
	{"jobid-path", immutable},
	{"parent-kvs-namespace", immutable},
	{"hostlist", immutable},
	{"hostname", immutable},
	{"broker.mapping", immutable},
	{"broker.critical-ranks", immutable},
	{"broker.boot-method", immutable},
	{"broker.pid", immutable},
	{"broker.quorum", immutable},
	{"broker.starttime", immutable},
	{"broker.uuid", immutable},
	{"content.hash", immutable},
	{"log-ring-size", immutable},
	{"log-forward-level", immutable},
	{"log-critical-level", immutable},
	{"log-level", immutable},
	{"log-stderr-level", runtimeOK},
	{"conf.shell_*", runtimeOK},
	{"version", 0},
	{"rundir", 0},
	{"statedir", 0},
	{"content.backing-module", 0},
	{"tbon.*", 0},
	{"test.*", runtimeOK},
	{"test-nr.*", 0},
	{"test-im.*", immutable},
}

func attrKind(name string) (flags int, known bool) {
	for _, k := range attrKinds {
		if codec.Match(k.glob, name) {
			return k.flags, true
		}
	}
	return 0, false
}

type attr struct {
	value string
	flags int
}

// attrs are the attributes of one rank.
type attrs struct {
	mu     sync.RWMutex
	values map[string]attr
}

func (a *attrs) init(r *rank) {
	b := r.inst.b
	size := len(r.inst.ranks)
	hosts := strings.TrimSuffix(strings.Repeat("fluxtest,", size), ",")
	rundir := b.dir
	if rundir == "" {
		rundir = "/fluxtest"
	}
	a.values = make(map[string]attr)
	for name, v := range map[string]string{
		"rank":                   r.String(),
		"size":                   strconv.Itoa(size),
		"version":                Version,
		"hostlist":               hosts,
		"hostname":               "fluxtest",
		"instance-level":         "0",
		"jobid-path":             "/",
		"local-uri":              b.URIOf(r.n),
		"rundir":                 rundir,
		"statedir":               rundir,
		"security.owner":         strconv.FormatUint(uint64(b.cfg.owner), 10),
		"broker.boot-method":     "simple",
		"broker.critical-ranks":  "0",
		"broker.mapping":         fmt.Sprintf("[[0,1,%d,1]]", size),
		"broker.pid":             strconv.Itoa(os.Getpid()),
		"broker.quorum":          strconv.Itoa(size),
		"broker.starttime":       fmt.Sprintf("%.2f", seconds(r.inst.started)),
		"broker.uuid":            r.uuid,
		"content.backing-module": "content-sqlite",
		"content.hash":           "sha1",
		"log-critical-level":     "2",
		"log-forward-level":      strconv.Itoa(logForwardLevel),
		"log-level":              strconv.Itoa(logLevel),
		"log-ring-size":          strconv.Itoa(logRingSize),
		"log-stderr-level":       "3",
		"tbon.topo":              fmt.Sprintf("kary:%d", b.cfg.fanout),
		"tbon.descendants":       strconv.Itoa(r.size() - 1),
		"tbon.level":             strconv.Itoa(r.level()),
		"tbon.maxlevel":          strconv.Itoa(r.inst.ranks[0].height()),
	} {
		a.values[name] = newAttr(name, v)
	}
	for name, v := range b.cfg.attrs {
		a.values[name] = newAttr(name, v)
	}
}

func newAttr(name, value string) attr {
	flags, _ := attrKind(name)
	return attr{value, flags}
}

// seconds is a time as Flux writes it in numbers.
func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// SetAttr sets a broker attribute on all ranks, whatever its name and whether
// clients may set it.
func (b *Broker) SetAttr(name, value string) {
	for _, r := range b.inst.Load().ranks {
		r.attrs.mu.Lock()
		r.attrs.values[name] = newAttr(name, value)
		r.attrs.mu.Unlock()
	}
}

var attrMethods = map[string]method{
	"attr.get":  {roleAll, attrGet},
	"attr.list": {roleAll, noArgs(attrList)},
	"attr.set":  {0, attrSet},
	"attr.rm":   {0, attrRemove},
}

func attrGet(c *call) {
	name, ok := decodeObject(c.m.Payload).str("name")
	if !ok {
		c.fail(ePROTO, "")
		return
	}
	c.r.attrs.mu.RLock()
	v, ok := c.r.attrs.values[name]
	c.r.attrs.mu.RUnlock()
	if !ok {
		c.fail(eNOENT, "")
		return
	}
	c.respond(struct {
		Value string `json:"value"`
		Flags int    `json:"flags"`
	}{v.value, v.flags & immutable})
}

func attrList(c *call) {
	c.r.attrs.mu.RLock()
	names := make([]string, 0, len(c.r.attrs.values)+1)
	for name := range c.r.attrs.values {
		names = append(names, name)
	}
	c.r.attrs.mu.RUnlock()
	c.respond(struct {
		Names []string `json:"names"`
	}{append(names, "parent-uri")}) // a real broker lists it though it is not set
}

func attrSet(c *call) {
	o := decodeObject(c.m.Payload)
	name, okName := o.str("name")
	value, okValue := o.str("value")
	force, okForce := false, true
	if o.has("force") {
		force, okForce = o.boolean("force")
	}
	if !okName || !okValue || !okForce {
		c.fail(ePROTO, "")
		return
	}
	flags, known := attrKind(name)
	c.r.attrs.mu.Lock()
	defer c.r.attrs.mu.Unlock()
	_, set := c.r.attrs.values[name]
	switch {
	case !known:
		c.fail(eNOENT, "unknown attribute")
	case set && !force && flags&runtimeOK == 0:
		c.fail(eINVAL, "attribute may not be updated")
	case set && flags&immutable != 0:
		c.fail(ePERM, "")
	case name == "log-stderr-level" && !force && !isLogLevel(value):
		c.fail(eINVAL, "invalid level")
	default:
		c.r.attrs.values[name] = attr{value, flags}
		c.ok()
	}
}

// isLogLevel parses as leniently as the broker does.
func isLogLevel(s string) bool {
	n, err := strconv.Atoi(s)
	return err != nil || n <= 7
}

func attrRemove(c *call) {
	name, ok := decodeObject(c.m.Payload).str("name")
	if !ok {
		c.fail(ePROTO, "")
		return
	}
	c.r.attrs.mu.Lock()
	defer c.r.attrs.mu.Unlock()
	if c.r.attrs.values[name].flags&immutable != 0 {
		c.fail(ePERM, "")
		return
	}
	delete(c.r.attrs.values, name)
	c.ok()
}
