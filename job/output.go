package job

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"
	"unicode/utf8"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/idset"
	"github.com/flux-sdk/flux/internal/jsontree"
)

// The streams of a task.
const (
	Stdin  = "stdin"
	Stdout = "stdout"
	Stderr = "stderr"
)

// A Chunk is what one task wrote to one stream at one time, or the end of that stream.
type Chunk struct {
	Time   time.Time
	Stream string // Stdout or Stderr
	Task   int
	Data   []byte // the chunks of one OutputData share it
	EOF    bool   // nothing follows on this stream of this task
}

// OutputHeader describes an output log. It is the first entry, except that log entries may come before it.
type OutputHeader struct {
	Version  int                        `json:"version"`
	Encoding map[string]string          `json:"encoding"` // by stream, such as "UTF-8"
	Count    map[string]int             `json:"count"`    // tasks by stream
	Options  map[string]json.RawMessage `json:"options"`
}

// OutputData is data that tasks wrote, in an output log, or that was sent to them, in an input log, or the end of the
// stream.
type OutputData struct {
	Stream string
	Tasks  TaskSet
	Data   []byte
	EOF    bool
}

// OutputRedirect says that a stream of some tasks goes to a file, or comes from one. No data and no end of stream
// follow for it.
type OutputRedirect struct {
	Stream string
	Tasks  TaskSet
	Path   string // templates such as {{taskid}} are left in it
}

// OutputLog is a message of the job shell.
type OutputLog struct {
	Rank      int    `json:"rank"`  // of the shell within the job
	Level     int    `json:"level"` // as in syslog(3): 3 is an error, 4 a warning
	Message   string `json:"message"`
	Component string `json:"component,omitempty"`
	File      string `json:"file,omitempty"`
	Line      int    `json:"line,omitempty"`
}

// An OutputEvent is an entry of the output log or input log of a job ("guest.output", "guest.input"; RFC 24). Exactly
// one of Header, Data, Redirect and Log is set. All are nil if the name of the entry is none that RFC 24 has.
type OutputEvent struct {
	Event    Event
	Header   *OutputHeader
	Data     *OutputData
	Redirect *OutputRedirect
	Log      *OutputLog
}

// outputContext is the context of data and redirect entries. Members that are missing or null are nil.
type outputContext struct {
	stream, rank, data, encoding, path *string
	eof                                *bool
}

// DecodeOutput reads the context of an entry of an output or input log. Its errors match [flux.EPROTO].
func DecodeOutput(e Event) (OutputEvent, error) {
	out := OutputEvent{Event: e}
	var err error
	switch e.Name {
	case "header":
		out.Header = new(OutputHeader)
		err = e.Decode(out.Header)
	case "log":
		out.Log = new(OutputLog)
		err = e.Decode(out.Log)
	case "data":
		out.Data, err = decodeData(e)
	case "redirect":
		out.Redirect, err = decodeRedirect(e)
	}
	if err != nil {
		return OutputEvent{}, fmt.Errorf("job: output entry %q: %w: %w", e.Name, err, flux.EPROTO)
	}
	return out, nil
}

// readContext reads what data and redirect entries have in common. It does not use encoding/json for the object, which
// would take a member "DATA" for data.
func readContext(e Event) (c outputContext, tasks TaskSet, err error) {
	if e.Context == nil {
		return c, tasks, errors.New("no context")
	}
	members, err := jsontree.ParseMembers(e.Context)
	if err != nil {
		return c, tasks, fmt.Errorf("context: %w", err)
	}
	for _, m := range []struct {
		name, kind string
		v          any
	}{
		{"stream", "a string", &c.stream}, {"rank", "a string", &c.rank}, {"data", "a string", &c.data},
		{"encoding", "a string", &c.encoding}, {"path", "a string", &c.path}, {"eof", "a boolean", &c.eof},
	} {
		if err := readMember(members, m.name, m.kind, m.v); err != nil {
			return c, tasks, err
		}
	}
	switch {
	case c.stream == nil:
		return c, tasks, errors.New("no member stream")
	case c.rank == nil:
		return c, tasks, errors.New("no member rank")
	}
	tasks, err = ParseTaskSet(*c.rank)
	return c, tasks, err
}

// readMember reads a member of a kind that jsontree.Kind names. It leaves v as it is if there is none.
func readMember(members *jsontree.Object, name, kind string, v any) error {
	raw := members.Raw(name)
	if raw == nil {
		return nil
	}
	if got := jsontree.Kind(raw); got != "null" && got != kind {
		return fmt.Errorf("member %s must be %s, got %s", name, kind, got)
	}
	return json.Unmarshal(raw, v)
}

func decodeData(e Event) (*OutputData, error) {
	c, tasks, err := readContext(e)
	if err != nil {
		return nil, err
	}
	encoding := "UTF-8"
	if c.encoding != nil {
		encoding = *c.encoding
	}
	d := &OutputData{Stream: *c.stream, Tasks: tasks, EOF: c.eof != nil && *c.eof}
	switch {
	case c.data == nil && c.eof == nil:
		return nil, errors.New("neither data nor eof")
	case c.data == nil:
	case encoding == "base64":
		if d.Data, err = base64.StdEncoding.DecodeString(*c.data); err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
	case encoding == "" || encoding == "UTF-8":
		d.Data = []byte(*c.data)
	default:
		return nil, fmt.Errorf("encoding %.60q is neither base64 nor UTF-8", encoding)
	}
	return d, nil
}

func decodeRedirect(e Event) (*OutputRedirect, error) {
	c, tasks, err := readContext(e)
	if err != nil {
		return nil, err
	}
	if c.path == nil {
		return nil, errors.New("no member path")
	}
	return &OutputRedirect{Stream: *c.stream, Tasks: tasks, Path: *c.path}, nil
}

// Chunks yields a Chunk for each task of a data entry, in order of task id, and nothing for another entry. Data for
// all tasks, which only an input log has, is one Chunk with Task -1.
func (o OutputEvent) Chunks() iter.Seq[Chunk] {
	return func(yield func(Chunk) bool) {
		if o.Data == nil {
			return
		}
		c := Chunk{Time: o.Event.Time, Stream: o.Data.Stream, Task: -1, Data: o.Data.Data, EOF: o.Data.EOF}
		if o.Data.Tasks.Every {
			yield(c)
			return
		}
		for id := range o.Data.Tasks.IDs.All() {
			c.Task = int(id)
			if !yield(c) {
				return
			}
		}
	}
}

// Event returns the chunk as the data entry of a log, at the time of the chunk. Its errors are those of
// [OutputData.Event].
func (c Chunk) Event() (Event, error) {
	d := OutputData{Stream: c.Stream, Data: c.Data, EOF: c.EOF}
	switch {
	case c.Task == -1:
		d.Tasks.Every = true
	case c.Task >= 0 && c.Task <= math.MaxInt32:
		d.Tasks.IDs = idset.New(uint32(c.Task))
	default:
		return Event{}, fmt.Errorf("job: output of task %d: a task id is under 2^31, or -1: %w", c.Task, flux.EINVAL)
	}
	return d.Event(c.Time)
}

// Event returns the data entry. Data that is not UTF-8 is in base64. An error matches [flux.EINVAL]: no stream or
// one whose name is not UTF-8, no task, or neither data nor the end of the stream.
func (d OutputData) Event(t time.Time) (Event, error) {
	context, err := d.Payload()
	if err != nil {
		return Event{}, err
	}
	return Event{Time: t, Name: "data", Context: context}, nil
}

// Payload returns the data as a JSON object, which is the context of a data entry and also what the stdin service of a
// job shell takes.
func (d OutputData) Payload() (json.RawMessage, error) {
	switch {
	case d.Stream == "":
		return nil, fmt.Errorf("job: output data without stream: %w", flux.EINVAL)
	case !d.Tasks.Every && d.Tasks.IDs.IsEmpty():
		return nil, fmt.Errorf("job: output data without task: %w", flux.EINVAL)
	case !utf8.ValidString(d.Stream):
		return nil, notUTF8(d.Stream)
	case len(d.Data) == 0 && !d.EOF:
		return nil, fmt.Errorf("job: output data with neither data nor end of stream: %w", flux.EINVAL)
	}
	o := jsontree.NewObject(jsontree.Member{Name: "stream", Value: d.Stream},
		jsontree.Member{Name: "rank", Value: d.Tasks.String()})
	switch {
	case len(d.Data) == 0:
	case utf8.Valid(d.Data):
		o.Set("data", string(d.Data))
	default:
		o.Set("encoding", "base64")
		o.Set("data", base64.StdEncoding.EncodeToString(d.Data))
	}
	if d.EOF {
		o.Set("eof", true)
	}
	return jsontree.Append(nil, o), nil
}

// Event returns the redirect entry. An error matches [flux.EINVAL]: no stream or no task.
func (r OutputRedirect) Event(t time.Time) (Event, error) {
	if r.Stream == "" || !r.Tasks.Every && r.Tasks.IDs.IsEmpty() {
		return Event{}, fmt.Errorf("job: output redirect without stream or task: %w", flux.EINVAL)
	}
	for _, text := range []string{r.Stream, r.Path} {
		if !utf8.ValidString(text) {
			return Event{}, notUTF8(text)
		}
	}
	context := jsontree.Append(nil, jsontree.NewObject(jsontree.Member{Name: "stream", Value: r.Stream},
		jsontree.Member{Name: "rank", Value: r.Tasks.Brackets()}, jsontree.Member{Name: "path", Value: r.Path}))
	return Event{Time: t, Name: "redirect", Context: context}, nil
}

// Event returns the header entry. Version 0 is written as 1, the only version there is. An error matches [flux.EINVAL]:
// a text that is not UTF-8, or an option that is not JSON.
func (h OutputHeader) Event(t time.Time) (Event, error) {
	h.Version = max(h.Version, 1)
	if h.Encoding == nil {
		h.Encoding = map[string]string{}
	}
	if h.Count == nil {
		h.Count = map[string]int{}
	}
	if h.Options == nil {
		h.Options = map[string]json.RawMessage{}
	}
	for stream, encoding := range h.Encoding {
		if !utf8.ValidString(stream + encoding) {
			return Event{}, notUTF8(stream + encoding)
		}
	}
	for stream := range h.Count {
		if !utf8.ValidString(stream) {
			return Event{}, notUTF8(stream)
		}
	}
	context, err := jsontree.Marshal(h)
	if err != nil {
		return Event{}, fmt.Errorf("job: output header: %w: %w", err, flux.EINVAL)
	}
	return Event{Time: t, Name: "header", Context: context}, nil
}

func notUTF8(text string) error {
	return fmt.Errorf("job: output entry: text %s is not UTF-8: %w", shorten(text), flux.EINVAL)
}

// Event returns the log entry. An error matches [flux.EINVAL]: a text that is not UTF-8.
func (l OutputLog) Event(t time.Time) (Event, error) {
	for _, text := range []string{l.Message, l.Component, l.File} {
		if !utf8.ValidString(text) {
			return Event{}, notUTF8(text)
		}
	}
	context, err := jsontree.Marshal(l)
	return Event{Time: t, Name: "log", Context: context}, err
}

// A TaskSet is some tasks of a job, or every one, as the member rank of output and input logs has it: an idset, or
// "all".
type TaskSet struct {
	Every bool
	IDs   idset.Set // empty if Every
}

// ParseTaskSet reads an idset with at least one id, all of them under 2^31, or "all". An error matches [flux.EINVAL].
func ParseTaskSet(s string) (TaskSet, error) {
	if s == "all" {
		return TaskSet{Every: true}, nil
	}
	ids, err := idset.Parse(s)
	if err != nil {
		return TaskSet{}, fmt.Errorf("job: tasks %s: %w: %w", shorten(s), err, flux.EINVAL)
	}
	if ids.IsEmpty() {
		return TaskSet{}, fmt.Errorf("job: tasks %s: expected an idset with an id, or all: %w", shorten(s), flux.EINVAL)
	}
	if last, _ := ids.Max(); last > math.MaxInt32 {
		return TaskSet{}, fmt.Errorf("job: tasks %s: task id %d is not under 2^31: %w", shorten(s), last, flux.EINVAL)
	}
	return TaskSet{IDs: ids}, nil
}

// String returns "all" or the idset, such as "0-3".
func (t TaskSet) String() string {
	if t.Every {
		return "all"
	}
	return t.IDs.String()
}

// Brackets returns "all" or the idset, with brackets if it has more than one id, such as "[0-3]".
func (t TaskSet) Brackets() string {
	if t.Every {
		return "all"
	}
	return t.IDs.Brackets()
}
