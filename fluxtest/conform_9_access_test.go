package fluxtest_test

import (
	"crypto/sha1"

	"github.com/flux-sdk/flux/codec"
)

const (
	statsShape = `{"tx":{"request":0,"response":0,"event":0,"control":0},` +
		`"rx":{"request":0,"response":0,"event":0,"control":0}}`
	healthShape  = `{"rank":0,"status":"","duration":0,"children":[]}`
	overlayShape = `{"child-count":0,"child-connected":0,"parent-count":0,` +
		`"parent-rpc":0,"child-rpc":0,"interthread":{"sendq":0,"recvq":0}}`
	modulesShape = `{"mods":[{"name":"","path":"","idle":0,"status":1,"services":[],"sendqueue":0,"recvqueue":0}]}`
	rusageShape  = `{"utime":0,"stime":0,"maxrss":0,"ixrss":0,"idrss":0,"isrss":0,` +
		`"minflt":0,"majflt":0,"nswap":0,"inblock":0,"oublock":0,"msgsnd":0,"msgrcv":0,` +
		`"nsignals":0,"nvcsw":0,"nivcsw":0}`
	logStatsShape = `{"ring-used":0,"count":0,"local":0,"remote":0}`
)

// accessRows are who may call what: each method by its owner, by a guest that
// the owner plays, and by a real one.
func accessRows() []row {
	const onlyOwner = "Request requires owner credentials"
	hash := sha1.Sum([]byte("conform"))
	var rows []row
	for _, m := range []struct {
		topic string
		args  any
		open  bool // to guests
		w     answer
		flags codec.Flags
	}{
		{"attr.get", obj{"name": "rank"}, true, okText(rank0), 0},
		{"attr.list", nil, true, okShape(`{"names":[""]}`), 0},
		{"attr.set", obj{"name": "test.conf", "value": "1"}, false, ok(), 0},
		{"attr.rm", obj{"name": "test.conf"}, false, ok(), 0},
		{"broker.ping", obj{}, true, okLike("route"), 0},
		{"overlay.ping", obj{}, true, okLike("route"), 0},
		{"broker.stats-get", nil, true, okShape(statsShape), 0},
		{"config.stats-get", nil, true, okShape(statsShape), 0},
		{"overlay.stats-get", nil, true, okShape(overlayShape), 0},
		{"groups.stats-get", nil, true, okLike("subtree"), 0},
		{"log.stats-get", nil, false, okShape(logStatsShape), 0},
		{"broker.stats-clear", nil, false, ok(), 0},
		{"config.stats-clear", nil, false, ok(), 0},
		{"broker.rusage", nil, true, okShape(rusageShape), 0},
		{"config.rusage", nil, true, okShape(rusageShape), 0},
		{"broker.debug", obj{"op": "clrbit", "flags": 0}, false, okShape(`{"flags":0}`), 0},
		{"config.debug", obj{"op": "clrbit", "flags": 0}, false, okShape(`{"flags":0}`), 0},
		{"broker.getenv", obj{"names": []string{}}, false, okText(`{"env":{}}`), 0},
		{"broker.setenv", obj{"env": obj{}}, false, ok(), 0},
		{"broker.conf-builtin", obj{"keys": []string{}}, true, okText(`{"values":{}}`), 0},
		{"state-machine.get", nil, true, okShape(`{"state":"","duration":0}`), 0},
		{"state-machine.wait", nil, true, ok(), 0},
		{"state-machine.monitor", nil, false, okText(`{"state":5}`), 0},
		{"log.append", nil, false, ok(), 0},
		{"log.clear", nil, false, ok(), 0},
		{"log.dmesg", obj{"follow": 0}, false, fails(71), codec.FlagStreaming},
		{"groups.get", obj{"name": "broker.online"}, true, okText(`{"members":"0-3"}`), 0},
		{"groups.join", nil, false, fails(71), 0},
		{"groups.leave", nil, false, fails(71), 0},
		{"overlay.topology", obj{"rank": 3}, true, okText(`{"rank":3,"size":1,"children":[]}`), 0},
		{"overlay.health", nil, true, okLike(`^{"rank":0,"status":"full",`), 0},
		{"module.list", nil, true, okShape(modulesShape), 0},
		{"module.load", nil, false, fails(71), 0},
		{"module.remove", nil, false, fails(71), 0},
		{"config.get", nil, true, okLike("^{.*}$"), 0},
		{"config.load", nil, false, fails(71, "error decoding config.load request"), 0},
		{"connector-local.stats-get", nil, false, okLike("server"), 0},
		{"content.store", []byte("conform"), false, okRaw(hash[:]), 0},
		{"content.load", nil, false, fails(71), 0},
		{"event.publish", obj{"topic": "conf.none", "flags": 0}, true, okShape(`{"seq":1}`), 0},
	} {
		req := func() *codec.Message { return at(flagged(rq(m.topic, m.args), m.flags), 0) }
		guests := m.w
		if !m.open {
			guests = fails(1, onlyOwner)
		}
		rows = append(rows,
			one("9", m.topic+": as owner", 0, req, m.w),
			one("9", m.topic+": as a guest that the owner plays", 0,
				func() *codec.Message { return asGuest(req()) }, guests),
			row{sec: "9", name: m.topic + ": as a guest", run: func(c *convo) { c.guest(0).ask(req(), guests) }})
	}
	return append(rows,
		one("9", "config.reload: as a guest that the owner plays", 0,
			func() *codec.Message { return asGuest(rq("config.reload", nil)) }, fails(1, onlyOwner)),
		row{sec: "9", name: "config.reload: as a guest",
			run: func(c *convo) { c.guest(0).ask(rq("config.reload", nil), fails(1, onlyOwner)) }},
	)
}
