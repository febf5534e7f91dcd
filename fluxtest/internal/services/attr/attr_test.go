package attr_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/fluxtest/internal/wiretest"
)

func TestAttributes(t *testing.T) {
	wiretest.Bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w := wiretest.Dial(t, b)
		get := func(name string) *codec.Message {
			return w.Call(wiretest.Request("attr.get", 1, wiretest.Obj{"name": name}))
		}
		set := func(name, value string, force bool) *codec.Message {
			o := wiretest.Obj{"name": name, "value": value}
			if force {
				o["force"] = true
			}
			return w.Call(wiretest.Request("attr.set", 1, o))
		}
		wiretest.Want(t, get("size"), 0, `{"value":"7","flags":1}`)
		wiretest.Want(t, get("tbon.maxlevel"), 0, `{"value":"2","flags":0}`)
		wiretest.Want(t, get("tbon.descendants"), 0, `{"value":"6","flags":0}`)
		wiretest.Want(t, get("tbon.topo"), 0, `{"value":"kary:2","flags":0}`)
		wiretest.Want(t, get("local-uri"), 0, `{"value":"`+b.URI()+`","flags":1}`)
		wiretest.Want(t, get("parent-uri"), 2, "")
		wiretest.Want(t, get("x"), 0, `{"value":"of the test","flags":0}`)
		wiretest.Want(t, set("test.a", "1", false), 0, "")
		wiretest.Want(t, set("test.a", "2", false), 0, "")
		wiretest.Want(t, get("test.a"), 0, `{"value":"2","flags":0}`)
		wiretest.Want(t, set("rank", "9", false), 22, "attribute may not be updated")
		wiretest.Want(t, set("rank", "9", true), 1, "")
		wiretest.Want(t, set("nosuch", "9", false), 2, "unknown attribute")
		wiretest.Want(t, set("version", "9", false), 22, "attribute may not be updated")
		wiretest.Want(t, set("version", "9", true), 0, "")
		wiretest.Want(t, set("log-stderr-level", "3", false), 0, "")
		wiretest.Want(t, set("log-stderr-level", "9", false), 22, "invalid level")
		wiretest.Want(t, w.Call(wiretest.Request("attr.set", 1, wiretest.Obj{"name": "test.a", "value": 1})), 71, "")
		wiretest.Want(t, w.Call(wiretest.Request("attr.rm", 1, wiretest.Obj{"name": "test.a"})), 0, "")
		wiretest.Want(t, w.Call(wiretest.Request("attr.rm", 1, wiretest.Obj{"name": "test.a"})), 0, "")
		wiretest.Want(t, w.Call(wiretest.Request("attr.rm", 1, wiretest.Obj{"name": "rank"})), 1, "")
		wiretest.Want(t, get("test.a"), 2, "")
		b.SetAttr("jobid", "f1")
		wiretest.Want(t, get("jobid"), 0, `{"value":"f1","flags":1}`)
		var list struct{ Names []string }
		text, _ := codec.JSONPayload(w.Call(wiretest.Request("attr.list", 1, nil)).Payload)
		if err := json.Unmarshal(text, &list); err != nil || !slices.Contains(list.Names, "rank") ||
			!slices.Contains(list.Names, "parent-uri") {
			t.Errorf("%v %q", err, list.Names)
		}
	}, fluxtest.Size(7), fluxtest.Attr("x", "of the test"))
}
