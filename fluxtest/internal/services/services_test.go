package services_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/fluxtest/internal/wiretest"
)

// JSON is read as C services read it.
func TestRequestJSON(t *testing.T) {
	wiretest.Bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w := wiretest.Dial(t, b)
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
			m := wiretest.Request("attr.get", 1, nil)
			m.SetPayload(append([]byte(text), 0))
			if r := w.Call(m); r.Errnum != errnum {
				t.Errorf("%s: %s, want errno %d", text, wiretest.Show(r), errnum)
			}
		}
		for in, out := range map[string]string{
			`{"a":[1,-2,0.5,1e20,1e-7,100.0,true,null,{}],"b":"\u00e9\n<"}`: `{"a": [1, -2, 0.5, ` +
				`1e20, 9.9999999999999995e-8, 100.0, true, null, {}], "b": "é\n<", "route": `,
			`{"rank":7,"z":0.1}`: `{"rank": 0, "z": 0.10000000000000001, "route": `,
		} {
			m := wiretest.Request("broker.ping", 1, nil)
			m.SetPayload(append([]byte(in), 0))
			if text, _ := codec.TextPayload(w.Call(m).Payload); !strings.HasPrefix(text, out) {
				t.Errorf("%s\n%s, want\n%s", in, text, out)
			}
		}
		for in, errnum := range map[string]uint32{`[]`: 12, `{"a":"\u0000"}`: 71, `1`: 71, `{"a":`: 71} {
			m := wiretest.Request("broker.ping", 1, nil)
			m.SetPayload(append([]byte(in), 0))
			wiretest.Want(t, w.Call(m), errnum, "")
		}
	})
}

func TestBrokerServices(t *testing.T) {
	wiretest.Bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w := wiretest.Dial(t, b)
		wiretest.Want(t, w.Call(wiretest.Request("broker.setenv", 1,
			wiretest.Obj{"env": wiretest.Obj{"FLUXTEST_A": "1", "PATH": nil}})), 0, "")
		wiretest.Want(t, w.Call(wiretest.Request("broker.getenv", 1,
			wiretest.Obj{"names": []string{"FLUXTEST_A", "PATH"}})), 0, `{"env":{"FLUXTEST_A":"1"}}`)
		wiretest.Want(t, w.Call(wiretest.Request("broker.getenv", 1, wiretest.Obj{})), 71, "")
		wiretest.Want(t, w.Call(wiretest.Request("broker.setenv", 1, wiretest.Obj{"env": 1})), 71, "")
		wiretest.Want(t, w.Call(wiretest.Request("broker.conf-builtin", 1,
			wiretest.Obj{"keys": []string{"rundir"}})), 0, `{"values":{"rundir":"/run/flux"}}`)
		wiretest.Want(t, w.Call(wiretest.Request("broker.conf-builtin", 1, wiretest.Obj{"keys": []string{"zz"}})),
			22, "zz: invalid key")
		wiretest.Want(t, w.Call(wiretest.Request("broker.debug", 1, wiretest.Obj{"op": "setbit", "flags": 5})), 0,
			`{"flags":5}`)
		wiretest.Want(t, w.Call(wiretest.Request("broker.debug", 1, wiretest.Obj{"op": "clrbit", "flags": 1})), 0,
			`{"flags":4}`)
		wiretest.Want(t, w.Call(wiretest.Request("broker.debug", 1, wiretest.Obj{"op": "x", "flags": 1})), 71, "")
		wiretest.Want(t, w.Call(wiretest.Request("broker.stats-clear", 1, nil)), 0, "")
		wiretest.Want(t, w.Call(wiretest.Request("config.get", 1, nil)), 0, `{}`)
		if text, _ := codec.TextPayload(w.Call(wiretest.Request("module.list", 1,
			nil)).Payload); !strings.Contains(text,
			`{"name":"overlay","path":"builtin","idle":0,"status":1,"services":["overlay"],"sendqueue":0,"recvqueue":0}`) {
			t.Error(text)
		}
		other := wiretest.Dial(t, b)
		m := w.Call(wiretest.Request("connector-local.stats-get", 1, nil))
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
		if err := json.Unmarshal(text, &stats); err != nil || len(stats.Server.Clients) != 2 ||
			stats.Server.Connects != 2 ||
			stats.Server.Clients[0].TxCount != 13 || stats.Server.Clients[0].RxCount != 12 ||
			stats.AllowGuest == nil {
			t.Errorf("%v %s", err, text)
		}
		if c := b.Conns()[0]; c.UUID() != stats.Server.Clients[0].UUID || c.Number() != 1 || c.Rank() != 0 ||
			c.UserID() != 0 {
			t.Errorf("connection %d %s", c.Number(), c.UUID())
		}
		other.Conn.Close()
	})
}

// What takes no argument takes any text, and nothing that is no text.
func TestMethodsWithoutArguments(t *testing.T) {
	wiretest.Bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w := wiretest.Dial(t, b)
		for _, topic := range []string{
			"broker.stats-get", "broker.stats-clear", "broker.rusage", "state-machine.get", "state-machine.wait",
			"overlay.health", "overlay.stats-get", "groups.stats-get", "config.get", "attr.list", "module.list",
			"state-machine.monitor", "connector-local.stats-get",
		} {
			if m := w.Call(wiretest.Request(topic, 1, "not JSON")); m.Errnum != 0 {
				t.Errorf("%s", wiretest.Show(m))
			}
			if m := w.Call(wiretest.Request(topic, 1, []byte("no NUL"))); m.Errnum != 71 || m.HasPayload() {
				t.Errorf("%s", wiretest.Show(m))
			}
		}
		wiretest.Want(t, w.Call(wiretest.Request("groups.stats-get", 1, nil)), 0,
			`{"subtree":{"broker.online":"0","broker.torpid":""}}`)
	})
}
