package kvs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/flux-sdk/flux/internal/epoch"
	"github.com/flux-sdk/flux/internal/jsontree"
)

// Event is one entry of an eventlog, RFC 18: one line of JSON.
type Event struct {
	Time    time.Time
	Name    string
	Context json.RawMessage // a JSON object, or nil if the entry has none

	members *jsontree.Object // the entry as it was read
}

// NewEvent returns an entry with the time now. context is nil for none, or what encodes to a JSON object. The error is
// about context.
func NewEvent(name string, context any) (Event, error) {
	e := Event{Time: time.Now(), Name: name}
	if context != nil {
		data, err := jsontree.Marshal(context)
		if err != nil {
			return Event{}, fmt.Errorf("kvs: context of event %q: %w", name, err)
		}
		e.Context = data
	}
	_, err := e.MarshalJSON()
	return e, err
}

// Decode stores the context in v, as json.Unmarshal does. An entry without a context is an error.
func (e Event) Decode(v any) error {
	if e.Context == nil {
		return fmt.Errorf("kvs: event %q has no context", e.Name)
	}
	if err := json.Unmarshal(e.Context, v); err != nil {
		return fmt.Errorf("kvs: context of event %q: %w", e.Name, err)
	}
	return nil
}

// MarshalJSON returns the entry without the newline. Members that this package does not know are those it was read
// with. The error says what RFC 18 does not allow.
func (e Event) MarshalJSON() ([]byte, error) {
	if e.Name == "" {
		return nil, fmt.Errorf("kvs: an event must have a name")
	}
	o := e.members.Clone()
	old, err := epoch.Parse(string(o.Raw("timestamp")))
	if err != nil || !old.Equal(e.Time) {
		o.Set("timestamp", json.RawMessage(epoch.Format(e.Time)))
	}
	if !utf8.ValidString(e.Name) {
		return nil, fmt.Errorf("kvs: the name of event %q is not UTF-8", e.Name)
	}
	o.Set("name", e.Name)
	if e.Context == nil {
		o.Delete("context")
	} else {
		context, err := jsontree.ParseMembers(e.Context)
		if err != nil {
			return nil, fmt.Errorf("kvs: context of event %q: %w", e.Name, err)
		}
		o.Set("context", context)
	}
	return jsontree.Append(nil, o), nil
}

// UnmarshalJSON reads an entry.
func (e *Event) UnmarshalJSON(data []byte) error {
	members, err := jsontree.ParseMembers(data)
	if err != nil {
		return badEvent(data, err.Error())
	}
	event := Event{Context: members.Raw("context"), members: members}
	timestamp := members.Raw("timestamp")
	if kind := jsontree.Kind(timestamp); kind != "a number" {
		return badEvent(data, "timestamp must be a number, got "+kind)
	}
	if event.Time, err = epoch.Parse(string(timestamp)); err != nil {
		return badEvent(data, "timestamp: "+err.Error())
	}
	name := members.Raw("name")
	if kind := jsontree.Kind(name); kind != "a string" {
		return badEvent(data, "name must be a string, got "+kind)
	}
	if err := json.Unmarshal(name, &event.Name); err != nil || event.Name == "" {
		return badEvent(data, "name must not be empty")
	}
	if members.Has("context") && jsontree.Kind(event.Context) != "an object" {
		return badEvent(data, "context must be an object, got "+jsontree.Kind(event.Context))
	}
	*e = event
	return nil
}

func badEvent(data []byte, text string) error {
	return fmt.Errorf("kvs: eventlog entry %.80q: %s", data, text)
}

// ParseEvents reads an eventlog. The error names the line that is not an entry, or says that the last has no end.
func ParseEvents(data []byte) ([]Event, error) {
	var list []Event
	for n := 1; len(data) > 0; n++ {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		if !whole {
			return list, fmt.Errorf("kvs: eventlog: line %d has no newline at its end: %.80q", n, line)
		}
		var e Event
		if err := e.UnmarshalJSON(line); err != nil {
			return list, fmt.Errorf("line %d: %w", n, err)
		}
		list, data = append(list, e), rest
	}
	return list, nil
}
