package joboptions

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSubmission(t *testing.T) {
	host := vectorHost(t)
	s, err := Parse(strings.Fields("submit --cc=2-4 --urgency=hold --flags=debug,waitable --wait --watch --quiet -vvl "+
		"--log=log-{cc} --job-name=j{cc} -n{cc} --dependency=after:7 echo {cc} {{id}}"), host)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Watch || !s.Quiet || s.Verbose != 2 || !s.LabelIO || s.DryRun {
		t.Errorf("settings: %+v", s)
	}
	if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "deprecated") {
		t.Errorf("warnings: %q", s.Warnings)
	}
	type line struct {
		Argv                []string
		Name, Copy, Log, CC string
		Tasks, Urgency      int
		Debug, Waitable     bool
		WaitEvent           string
	}
	var got []line
	for job, err := range s.Jobs() {
		if err != nil {
			t.Fatal(err)
		}
		n, _ := job.Spec.TaskCount()
		cc, _ := job.Spec.LookupEnv("FLUX_JOB_CC")
		got = append(got, line{job.Spec.Argv(), job.Spec.JobName(), job.Copy, job.Log, cc, n, job.Urgency, job.Debug,
			job.Waitable, job.WaitEvent})
	}
	want := []line{
		{[]string{"echo", "2", "{{id}}"}, "j2", "2", "log-2", "2", 2, 0, true, true, "clean"},
		{[]string{"echo", "3", "{{id}}"}, "j3", "3", "log-3", "3", 3, 0, true, true, "clean"},
		{[]string{"echo", "4", "{{id}}"}, "j4", "4", "log-4", "4", 4, 0, true, true, "clean"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// A huge set costs nothing until its jobs are asked for.
	s, err = Parse([]string{"submit", "--bcc=0-2147483646", "true"}, host)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for job, err := range s.Jobs() {
		if _, set := job.Spec.LookupEnv("FLUX_JOB_CC"); err != nil || set {
			t.Fatal(err)
		}
		if count++; count == 3 {
			break
		}
	}
}

func TestAttachSettings(t *testing.T) {
	host := vectorHost(t)
	s, err := Parse(strings.Fields("run --input=0-3 --wait-event=start -u true"), host)
	if err != nil || s.StdinRanks != "0-3" || s.WaitEvent != "start" || !s.Unbuffered {
		t.Errorf("run: %+v %v", s, err)
	}
	specs, err := s.Specs()
	if err != nil || len(specs) != 1 || specs[0].StdinFile() != "" {
		t.Errorf("run: input goes to a file: %v", err)
	}
	s, err = Parse(strings.Fields("alloc -N1 --bg --output=x"), host)
	if err != nil || !s.Background || len(s.Warnings) != 1 {
		t.Errorf("alloc: %+v %v", s, err)
	}
	host.Terminal = true
	s, err = Parse(strings.Fields("alloc -N1"), host)
	if err != nil {
		t.Fatal(err)
	}
	if specs, err = s.Specs(); err != nil {
		t.Fatal(err)
	}
	if v, _ := specs[0].Get("shell.options.pty"); string(v) != `{"interactive":1}` {
		t.Errorf("alloc on a terminal: %s", v)
	}
}

func TestParseErrors(t *testing.T) {
	host := vectorHost(t)
	for line, want := range map[string]string{
		"":                            "expected one of the commands alloc, batch, bulksubmit, run, submit",
		"frob":                        "expected one of the commands",
		"submit":                      "job command and arguments are missing",
		"submit --":                   "command array cannot have length of zero",
		"submit --help":               "help for flux submit requested",
		"submit -n":                   "argument -n/--ntasks: expected one argument",
		"submit -n -x true":           "argument -n/--ntasks: expected one argument",
		"submit -x5 true":             "argument -x/--exclusive: ignored explicit argument '5'",
		"submit --watch=1 true":       "argument --watch: ignored explicit argument '1'",
		"submit --nope -Z true":       "unrecognized arguments: --nope -Z",
		"submit --urgency=32 true":    "--urgency: expected 0 to 31",
		"submit --urgency=x true":     "--urgency: expected 0 to 31",
		"submit --list-plugins true":  "plugins are not supported",
		"submit --begin-time=3pm x":   `Invalid datetime: "3pm"`,
		"submit --begin-time=+x x":    "invalid Flux standard duration",
		"submit --cc=1 --bcc=2 true":  "specify only one of --cc or --bcc",
		"submit --cc=2,1 true":        "invalid idset '2,1'",
		"submit --cc=1 echo {x}":      "Invalid replacement string in command: '{x}'",
		"submit -n99999999999 true":   "invalid int value",
		"submit -S a..b=1 true":       "Set path must be names separated by single dots",
		"submit -t1d3 true":           "invalid Flux standard duration",
		"submit --add-file=a\\n true": "--add-file: file name missing",
		"alloc -Nx":                   "argument -N/--nodes: invalid int value: 'x'",
		"alloc -N1 --add-brokers=1":   "--add-brokers is not supported",
		"alloc -N1 --conf=a..b=1":     "expected names separated by single dots",
		"alloc -N1 --conf=x.yaml":     "named config 'x.yaml' not found",
		"alloc -N1 --conf=no.toml":    "no such file",
		"batch --":                    "expected a script after --",
		"batch -N1 bin.dat":           "failed to encode as utf-8",
		"bulksubmit --define=a=b x":   "Python expressions are not supported",
		"bulksubmit x :::: a b":       "expected one file after ::::",
		"bulksubmit x :::y a":         "unknown separator ':::y'",
		"bulksubmit x":                "no jobs provided for bulk submission",
		"bulksubmit {1} ::: a":        "has no input",
		"bulksubmit {}{0} ::: a":      "fields with and without a number",
	} {
		var err error
		var s *Submission
		if s, err = Parse(strings.Fields(line), host); err == nil {
			for job, e := range s.Jobs() {
				if err = e; err == nil {
					err = job.Spec.Validate()
				}
			}
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
	var help *HelpError
	if _, err := Parse([]string{"alloc", "--help", "topic"}, host); !errors.As(err, &help) || help.Topic != "topic" {
		t.Errorf("help: %v", err)
	}
}

func TestBeginTime(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]string{
		"now": "2030-01-02T03:04:05Z", "+1.5h": "2030-01-02T04:34:05Z", "-1d": "2030-01-01T03:04:05Z",
		"2031-01-01T00:00:00+01:00": "2030-12-31T23:00:00Z", "2031-01-01": "2031-01-01T00:00:00Z",
		"2031-01-01 12:30": "2031-01-01T12:30:00Z",
	} {
		got, err := beginTime(text, now)
		if err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s: %v %v, want %s", text, got, err, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "1.5": 1500 * time.Millisecond, "30s": 30 * time.Second, "2m": 2 * time.Minute, "1.5h": 90 * time.Minute,
		"2d": 48 * time.Hour, "500ms": time.Second / 2, ".5s": time.Second / 2, "1e2s": 100 * time.Second,
	} {
		if d, err := parseDuration(text); err != nil || d != want {
			t.Errorf("%s: %v %v, want %v", text, d, err, want)
		}
	}
	for _, text := range []string{"", "s", "-1", "1x", "1 s", "inf", "nan", "1e300d", "0x10", "1:30", "1m30s"} {
		if d, err := parseDuration(text); err == nil {
			t.Errorf("%s: %v, want an error", text, d)
		}
	}
}

func TestBulkInputs(t *testing.T) {
	host := vectorHost(t)
	if err := os.WriteFile("inputs", []byte("x 1\ny\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	host.Stdin = strings.NewReader("p q\nr")
	for _, c := range []struct {
		line string
		want string
	}{
		{"bulksubmit echo {} :::: inputs", "echo x 1|echo y"},
		{"bulksubmit --sep=none echo :::: inputs", "echo|echo|echo"},
		{"bulksubmit --sep=none", "p|q|r"},
		{"bulksubmit echo {0}{1}{2} ::: a b ::: 1 2 :::+ X Y", "echo a1X|echo a2Y|echo b1X|echo b2Y"},
		{"bulksubmit -n{} --cc=1-2 echo ::: 3", "-n3 --cc=1-2 echo"},
	} {
		s, err := Parse(strings.Fields(c.line), host)
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		var lines []string
		for job, err := range s.Jobs() {
			if err != nil {
				t.Fatal(err)
			}
			if len(lines) == 0 || job.Copy == "" {
				lines = append(lines, job.Line)
			}
		}
		if got := strings.Join(lines, "|"); got != c.want {
			t.Errorf("%s: %s, want %s", c.line, got, c.want)
		}
	}
}

func TestThisProcess(t *testing.T) {
	host, err := ThisProcess()
	if err != nil || host.Dir == "" || len(host.Environ) == 0 {
		t.Fatalf("%+v %v", host, err)
	}
	s, err := Parse([]string{"submit", "true"}, host)
	if err != nil {
		t.Fatal(err)
	}
	specs, err := s.Specs()
	if err != nil {
		t.Fatal(err)
	}
	if err := specs[0].Validate(); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range []string{
		"submit -n4 -N2 true", "run --env=-* -o a.b=1 x", "alloc -N1 --conf=a=1", "bulksubmit --cc={} echo {} ::: 1 2",
		"submit --requires=a|b --dependency=x:y -t5 --signal=@5m true", "submit -xn4 -vv --taskmap=cyclic:2 true",
	} {
		f.Add(line)
	}
	host := Host{Environ: vectorEnviron, Dir: "/", Limits: vectorLimits, Now: time.Now}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.ContainsAny(line, "/") || strings.Contains(line, "file") || strings.HasPrefix(line, "batch") {
			return // would read files
		}
		host.Stdin = strings.NewReader("a\nb\n")
		s, err := Parse(strings.Fields(line), host)
		if err != nil {
			return
		}
		count := 0
		for job, err := range s.Jobs() {
			if err != nil {
				return
			}
			if job.Spec.Validate() == nil {
				if _, err := job.Spec.MarshalJSON(); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
			}
			if count++; count == 5 {
				return
			}
		}
	})
}
