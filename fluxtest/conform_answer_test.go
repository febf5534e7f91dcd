package fluxtest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"

	"github.com/flux-sdk/flux/codec"
)

// owner is the userid of the instances.
var owner = uint32(os.Getuid())

const (
	roleOwner = 1
	roleUser  = 2
	roleLocal = 4
)

// answer is what a response is to say.
type answer struct {
	errnum  uint32
	roles   uint32                     // of the sender; 0: as of the rank that is asked
	payload func(*codec.Message) error // nil: there is to be none
}

// from says which roles the sender has.
func (w answer) from(roles uint32) answer {
	w.roles = roles
	return w
}

func ok() answer { return answer{} }

// okText is success with a text, byte by byte.
func okText(text string) answer { return answer{payload: textIs(text)} }

// okRaw is success with a payload of these bytes.
func okRaw(p []byte) answer {
	return answer{payload: func(m *codec.Message) error {
		if !m.HasPayload() || string(m.Payload) != string(p) {
			return fmt.Errorf("payload %.200q, want %.200q", m.Payload, p)
		}
		return nil
	}}
}

// okLike is success with a text that matches a regular expression.
func okLike(expr string) answer {
	re := regexp.MustCompile(expr)
	return answer{payload: func(m *codec.Message) error {
		text, err := codec.TextPayload(m.Payload)
		if err == nil && !re.MatchString(text) {
			err = fmt.Errorf("%s: payload %q does not match %s", m.Topic, text, expr)
		}
		return err
	}}
}

// okShape is success with a JSON object that has the keys and the kinds of
// values of an example; a key of the example that ends in ? may be missing.
func okShape(example string) answer {
	return answer{payload: func(m *codec.Message) error {
		b, err := codec.JSONPayload(m.Payload)
		if err != nil {
			return err
		}
		var got, want any
		if err := json.Unmarshal([]byte(example), &want); err != nil {
			return err
		}
		if err := json.Unmarshal(b, &got); err != nil {
			return err
		}
		if err := sameShape(got, want, ""); err != nil {
			return fmt.Errorf("%s: %w in %s", m.Topic, err, b)
		}
		return nil
	}}
}

func sameShape(got, want any, at string) error {
	switch want := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is no object", at)
		}
		known := 0
		for key, w := range want {
			name, optional := key, key[len(key)-1] == '?'
			if optional {
				name = key[:len(key)-1]
			}
			v, ok := g[name]
			switch {
			case ok:
				known++
				if err := sameShape(v, w, at+"."+name); err != nil {
					return err
				}
			case !optional:
				return fmt.Errorf("%s.%s is missing", at, name)
			}
		}
		if known != len(g) {
			return fmt.Errorf("%s has more keys than expected", at)
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(want) > 0 && len(g) == 0 {
			return fmt.Errorf("%s is no array with elements", at)
		}
		for i, v := range g {
			if len(want) == 0 {
				break
			}
			if err := sameShape(v, want[0], fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	default:
		if fmt.Sprintf("%T", got) != fmt.Sprintf("%T", want) {
			return fmt.Errorf("%s is %v, want a %T", at, got, want)
		}
	}
	return nil
}

// fails is an error without a text, or with the one given.
func fails(errnum uint32, text ...string) answer {
	w := answer{errnum: errnum}
	if len(text) > 0 {
		w.payload = textIs(text[0])
	}
	return w
}

func textIs(want string) func(*codec.Message) error {
	return func(m *codec.Message) error {
		if text, err := codec.TextPayload(m.Payload); err != nil || text != want {
			return fmt.Errorf("payload %q, want %q", m.Payload, want)
		}
		return nil
	}
}

// tag is the matchtag of requests whose tag does not matter.
const tag = 7

// rq is a request from whoever.
func rq(topic string, payload any) *codec.Message { return request(topic, tag, payload) }

// rqText is a request with a text, or with any bytes, for a payload.
func rqText(topic, text string) *codec.Message { return rqRaw(topic, []byte(text+"\x00")) }

func rqRaw(topic string, p []byte) *codec.Message {
	m := request(topic, tag, nil)
	m.SetPayload(p)
	return m
}

// by states credentials, which the broker believes an owner.
func by(m *codec.Message, userid, roles uint32) *codec.Message {
	m.UserID, m.Rolemask = userid, roles
	return m
}

// asGuest is by for an ordinary guest.
func asGuest(m *codec.Message) *codec.Message { return by(m, guestUID, roleUser) }

func tagged(m *codec.Message, tag uint32) *codec.Message {
	m.Matchtag = tag
	return m
}

// one is a row of one request, on a connection to a rank, and its answer. The
// request is made anew for each run.
func one(sec, name string, rank uint32, req func() *codec.Message, w answer) row {
	return row{sec: sec, name: name, run: func(c *convo) { c.dial(rank).ask(req(), w) }}
}

// okJSON is success with JSON of this meaning.
func okJSON(v any) answer {
	return answer{payload: func(m *codec.Message) error {
		want, err := json.Marshal(v)
		if err != nil {
			return err
		}
		b, err := codec.JSONPayload(m.Payload)
		if err != nil {
			return err
		}
		if !sameJSON(b, want) {
			return fmt.Errorf("%s: payload %.400s, want %.400s", m.Topic, b, want)
		}
		return nil
	}}
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
