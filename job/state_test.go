package job

import (
	"errors"
	"testing"

	"github.com/flux-sdk/flux"
)

func TestStateNames(t *testing.T) {
	for text, want := range map[string]State{
		"new": StateNew, "DEPEND": StateDepend, "Priority": StatePriority, "s": StateSched, "run": StateRun,
		"C": StateCleanup, "inactive": StateInactive, "pending": 14, "running": 48, "active": 62,
		"pd,ru": 62, "depend,RUN": 18,
	} {
		if got, err := ParseState(text); err != nil || got != want {
			t.Errorf("ParseState(%q) = %d, %v; want %d", text, int(got), err, int(want))
		}
	}
	for s, want := range map[State]string{0: "0", StateSched: "SCHED", StatePending: "DEPEND,PRIORITY,SCHED",
		StateRun | 128: "144", -1: "-1", StateNew | StateInactive: "NEW,INACTIVE"} {
		if got := s.String(); got != want {
			t.Errorf("State(%d) is %q; want %q", int(s), got, want)
		}
	}
	for _, text := range []string{"", "bogus", "run,", ",", " run", "14"} {
		s := StateNew
		err := s.Set(text)
		if !errors.Is(err, flux.EINVAL) || s != StateNew {
			t.Errorf("Set(%q) gives %v, %v", text, s, err)
		}
	}
}

func TestResultNames(t *testing.T) {
	for text, want := range map[string]ResultCode{"completed": 1, "FAILED": 2, "ca": 4, "timeout": 8, "F,TO": 10} {
		var got ResultCode
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("Set(%q) gives %d, %v; want %d", text, int(got), err, int(want))
		}
	}
	for r, want := range map[ResultCode]string{0: "0", 1: "COMPLETED", 2: "FAILED", 4: "CANCELED", 8: "TIMEOUT",
		5: "COMPLETED,CANCELED", 16: "16"} {
		if got := r.String(); got != want {
			t.Errorf("ResultCode(%d) is %q; want %q", int(r), got, want)
		}
	}
	const want = `job: invalid job result "failed,x": "x" is not one of completed, failed, canceled, timeout (offset 7)`
	if _, err := ParseResultCode("failed,x"); err == nil || err.Error() != want {
		t.Errorf("got %v; want %s", err, want)
	}
}

func FuzzParseState(f *testing.F) {
	f.Add("depend,RUN")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseState(text)
		if err != nil {
			checkParseError(t, err, text)
			return
		}
		if again, err := ParseState(s.String()); err != nil || again != s {
			t.Fatalf("%q is %v, which is %v, %v", text, s, again, err)
		}
	})
}
