package job

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// realScript runs jobs in an instance of its own. Each job prints its id in all spellings, its eventlogs, its output
// as `flux job attach` has it, and what `flux jobs` says of it; NAME begins a part.
const realScript = `
part() { echo; echo "== $1"; }
run() {
	id=$(flux submit "$@") && flux job wait-event -q -t 60 $id clean || exit 1
	for spelling in dec hex kvs dothex words f58 f58plain emoji; do part id; flux job id --to=$spelling $id; done
	part eventlog; flux job eventlog --format=json $id
	part exec; flux job eventlog -p exec --format=json $id
	part output; flux job eventlog -p output --format=json $id
	part taskmap; flux job taskmap --to=raw $id
	part listed; flux jobs -no '{id.dec} {status} {result} {waitstatus} {returncode} {state}' $id
	part attach; flux job attach $id 2>/dev/null
	part why; flux job attach $id 2>&1 >/dev/null | tail -n 1
	part end
}
run -n3 sh -c 'echo task $FLUX_TASK_RANK; printf "no newline"; exit 3'
run -N2 -n4 sh -c 'printf "\377\376\000x\n"; kill -9 $$'
run -n2 -o output.limit=20 sh -c 'echo more than twenty bytes of output; echo oops >&2'
run -n1 --output=/dev/null true
run -n1 -o exit-timeout=none /does/not/exist
`

func TestRealJobs(t *testing.T) {
	path, err := exec.LookPath("flux")
	if err != nil {
		t.Skip("flux is not on PATH: not tested: that eventlogs, output, ids and statuses of real jobs are read")
	}
	cmd := exec.Command(path, "start", "--test-size=2", "sh", "-c", realScript)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s%s", err, text, stderr.Bytes())
	}
	parts := map[string][]string{}
	jobs := 0
	for part := range strings.SplitSeq(string(text), "\n== ") {
		name, body, _ := strings.Cut(part, "\n")
		parts[name] = append(parts[name], body)
		if name == "end" {
			jobs++
			checkRealJob(t, parts)
			clear(parts)
		}
	}
	if jobs != 5 {
		t.Errorf("%d jobs; want 5", jobs)
	}
}

func checkRealJob(t *testing.T, parts map[string][]string) {
	t.Helper()
	listed := strings.Fields(parts["listed"][0])
	id, err := ParseID(listed[0])
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range parts["id"] {
		text = strings.TrimSuffix(text, "\n")
		if got, err := ParseID(text); err != nil || got != id || spell(id, allSpellings[i]) != text {
			t.Errorf("ParseID(%q) = %d, %v; want %d", text, uint64(got), err, uint64(id))
		}
	}
	var main []Event
	for _, name := range []string{"eventlog", "exec"} {
		log := parts[name][0]
		events, err := ParseEventlog(log)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := FormatEventlog(events); err != nil || again != log {
			t.Errorf("%s formats as %s, %v", log, again, err)
		}
		main = append(main, events...)
	}
	for _, e := range main {
		switch e.Name {
		case "finish":
			checkRealStatus(t, e, listed, parts["why"][0])
		case "shell.start":
			var context struct{ Taskmap Taskmap }
			if err := e.Decode(&context); err != nil {
				t.Error(err)
			}
			raw, err := context.Taskmap.Raw()
			if want := strings.TrimSpace(parts["taskmap"][0]); err != nil || raw != want {
				t.Errorf("the task map is %s, %v; want %s", raw, err, want)
			}
		}
	}
	checkRealOutput(t, parts["output"][0], parts["attach"][0])
}

// checkRealStatus compares the status of a finish event with what `flux jobs` lists: id, status, result, wait status,
// return code and state; and with why, the last line that `flux job attach` writes to its standard error.
func checkRealStatus(t *testing.T, finish Event, listed []string, why string) {
	t.Helper()
	var context struct{ Status Status }
	if err := finish.Decode(&context); err != nil {
		t.Fatal(err)
	}
	result, err := ParseResultCode(listed[2])
	if err != nil || result.String() != listed[2] {
		t.Errorf("result %s is %v, %v", listed[2], result, err)
	}
	if state, err := ParseState(listed[5]); err != nil || state != StateInactive {
		t.Errorf("state %s is %v, %v", listed[5], state, err)
	}
	// A task that could not start is told by the shell.
	told := !strings.Contains(why, "flux-shell")
	if !context.Status.Success() && told && strings.TrimSpace(why) != "flux-job: "+context.Status.String() {
		t.Errorf("flux job attach says %q; status %d is %q", why, int(context.Status), context.Status)
	}
	if code := strconv.Itoa(context.Status.ExitCode()); code != listed[4] {
		t.Errorf("status %d has exit code %s; want %s", int(context.Status), code, listed[4])
	}
	if context.Status.Success() != (result == ResultCompleted) {
		t.Errorf("status %d, result %v", int(context.Status), result)
	}
	t.Logf("%s: %v", strings.Join(listed, " "), context.Status)
}

// checkRealOutput compares the output log with what `flux job attach` writes to its standard output.
func checkRealOutput(t *testing.T, log, attached string) {
	t.Helper()
	events, err := ParseEventlog(log)
	if err != nil {
		t.Fatal(err)
	}
	var stdout []byte
	for _, e := range events {
		o, err := DecodeOutput(e)
		if err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		if o.Header == nil && o.Data == nil && o.Redirect == nil && o.Log == nil {
			t.Errorf("%s is none of the entries of RFC 24", e)
		}
		for c := range o.Chunks() {
			if c.Stream == Stdout {
				stdout = append(stdout, c.Data...)
			}
		}
	}
	if !bytes.Equal(stdout, []byte(attached)) {
		t.Errorf("the output is %q; flux job attach has %q", stdout, attached)
	}
}
