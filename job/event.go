package job

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/internal/epoch"
	"github.com/flux-sdk/flux/internal/jsontree"
)

// An Event is one entry of an eventlog (RFC 18), such as "submit" or "finish" in the main eventlog of a job (RFC 21).
//
// Members that this package does not know survive reading and writing, in order. The digits of the timestamp and the
// escapes of the name survive too, as long as Time and Name are not changed.
type Event struct {
	Time    time.Time
	Name    string
	Context json.RawMessage // a JSON object, or nil if the entry has none

	members *jsontree.Object // the entry as it was read
}

// Decode stores the context in v, as [json.Unmarshal] does. Without a context it returns an error that matches
// [flux.ENODATA].
func (e Event) Decode(v any) error {
	if e.Context == nil {
		return fmt.Errorf("job: event %q has no context: %w", e.Name, flux.ENODATA)
	}
	if err := json.Unmarshal(e.Context, v); err != nil {
		return fmt.Errorf("job: context of event %q: %w", e.Name, err)
	}
	return nil
}

// Member returns a member of the entry other than timestamp, name and context, as it was read, and nil if there is
// none. The caller must not change it.
func (e Event) Member(name string) json.RawMessage {
	switch name {
	case "timestamp", "name", "context":
		return nil
	}
	return e.members.Raw(name)
}

// String returns the entry as one line of JSON without the newline, or the text of the error if it has none.
func (e Event) String() string {
	data, err := e.MarshalJSON()
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// MarshalJSON returns the entry. An error matches [flux.EINVAL]: Context is not a JSON
// object, or Name is not UTF-8.
func (e Event) MarshalJSON() ([]byte, error) {
	o := e.members.Clone()
	if old := o.Raw("timestamp"); old == nil || !sameTime(old, e.Time) {
		o.Set("timestamp", json.RawMessage(epoch.Format(e.Time)))
	}
	if !utf8.ValidString(e.Name) {
		return nil, fmt.Errorf("job: event name %s is not UTF-8: %w", shorten(e.Name), flux.EINVAL)
	}
	if old := o.Raw("name"); old == nil || !sameText(old, e.Name) {
		o.Set("name", e.Name)
	}
	if e.Context == nil {
		o.Delete("context")
	} else {
		context, err := jsontree.ParseMembers(e.Context)
		if err != nil {
			return nil, fmt.Errorf("job: context of event %q: %w: %w", e.Name, err, flux.EINVAL)
		}
		o.Set("context", context)
	}
	return jsontree.Append(nil, o), nil
}

// sameTime reports whether a JSON number of seconds is the time t.
func sameTime(number json.RawMessage, t time.Time) bool {
	parsed, err := epoch.Parse(string(number))
	return err == nil && parsed.Equal(t)
}

// sameText reports whether a JSON string is the text s.
func sameText(raw json.RawMessage, s string) bool {
	var text string
	return json.Unmarshal(raw, &text) == nil && text == s
}

// UnmarshalJSON reads an entry. RFC 18 wants a timestamp that is a number and a name that is a string; a context, if
// there is one, is an object.
func (e *Event) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	members, err := jsontree.ParseMembers(data)
	if err != nil {
		if syntax, ok := errors.AsType[*jsontree.SyntaxError](err); ok {
			return eventError(string(data), syntax.Offset, "invalid JSON: "+syntax.Reason)
		}
		return eventError(string(data), 0, err.Error())
	}
	event := Event{Context: members.Raw("context"), members: members}
	timestamp := members.Raw("timestamp")
	if kind := jsontree.Kind(timestamp); kind != "a number" {
		return eventError(string(data), 0, "timestamp must be a number, got "+kind)
	}
	if event.Time, err = epoch.Parse(string(timestamp)); err != nil {
		return eventError(string(data), 0, "timestamp: "+err.Error())
	}
	name := members.Raw("name")
	if kind := jsontree.Kind(name); kind != "a string" {
		return eventError(string(data), 0, "name must be a string, got "+kind)
	}
	if err := json.Unmarshal(name, &event.Name); err != nil {
		return eventError(string(data), 0, "name: "+err.Error())
	}
	if kind := jsontree.Kind(event.Context); event.Context != nil && kind != "an object" {
		return eventError(string(data), 0, "context must be an object, got "+kind)
	}
	*e = event
	return nil
}

// ParseEvent reads one entry of an eventlog: a JSON object on one line that ends with a newline. For an object without
// the newline use [json.Unmarshal]. The error is a [*ParseError].
func ParseEvent(line string) (Event, error) {
	event, rest, err := cutEvent(line, 0)
	if err == nil && rest < len(line) {
		return Event{}, eventError(line, rest, "more than one line")
	}
	return event, err
}

// ParseEventlog reads a whole eventlog. The empty text is the empty log. An empty line, and a last line that does not
// end with a newline, are errors: Flux drops such a last line and reports no error. To read the lines that are complete, cut
// the text after its last newline. The error is a [*ParseError]. Its Offset is where a line stops being JSON, or the
// beginning of the line if another rule is broken.
func ParseEventlog(text string) ([]Event, error) {
	var events []Event
	for offset := 0; offset < len(text); {
		event, next, err := cutEvent(text, offset)
		if err != nil {
			return nil, err
		}
		events = append(events, event)
		offset = next
	}
	return events, nil
}

// cutEvent reads the line of text at offset and returns the offset of the next one.
func cutEvent(text string, offset int) (Event, int, error) {
	end := strings.IndexByte(text[offset:], '\n')
	if end < 0 {
		return Event{}, offset, eventError(text, offset, "expected a line that ends with a newline")
	}
	line := []byte(text[offset : offset+end])
	var event Event
	if trimmed := bytes.TrimSpace(line); len(trimmed) == 0 || trimmed[0] != '{' {
		return Event{}, offset, eventError(text, offset, "expected a JSON object")
	}
	if err := event.UnmarshalJSON(line); err != nil {
		parse := err.(*ParseError)
		return Event{}, offset, eventError(text, offset+parse.Offset, parse.Reason)
	}
	return event, offset + end + 1, nil
}

// FormatEventlog returns the events as an eventlog: one line of JSON each.
func FormatEventlog(events []Event) (string, error) {
	var b strings.Builder
	for i, e := range events {
		data, err := e.MarshalJSON()
		if err != nil {
			return "", fmt.Errorf("event %d: %w", i, err)
		}
		b.Write(data)
		b.WriteByte('\n')
	}
	return b.String(), nil
}

func eventError(input string, offset int, reason string) error {
	return &ParseError{What: "eventlog entry", Input: input, Offset: offset, Reason: reason, Errno: flux.EINVAL}
}
