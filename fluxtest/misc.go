package fluxtest

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

var brokerMethods = map[string]method{
	"broker.getenv":       {0, getenv},
	"broker.setenv":       {0, setenv},
	"broker.conf-builtin": {roleAll, confBuiltin},
	"broker.disconnect":   {0, func(*call) {}},
}

// environ is the environment of one rank's broker: that of this process, with
// what clients changed on top. The process itself is left alone.
type environ struct {
	mu      sync.Mutex
	changed map[string]*string
}

func (e *environ) get(name string) (string, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if v, ok := e.changed[name]; ok {
		if v == nil {
			return "", false
		}
		return *v, true
	}
	return os.LookupEnv(name)
}

func getenv(c *call) {
	o := decodeObject(c.m.Payload)
	if !o.has("names") {
		c.fail(ePROTO, "")
		return
	}
	var names []string
	json.Unmarshal(o["names"], &names) // what is no array of names has none
	env := make(map[string]string)
	for _, name := range names {
		if v, ok := c.r.env.get(name); ok {
			env[name] = v
		}
	}
	c.respond(struct {
		Env map[string]string `json:"env"`
	}{env})
}

func setenv(c *call) {
	var env map[string]*string
	if json.Unmarshal(decodeObject(c.m.Payload)["env"], &env) != nil || env == nil {
		c.fail(ePROTO, "")
		return
	}
	e := &c.r.env
	e.mu.Lock()
	if e.changed == nil {
		e.changed = make(map[string]*string)
	}
	maps.Copy(e.changed, env)
	e.mu.Unlock()
	c.ok()
}

func confBuiltin(c *call) {
	var keys []string
	if json.Unmarshal(decodeObject(c.m.Payload)["keys"], &keys) != nil {
		c.fail(ePROTO, "")
		return
	}
	values := make(map[string]string)
	for _, key := range keys {
		if key != "rundir" {
			c.fail(eINVAL, key+": invalid key")
			return
		}
		values[key] = "/run/flux"
	}
	c.respond(struct {
		Values map[string]string `json:"values"`
	}{values})
}

var moduleMethods = map[string]method{
	"module.list":       {roleUser, noArgs(moduleList)},
	"module.load":       {0, moduleLoad},
	"module.remove":     {0, moduleRemove},
	"module.disconnect": {0, func(*call) {}},
}

// moduleLoad finds no module that is not there already.
func moduleLoad(c *call) {
	o := decodeObject(c.m.Payload)
	path, ok := o.str("path")
	if !ok || !o.has("args") {
		c.fail(ePROTO, "")
		return
	}
	slash := strings.Contains(path, "/")
	switch {
	case c.r.module(path):
		c.fail(eEXIST, "")
	case slash && strings.HasSuffix(path, ".so"):
		c.fail(eNOENT, path+": cannot open shared object file: No such file or directory")
	case slash:
		c.fail(eNOENT, "could not determine loader from path suffix")
	default:
		c.fail(eNOENT, "module not found in search path")
	}
}

// moduleRemove removes nothing: the modules are part of the broker.
func moduleRemove(c *call) {
	name, ok := decodeObject(c.m.Payload).str("name")
	switch {
	case !ok:
		c.fail(ePROTO, "")
	case c.r.module(name):
		c.fail(ePERM, "fluxtest: the modules of this broker stay")
	default:
		c.fail(eNOENT, "")
	}
}

// module says whether there is a module of that name.
func (r *rank) module(name string) bool {
	r.inst.mu.RLock()
	s := r.services[name]
	r.inst.mu.RUnlock()
	return s != nil && s.uuid != "" || slices.Contains(r.inst.b.scripts.names(r.n), name)
}

func moduleList(c *call) {
	type module struct {
		Name     string   `json:"name"`
		Path     string   `json:"path"`
		Idle     int      `json:"idle"`
		Status   int      `json:"status"`
		Services []string `json:"services"`
		Sendq    int      `json:"sendqueue"`
		Recvq    int      `json:"recvqueue"`
	}
	names := c.r.inst.b.scripts.names(c.r.n)
	c.r.inst.mu.RLock()
	for name, s := range c.r.services {
		if s.uuid != "" {
			names = append(names, name)
		}
	}
	c.r.inst.mu.RUnlock()
	slices.Sort(names)
	idle := int(time.Since(c.r.inst.started) / time.Second)
	mods := []module{}
	for _, name := range slices.Compact(names) {
		if strings.ContainsAny(name, "*?[") {
			continue
		}
		mods = append(mods, module{Name: name, Path: "builtin", Idle: idle, Status: 1, Services: []string{name}})
	}
	c.respond(struct {
		Mods []module `json:"mods"`
	}{mods})
}

var connectorMethods = map[string]method{"connector-local.stats-get": {0, noArgs(connectorStats)}}

func connectorStats(c *call) {
	c.bt.flush() // what this batch has answered before counts as sent
	type client struct {
		UUID    string `json:"uuid"`
		UserID  uint32 `json:"userid"`
		PID     int    `json:"pid"`
		Tx      int64  `json:"txcount"`
		Rx      int64  `json:"rxcount"`
		Backlog int64  `json:"rxbacklog"`
	}
	type server struct {
		Clients  []client `json:"clients"`
		Connects int64    `json:"connects"`
	}
	clients := []client{}
	for _, conn := range c.r.inst.connections() {
		if conn.r == c.r {
			clients = append(clients, client{
				conn.uuid, conn.userid, conn.pid,
				conn.tx.Load(), conn.stream.out.frames.Load(), conn.backlog(),
			})
		}
	}
	c.respond(struct {
		Server     server `json:"server"`
		Guests     bool   `json:"allow_guest_user"`
		RootOwners bool   `json:"allow_root_owner"`
	}{server{clients, c.r.connects.Load()}, c.r.inst.b.cfg.guests, c.r.inst.b.cfg.rootOwner})
}
