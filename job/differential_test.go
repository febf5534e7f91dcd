package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/internal/fluxpython"
	"github.com/flux-sdk/flux/internal/formattest"
)

// jobScript answers with Flux's own JobID class, its parser of durations, and its library of task maps.
const jobScript = `
import ctypes
from flux.job import JobID
from flux.util import parse_fsd
from flux.eventlog import EventLogEvent
import math
core = next(line.split()[-1] for line in open("/proc/self/maps") if "libflux-core.so" in line)
lib = ctypes.CDLL(core[:core.rindex("/")] + "/libflux-taskmap.so.1")
libc = ctypes.CDLL(None)
lib.taskmap_decode.restype = ctypes.c_void_p
lib.taskmap_decode.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
lib.taskmap_encode.restype = ctypes.c_void_p
lib.taskmap_encode.argtypes = [ctypes.c_void_p, ctypes.c_int]
for name in ("taskmap_nodeid", "taskmap_ntasks"):
    getattr(lib, name).argtypes = [ctypes.c_void_p, ctypes.c_int]
for name in ("taskmap_nnodes", "taskmap_total_ntasks"):
    getattr(lib, name).argtypes = [ctypes.c_void_p]
lib.taskmap_destroy.argtypes = [ctypes.c_void_p]
libc.free.argtypes = [ctypes.c_void_p]
def encode(map, flag):
    p = lib.taskmap_encode(map, flag)
    if not p:
        return None
    s = ctypes.string_at(p).decode()
    libc.free(p)
    return s
def handle(r):
    op, s = r["op"], r["in"]
    if op == "id":
        return str(int(JobID(s)))
    if op == "spellings":
        id = JobID(int(s))
        return {n: getattr(id, n) for n in ("dec", "hex", "kvs", "dothex", "words", "f58", "f58plain", "emoji")}
    if op == "duration":
        v = parse_fsd(s)
        return "inf" if math.isinf(v) else v
    if op == "event":
        e = EventLogEvent(s)
        return {"name": e.name, "timestamp": float(e.timestamp), "context": e.context}
    error = ctypes.create_string_buffer(160)
    map = lib.taskmap_decode(s.encode(), error)
    if not map:
        raise ValueError(error.value.decode(errors="replace"))
    total, nnodes = lib.taskmap_total_ntasks(map), lib.taskmap_nnodes(map)
    out = {"unknown": total < 0, "total": total, "nnodes": nnodes, "json": encode(map, 0), "wrapped": encode(map, 1),
           "raw": encode(map, 4), "pmi": encode(map, 2), "ntasks": [lib.taskmap_ntasks(map, i) for i in range(nnodes)],
           "nodeid": [lib.taskmap_nodeid(map, i) for i in range(min(total, 64))]}
    lib.taskmap_destroy(map)
    return out
`

type request struct {
	Op string `json:"op"`
	In string `json:"in"`
}

const trials = 2500 // for each operation

func TestDifferential(t *testing.T) {
	python := fluxpython.Start(t, jobScript, "that ids, durations, events and task maps agree with Flux on random input")
	random := formattest.Random(t)
	t.Run("spellings", func(t *testing.T) {
		for range trials {
			id := randomID(random)
			var want map[string]string
			python.MustCall(request{"spellings", id.Dec()}, &want)
			for spelling, text := range want {
				if got := spell(id, spelling); got != text {
					t.Errorf("%d as %s is %q; want %q", uint64(id), spelling, got, text)
				}
			}
		}
	})
	t.Run("id", func(t *testing.T) { compareIDs(t, python, random) })
	t.Run("duration", func(t *testing.T) { compareDurations(t, python, random) })
	t.Run("taskmap", func(t *testing.T) { compareTaskmaps(t, python, random) })
	t.Run("event", func(t *testing.T) { compareEvents(t, python, random) })
}

// randomID returns an id of any size: ids of short texts are as likely as those of long ones.
func randomID(random *rand.Rand) ID { return ID(random.Uint64() >> random.IntN(64)) }

func compareIDs(t *testing.T, python *fluxpython.Process, random *rand.Rand) {
	accepted, differ := 0, map[string]int{}
	for range trials {
		in := spell(randomID(random), allSpellings[random.IntN(len(allSpellings))])
		in = formattest.Mutate(random, in, "0123456789abcdefxzOIl.- \tfƒ😃🚀+job")
		var want string
		wantErr := python.Call(request{"id", in}, &want)
		got, err := ParseID(in)
		switch {
		case err == nil && wantErr == nil && got.Dec() == want:
			accepted++
		case err != nil && wantErr != nil:
		case err != nil && wantErr == nil && listedIDDifference(in, err) != "":
			differ[listedIDDifference(in, err)]++
		default:
			t.Errorf("ParseID(%q) = %d, %v; Flux has %s, %v", in, uint64(got), err, want, wantErr)
		}
	}
	t.Logf("%d of %d accepted by both, refused here only: %v", accepted, trials, differ)
}

// listedIDDifference returns why this package refuses what Flux takes, or nothing if the reason is not in the package
// documentation.
func listedIDDifference(in string, err error) string {
	in = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(in), "job."))
	switch {
	case errors.Is(err, flux.ERANGE):
		return reasonWraps
	case strings.Contains(in, "."):
		return reasonDothex
	case strings.Contains(in, "-"):
		return "words with other separators than hyphens and white space"
	case strings.HasPrefix(in, "f") || strings.HasPrefix(in, "ƒ"):
		if strings.IndexFunc(strings.TrimPrefix(in, "ƒ"), func(r rune) bool { return r > 127 }) >= 0 {
			return "a byte over 127 is taken for a base58 digit, of a value that is not defined"
		}
	case strings.HasPrefix(in, "\xf0\x9f") && strings.Contains(err.Error(), "at most"):
		return reasonWraps
	}
	return ""
}

func compareDurations(t *testing.T, python *fluxpython.Process, random *rand.Rand) {
	accepted, differ := 0, map[string]int{}
	units := []string{"", "ms", "s", "m", "h", "d"}
	for range trials {
		value := math.Exp(random.Float64()*30 - 10)
		in := fmt.Sprintf("%.*g", random.IntN(12)+1, value) + units[random.IntN(len(units))]
		in = formattest.Mutate(random, in, "0123456789.eE+-smhdx infinity_")
		var raw json.RawMessage
		wantErr := python.Call(request{"duration", in}, &raw)
		got, err := ParseDuration(in)
		reason := ""
		if (err == nil) != (wantErr == nil) {
			reason = listedDurationDifference(in, err)
		}
		switch {
		case err != nil && wantErr != nil:
		case reason != "":
			differ[reason]++
		case err != nil || wantErr != nil:
			t.Errorf("ParseDuration(%q) = %v, %v; Flux has %s, %v", in, got, err, raw, wantErr)
		default:
			accepted++
			want := seconds(t, raw)
			if math.IsInf(want, 1) && got == Forever {
				continue
			}
			// Python rounds to microseconds, and C and this package do not.
			if diff := math.Abs(float64(got) - want*1e9); diff > 501+want*1e9*1e-14 {
				t.Errorf("ParseDuration(%q) = %v; Flux has %v s", in, got, want)
			}
		}
	}
	t.Logf("%d of %d accepted by both, others: %v", accepted, trials, differ)
}

func listedDurationDifference(in string, err error) string {
	switch {
	case err != nil && errors.Is(err, flux.ERANGE):
		return reasonTooLong + ", or " + reasonTooShort
	case strings.Contains(in, "_"):
		return "Python's float takes underscores, C does not"
	case err != nil && strings.ContainsAny(in, " "):
		return "Python's float takes white space before the unit, C does not"
	case strings.HasPrefix(in, "-") && strings.Trim(in, "-0.smhd") == "":
		return "negative zero"
	case strings.Contains(strings.ToLower(in), "inf"):
		return "Python takes fewer spellings of infinity than C"
	}
	return ""
}

func compareTaskmaps(t *testing.T, python *fluxpython.Process, random *rand.Rand) {
	accepted, refused, differ := 0, 0, map[string]int{}
	for range trials {
		var blocks []TaskBlock
		for range random.IntN(5) {
			blocks = append(blocks, TaskBlock{random.IntN(4), random.IntN(4) + 1, random.IntN(3) + 1, random.IntN(3) + 1})
		}
		m, err := NewTaskmap(blocks...)
		if err != nil {
			t.Fatal(err)
		}
		in := m.String()
		switch random.IntN(4) {
		case 0:
			if in, err = m.PMI(); err != nil {
				t.Fatal(err)
			}
		case 1:
			if raw, err := m.Raw(); err == nil {
				in = raw
			}
		case 2:
			wrapped, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			in = string(wrapped)
		}
		in = formattest.Mutate(random, in, "0123456789,;[](){}- ")
		var want decodedTaskmap
		wantErr := python.Call(request{"taskmap", in}, &want)
		got, err := ParseTaskmap(in)
		switch {
		case err == nil && wantErr == nil:
			accepted++
			checkTaskmap(t, got, want)
			for node, n := range want.Ntasks {
				if got.TasksOn(node) != max(n, 0) {
					t.Errorf("%q: node %d has %d tasks; Flux has %d", in, node, got.TasksOn(node), n)
				}
			}
		case err != nil && wantErr != nil:
			refused++
		case err != nil && listedTaskmapDifference(in) != "":
			differ[listedTaskmapDifference(in)]++
		default:
			t.Errorf("ParseTaskmap(%q) = %s, %v; Flux has %+v, %v", in, got, err, want, wantErr)
		}
	}
	t.Logf("%d of %d accepted by both, %d refused by both, refused here only: %v", accepted, trials, refused, differ)
}

func listedTaskmapDifference(in string) string {
	switch {
	case strings.HasPrefix(in, "[") || strings.HasPrefix(in, "{"):
		return "blocks of more than four numbers, or duplicate or unknown text around them"
	case strings.Contains(in, "("):
		return "parentheses, commas or numbers missing, or more of them, in the form of PMI"
	case strings.Contains(";"+in+";", ";;"), strings.Contains(";"+in+";", ";,;"):
		return "a node without tasks in the raw form"
	}
	return ""
}

func compareEvents(t *testing.T, python *fluxpython.Process, random *rand.Rand) {
	for range trials {
		e := Event{
			Time:    time.Unix(random.Int64N(1<<32), random.Int64N(1e9)),
			Name:    formattest.Mutate(random, "finish", "aé日\"\\\n\x00<>&\u2028"),
			Context: json.RawMessage(fmt.Sprintf(`{"id":%d,"note":%q}`, randomID(random), formattest.Mutate(random, "x", "abc"))),
		}
		var want struct {
			Name      string
			Timestamp float64
			Context   json.RawMessage
		}
		text, err := FormatEventlog([]Event{e})
		if err != nil {
			t.Fatal(err)
		}
		python.MustCall(request{"event", text}, &want)
		seconds := float64(e.Time.Unix()) + float64(e.Time.Nanosecond())/1e9
		if want.Name != e.Name || math.Abs(want.Timestamp-seconds) > 1e-6 {
			t.Errorf("%s is %q at %v in Flux", text, want.Name, want.Timestamp)
		}
		checkSameJSON(t, e.Context, want.Context)
	}
}
