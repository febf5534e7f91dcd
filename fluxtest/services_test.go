package fluxtest_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

func TestAttributes(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w := dialWire(t, b)
		get := func(name string) *codec.Message { return w.call(request("attr.get", 1, obj{"name": name})) }
		set := func(name, value string, force bool) *codec.Message {
			o := obj{"name": name, "value": value}
			if force {
				o["force"] = true
			}
			return w.call(request("attr.set", 1, o))
		}
		want(t, get("size"), 0, `{"value":"7","flags":1}`)
		want(t, get("tbon.maxlevel"), 0, `{"value":"2","flags":0}`)
		want(t, get("tbon.descendants"), 0, `{"value":"6","flags":0}`)
		want(t, get("tbon.topo"), 0, `{"value":"kary:2","flags":0}`)
		want(t, get("local-uri"), 0, `{"value":"`+b.URI()+`","flags":1}`)
		want(t, get("parent-uri"), 2, "")
		want(t, get("x"), 0, `{"value":"of the test","flags":0}`)
		want(t, set("test.a", "1", false), 0, "")
		want(t, set("test.a", "2", false), 0, "")
		want(t, get("test.a"), 0, `{"value":"2","flags":0}`)
		want(t, set("rank", "9", false), 22, "attribute may not be updated")
		want(t, set("rank", "9", true), 1, "")
		want(t, set("nosuch", "9", false), 2, "unknown attribute")
		want(t, set("version", "9", false), 22, "attribute may not be updated")
		want(t, set("version", "9", true), 0, "")
		want(t, set("log-stderr-level", "3", false), 0, "")
		want(t, set("log-stderr-level", "9", false), 22, "invalid level")
		want(t, w.call(request("attr.set", 1, obj{"name": "test.a", "value": 1})), 71, "")
		want(t, w.call(request("attr.rm", 1, obj{"name": "test.a"})), 0, "")
		want(t, w.call(request("attr.rm", 1, obj{"name": "test.a"})), 0, "")
		want(t, w.call(request("attr.rm", 1, obj{"name": "rank"})), 1, "")
		want(t, get("test.a"), 2, "")
		b.SetAttr("jobid", "f1")
		want(t, get("jobid"), 0, `{"value":"f1","flags":1}`)
		var list struct{ Names []string }
		text, _ := codec.JSONPayload(w.call(request("attr.list", 1, nil)).Payload)
		if err := json.Unmarshal(text, &list); err != nil || !slices.Contains(list.Names, "rank") || !slices.Contains(list.Names, "parent-uri") {
			t.Errorf("%v %q", err, list.Names)
		}
	}, fluxtest.Size(7), fluxtest.Attr("x", "of the test"))
}

// JSON is read as C services read it.
func TestRequestJSON(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w := dialWire(t, b)
		for text, errnum := range map[string]uint32{
			`{"name":"rank"}`:                            0,
			` { "name" : "rank" } `:                      0,
			`{"name":"size","name":"rank"}`:              0,
			`{"name":"rank","n":9223372036854775807}`:    0,
			`{"name":"rank","n":-9223372036854775808}`:   0,
			`{"name":"rank","s":"99999999999999999999"}`: 0,
			`{"name":"rank","n":9223372036854775808}`:    71,
			`{"name":"rank","n":[18446744073709551615]}`: 71,
			`{"name":"rank","n":99999999999999999999.5}`: 0,
			`{"Name":"rank"}`:                            71,
			`{"name":null}`:                              71,
			`"rank"`:                                     71,
			`[{"name":"rank"}]`:                          71,
			`{"name":"rank"`:                             71,
			"{\"name\":\"\xff\"}":                        71,
			`{"name":"no\u0000"}`:                        2,
		} {
			m := request("attr.get", 1, nil)
			m.SetPayload(append([]byte(text), 0))
			if r := w.call(m); r.Errnum != errnum {
				t.Errorf("%s: %s, want errno %d", text, show(r), errnum)
			}
		}
		for in, out := range map[string]string{
			`{"a":[1,-2,0.5,1e20,1e-7,100.0,true,null,{}],"b":"\u00e9\n<"}`: `{"a": [1, -2, 0.5, 1e20, 9.9999999999999995e-8, 100.0, true, null, {}], "b": "é\n<", "route": `,
			`{"rank":7,"z":0.1}`: `{"rank": 0, "z": 0.10000000000000001, "route": `,
		} {
			m := request("broker.ping", 1, nil)
			m.SetPayload(append([]byte(in), 0))
			if text, _ := codec.TextPayload(w.call(m).Payload); !strings.HasPrefix(text, out) {
				t.Errorf("%s\n%s, want\n%s", in, text, out)
			}
		}
		for in, errnum := range map[string]uint32{`[]`: 12, `{"a":"\u0000"}`: 71, `1`: 71, `{"a":`: 71} {
			m := request("broker.ping", 1, nil)
			m.SetPayload(append([]byte(in), 0))
			want(t, w.call(m), errnum, "")
		}
	})
}

func TestLog(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w, follower := dialWire(t, b), dialWire(t, b)
		dmesg := func(o obj) *codec.Message { return flagged(request("log.dmesg", 3, o), codec.FlagStreaming) }
		want(t, w.call(request("log.dmesg", 3, obj{"follow": false})), 71, "")
		want(t, w.call(dmesg(obj{})), 71, "")
		want(t, w.call(request("log.clear", 1, nil)), 0, "")
		want(t, w.call(dmesg(obj{"follow": false})), 61, "")
		follower.send(dmesg(obj{"follow": true, "nobacklog": true}))
		follower.none()
		record := func(tag uint32, text string) *codec.Message {
			m := request("log.append", tag, nil)
			m.SetPayload([]byte(text))
			return m
		}
		want(t, w.call(record(5, "<48>1 - 0 x 1 - - one")), 0, "")
		w.send(record(0, "<48>1 - 0 x 1 - - two"), flagged(record(6, "<48>1 - 0 x 1 - - three"), codec.FlagNoResponse))
		w.send(record(0, "no record"), record(0, "<48>1 - 1 x 1 - - of another rank"))
		w.none()
		for _, text := range []string{"one", "two", "three"} {
			want(t, follower.next(), 0, "<48>1 - 0 x 1 - - "+text)
		}
		w.send(dmesg(obj{"follow": false}))
		for _, text := range []string{"one", "two", "three"} {
			want(t, w.next(), 0, "<48>1 - 0 x 1 - - "+text)
		}
		want(t, w.next(), 61, "")
		b.Log(0, 6, "app", "four")
		if text, _ := codec.TextPayload(follower.next().Payload); !strings.HasPrefix(text, "<48>1 ") || !strings.HasSuffix(text, " - - four") {
			t.Error(text)
		}
		cancel := flagged(request("log.cancel", 0, obj{"matchtag": 3}), codec.FlagNoResponse)
		w.send(cancel)
		follower.none()
		// Not even a cancel that wants an answer gets one.
		follower.send(request("log.cancel", 9, obj{"matchtag": 3}))
		want(t, follower.next(), 61, "")
		follower.none()
		follower.send(cancel)
		follower.none()
		follower.send(dmesg(obj{"follow": true, "nobacklog": true}))
		follower.conn.Close()
		b.Log(0, 3, "app", "five")
		b.Log(7, 3, "app", "no such rank")
		m := w.call(request("log.stats-get", 1, nil))
		if text, _ := codec.TextPayload(m.Payload); text != `{"ring-used":5,"count":6,"local":6,"remote":2}` {
			t.Error(text)
		}
	})
}

func TestState(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		const offline = "Upstream Flux broker is offline. Try again later."
		w, waiter := dialWire(t, b), dialWire(t, b)
		want(t, w.call(request("broker.ping", 1, obj{})), 11, offline)
		want(t, w.call(request("attr.list", 1, nil)), 11, offline)
		want(t, w.call(at(publish("x", 0, ""), 0)), 11, offline)
		want(t, w.call(request("attr.get", 1, obj{"name": "rank"})), 0, `{"value":"0","flags":1}`)
		want(t, w.call(request("event.subscribe", 1, obj{"topic": "x"})), 0, "")
		want(t, w.call(request("state-machine.get", 1, nil)), 0, `{"state":"join","duration":0}`)
		waiter.send(request("state-machine.wait", 2, nil))
		waiter.none()

		b.SetState("quorum")
		waiter.none()
		monitor := dialWire(t, b)
		want(t, monitor.call(flagged(request("state-machine.monitor", 4, obj{"final": 6}), codec.FlagStreaming)), 0, `{"state":4}`)
		want(t, w.call(request("state-machine.monitor", 4, nil)), 0, `{"state":4}`)
		want(t, w.call(flagged(request("state-machine.monitor", 4, obj{"final": 3}), codec.FlagStreaming)), 61, "")

		b.SetState("run")
		want(t, waiter.next(), 0, "")
		want(t, monitor.next(), 0, `{"state":5}`)
		b.SetState("cleanup")
		want(t, monitor.next(), 0, `{"state":6}`)
		want(t, monitor.next(), 61, "")
		want(t, w.call(request("state-machine.wait", 2, nil)), 2, "broker has surpassed RUN state")
		b.SetState("exit")
		monitor.none()
		waiter.none()
	}, fluxtest.State("join"))
}

func TestGroups(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w, low := dialWire(t, b), dialWire(t, b, fluxtest.AtRank(1))
		want(t, w.call(flagged(request("groups.get", 1, obj{"name": "g"}), codec.FlagStreaming)), 0, `{"members":""}`)
		want(t, low.call(request("groups.join", 2, obj{"name": "g"})), 0, "")
		want(t, w.next(), 0, `{"members":"1"}`)
		want(t, low.call(request("groups.join", 2, obj{"name": "g"})), 17, "rank 1 is already a member of g")
		want(t, low.call(at(request("groups.join", 2, obj{"name": "g"}), 2)), 71, "groups.join is restricted to the local broker")
		want(t, w.call(request("groups.leave", 2, obj{"name": "g"})), 2, "rank 0 is not a member of g")
		want(t, low.call(request("groups.get", 2, obj{"name": "g"})), 71, "this RPC is only available on rank 0")
		want(t, low.call(request("groups.leave", 2, obj{"name": "g"})), 0, "")
		want(t, w.next(), 0, `{"members":""}`)
		low.call(request("groups.join", 2, obj{"name": "g"}))
		want(t, w.next(), 0, `{"members":"1"}`)
		low.conn.Close()
		want(t, w.next(), 0, `{"members":""}`)
		w.none()
	}, fluxtest.Size(4))
}

func TestBrokerServices(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w := dialWire(t, b)
		want(t, w.call(request("broker.setenv", 1, obj{"env": obj{"FLUXTEST_A": "1", "PATH": nil}})), 0, "")
		want(t, w.call(request("broker.getenv", 1, obj{"names": []string{"FLUXTEST_A", "PATH"}})), 0, `{"env":{"FLUXTEST_A":"1"}}`)
		want(t, w.call(request("broker.getenv", 1, obj{})), 71, "")
		want(t, w.call(request("broker.setenv", 1, obj{"env": 1})), 71, "")
		want(t, w.call(request("broker.conf-builtin", 1, obj{"keys": []string{"rundir"}})), 0, `{"values":{"rundir":"/run/flux"}}`)
		want(t, w.call(request("broker.conf-builtin", 1, obj{"keys": []string{"zz"}})), 22, "zz: invalid key")
		want(t, w.call(request("broker.debug", 1, obj{"op": "setbit", "flags": 5})), 0, `{"flags":5}`)
		want(t, w.call(request("broker.debug", 1, obj{"op": "clrbit", "flags": 1})), 0, `{"flags":4}`)
		want(t, w.call(request("broker.debug", 1, obj{"op": "x", "flags": 1})), 71, "")
		want(t, w.call(request("broker.stats-clear", 1, nil)), 0, "")
		want(t, w.call(request("config.get", 1, nil)), 0, `{}`)
		if text, _ := codec.TextPayload(w.call(request("module.list", 1, nil)).Payload); !strings.Contains(text,
			`{"name":"overlay","path":"builtin","idle":0,"status":1,"services":["overlay"],"sendqueue":0,"recvqueue":0}`) {
			t.Error(text)
		}
		other := dialWire(t, b)
		m := w.call(request("connector-local.stats-get", 1, nil))
		var stats struct {
			Server struct {
				Clients []struct {
					UUID                       string
					UserID                     uint32
					TxCount, RxCount, RxBackog int
				}
				Connects int
			}
			AllowGuest *bool `json:"allow_guest_user"`
		}
		text, _ := codec.JSONPayload(m.Payload)
		if err := json.Unmarshal(text, &stats); err != nil || len(stats.Server.Clients) != 2 || stats.Server.Connects != 2 ||
			stats.Server.Clients[0].TxCount != 13 || stats.Server.Clients[0].RxCount != 12 || stats.AllowGuest == nil {
			t.Errorf("%v %s", err, text)
		}
		if c := b.Conns()[0]; c.UUID() != stats.Server.Clients[0].UUID || c.Number() != 1 || c.Rank() != 0 || c.UserID() != 0 {
			t.Errorf("connection %d %s", c.Number(), c.UUID())
		}
		other.conn.Close()
	})
}
