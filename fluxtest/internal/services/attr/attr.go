// Package attr is the service of broker attributes (attr.get, attr.set and so on).
package attr

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/router"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
)

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

// rankAttributes are the attributes of one rank.
type rankAttributes struct {
	mu     sync.RWMutex
	values map[string]attr // guarded by mu
}

// Settings are what the attributes say that a new instance has.
type Settings struct {
	Version string
	FanOut  int
	RunDir  string
	URI     func(rank uint32) string
	// Log are the attributes of the log service.
	Log map[string]string
	// More are further attributes, of all ranks.
	More map[string]string
}

// Attributes is the service.
type Attributes struct {
	ranks []*rankAttributes
}

// New makes the service for an instance.
func New(inst *router.Instance, s Settings) *Attributes {
	a := new(Attributes)
	for _, r := range inst.Ranks() {
		a.ranks = append(a.ranks, newRankAttributes(inst, r, s))
	}
	return a
}

func newRankAttributes(inst *router.Instance, r *router.Rank, s Settings) *rankAttributes {
	size := inst.Size()
	a := &rankAttributes{values: make(map[string]attr)}
	a.setAll(map[string]string{
		"rank":                   strconv.FormatUint(uint64(r.Number()), 10),
		"size":                   strconv.Itoa(size),
		"version":                s.Version,
		"hostlist":               strings.TrimSuffix(strings.Repeat("fluxtest,", size), ","),
		"hostname":               "fluxtest",
		"instance-level":         "0",
		"jobid-path":             "/",
		"local-uri":              s.URI(r.Number()),
		"rundir":                 s.RunDir,
		"statedir":               s.RunDir,
		"security.owner":         strconv.FormatUint(uint64(inst.Owner()), 10),
		"broker.boot-method":     "simple",
		"broker.critical-ranks":  "0",
		"broker.mapping":         fmt.Sprintf("[[0,1,%d,1]]", size),
		"broker.pid":             strconv.Itoa(os.Getpid()),
		"broker.quorum":          strconv.Itoa(size),
		"broker.starttime":       fmt.Sprintf("%.2f", seconds(inst.Started())),
		"broker.uuid":            r.UUID(),
		"content.backing-module": "content-sqlite",
		"content.hash":           "sha1",
		"tbon.topo":              fmt.Sprintf("kary:%d", s.FanOut),
		"tbon.descendants":       strconv.Itoa(r.SubtreeSize() - 1),
		"tbon.level":             strconv.Itoa(r.Level()),
		"tbon.maxlevel":          strconv.Itoa(inst.Ranks()[0].Height()),
	})
	a.setAll(s.Log)
	a.setAll(s.More)
	return a
}

func (a *rankAttributes) setAll(values map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, v := range values {
		a.values[name] = newAttr(name, v)
	}
}

func newAttr(name, value string) attr {
	flags, _ := attrKind(name)
	return attr{value, flags}
}

// seconds is a time as Flux writes it in numbers.
func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// Set sets an attribute on all ranks, whatever its name and whether clients may
// set it.
func (a *Attributes) Set(name, value string) {
	for _, r := range a.ranks {
		r.setAll(map[string]string{name: value})
	}
}

// Service is what is to be registered.
func (a *Attributes) Service() *service.Service {
	return &service.Service{Name: "attr", Methods: map[string]service.Method{
		"get":  {Allow: flux.RoleAll, Serve: a.get},
		"list": {Allow: flux.RoleAll, Serve: service.NoArgs(a.list)},
		"set":  {Serve: a.set},
		"rm":   {Serve: a.remove},
	}}
}

func (a *Attributes) get(r *service.Request) {
	at := a.ranks[r.Rank()]
	name, ok := r.Object().Str("name")
	if !ok {
		r.Fail(flux.EPROTO, "")
		return
	}
	at.mu.RLock()
	v, ok := at.values[name]
	at.mu.RUnlock()
	if !ok {
		r.Fail(flux.ENOENT, "")
		return
	}
	r.Respond(struct {
		Value string `json:"value"`
		Flags int    `json:"flags"`
	}{v.value, v.flags & immutable})
}

func (a *Attributes) list(r *service.Request) {
	at := a.ranks[r.Rank()]
	at.mu.RLock()
	names := make([]string, 0, len(at.values)+1)
	for name := range at.values {
		names = append(names, name)
	}
	at.mu.RUnlock()
	r.Respond(struct {
		Names []string `json:"names"`
	}{append(names, "parent-uri")}) // a real broker lists it though it is not set
}

func (a *Attributes) set(r *service.Request) {
	at := a.ranks[r.Rank()]
	o := r.Object()
	name, okName := o.Str("name")
	value, okValue := o.Str("value")
	force, okForce := false, true
	if o.Has("force") {
		force, okForce = o.Bool("force")
	}
	if !okName || !okValue || !okForce {
		r.Fail(flux.EPROTO, "")
		return
	}
	flags, known := attrKind(name)
	at.mu.Lock()
	defer at.mu.Unlock()
	_, set := at.values[name]
	switch {
	case !known:
		r.Fail(flux.ENOENT, "unknown attribute")
	case set && !force && flags&runtimeOK == 0:
		r.Fail(flux.EINVAL, "attribute may not be updated")
	case set && flags&immutable != 0:
		r.Fail(flux.EPERM, "")
	case name == "log-stderr-level" && !force && !isLogLevel(value):
		r.Fail(flux.EINVAL, "invalid level")
	default:
		at.values[name] = attr{value, flags}
		r.OK()
	}
}

// isLogLevel parses as leniently as the broker does.
func isLogLevel(s string) bool {
	n, err := strconv.Atoi(s)
	return err != nil || n <= 7
}

func (a *Attributes) remove(r *service.Request) {
	at := a.ranks[r.Rank()]
	name, ok := r.Object().Str("name")
	if !ok {
		r.Fail(flux.EPROTO, "")
		return
	}
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.values[name].flags&immutable != 0 {
		r.Fail(flux.EPERM, "")
		return
	}
	delete(at.values, name)
	r.OK()
}
