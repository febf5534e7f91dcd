package wiretrace

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux/codec"
)

const rule = "--------------------------------------"

func request(topic string, payload []byte) *codec.Message {
	m := codec.NewRequest(topic)
	m.Matchtag = 7
	m.Payload = payload
	return m
}

func TestFormat(t *testing.T) {
	upstream := request("some.topic", nil)
	upstream.NodeID, upstream.Flags = 3, upstream.Flags|codec.FlagUpstream
	response := &codec.Message{
		Type: codec.TypeResponse, Topic: "svc.error", UserID: 1000, Rolemask: 5, Errnum: 1, Matchtag: 2,
		Payload: []byte("not for you\x00"),
	}
	event := codec.NewEvent("job.new")
	event.UserID, event.Rolemask, event.Sequence = 0, 1, 42
	event.Routes = codec.MakeRoutes("63c2cf00-a775-487a-8128-7f1c7fc9eef0")
	for _, tt := range []struct {
		name string
		at   time.Duration
		m    *codec.Message
		want []string
	}{
		{"request", 0, request("some.topic", []byte(`{"x":1}`+"\x00")), []string{
			"> 0.00000", "> some.topic",
			"> flags=topic,payload,route userid=unknown rolemask=none nodeid=any matchtag=7", `> {"x":1}`,
		}},
		{"upstream", 1500 * time.Millisecond, upstream, []string{
			"> 1.50000", "> some.topic",
			"> flags=topic,route,upstream userid=unknown rolemask=none nodeid=3 matchtag=7",
		}},
		{"response", 12345678 * time.Nanosecond, response, []string{
			"< 0.01235", "< svc.error",
			"< flags=topic,payload userid=1000 rolemask=owner,local errnum=1 matchtag=2", "< not for you",
		}},
		{"event", time.Second, event, []string{
			"e 1.00000", "e job.new", "e flags=topic,route userid=0 rolemask=owner sequence=42", "e " + event.Routes.String(),
		}},
		{"control", time.Second, &codec.Message{Type: codec.TypeControl, ControlType: 2, ControlStatus: 9}, []string{
			"c 1.00000", "c flags=none userid=0 rolemask=none type=2 status=9",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Split(string(Format(tt.at, tt.m)), "\n")
			want := append(append([]string{rule}, tt.want...), "")
			// The order and spelling of the flags is the codec's.
			if diff := cmp.Diff(want, got, cmp.Comparer(sameButFlags)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// sameButFlags compares two lines without the value of flags=.
func sameButFlags(a, b string) bool { return withoutFlags(a) == withoutFlags(b) }

func withoutFlags(s string) string {
	before, rest, ok := strings.Cut(s, "flags=")
	if !ok {
		return s
	}
	_, after, _ := strings.Cut(rest, " ")
	return before + after
}

// The flags on the wire are those of what the message has, whatever its Flags say.
func TestWireFlags(t *testing.T) {
	m := &codec.Message{Type: codec.TypeRequest}
	if got := wireFlags(m); got != 0 {
		t.Errorf("flags of an empty message are %v", got)
	}
	m.Topic, m.Payload, m.Routes = "a", []byte{1}, codec.MakeRoutes("x")
	if got, want := wireFlags(m), codec.FlagTopic|codec.FlagPayload|codec.FlagRoute; got != want {
		t.Errorf("flags are %v, want %v", got, want)
	}
}

func TestPayload(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for _, tt := range []struct{ payload, want string }{
		{"{\"a\":1}\x00", `{"a":1}`},
		{long + "\x00", long},
		{"no nul", "6E6F206E756C"},
		{"in\x00side\x00", "696E007369646500"},
		{"\xff\xfe\x00", "FFFE00"},
		{strings.Repeat("\x01", 39), strings.Repeat("01", 39)},
		{strings.Repeat("\x01", 40), strings.Repeat("01", 37) + "..."},
	} {
		if got := payload([]byte(tt.payload)); got != tt.want {
			t.Errorf("payload %.20q is shown as %q, want %q", tt.payload, got, tt.want)
		}
	}
}

func TestRoles(t *testing.T) {
	for mask, want := range map[uint32]string{
		0: "none", 1: "owner", 2: "user", 5: "owner,local", 8: "admin", 15: "owner,user,local,admin",
		1<<32 - 1: "all", 0x11: "owner,0x10", 0x100: "0x100",
	} {
		if got := Roles(mask); got != want {
			t.Errorf("roles of %#x are %q, want %q", mask, got, want)
		}
	}
}
