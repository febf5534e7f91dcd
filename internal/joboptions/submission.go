package joboptions

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/flux-sdk/flux/idset"
	"github.com/flux-sdk/flux/jobspec"
)

// Job is one job to submit.
type Job struct {
	Spec *jobspec.Spec

	Urgency    int
	Debug      bool
	Waitable   bool
	NoValidate bool

	Copy      string // the id of --cc or --bcc that the job is for, or ""
	Log       string // file for messages of the command, or ""
	LogStderr string // file for errors of the command, or ""
	WaitEvent string // event to wait for after submission, or ""
	Line      string // what bulksubmit --dry-run and --verbose print, or ""
}

// Submission is what a command line asks for.
type Submission struct {
	Command  string // "submit", "run", "batch", "alloc" or "bulksubmit"
	DryRun   bool
	Quiet    bool
	Verbose  int
	Watch    bool
	Progress bool
	Rate     bool // with Progress, of jobs (--jps)
	Shuffle  bool

	// How to attach to the job of run and alloc.
	LabelIO    bool
	Unbuffered bool
	WaitEvent  string // until which to attach, or ""
	StdinRanks string // the tasks that standard input goes to, an idset, or "" for all
	Background bool   // alloc does not attach

	// Warnings are for the user and prevent nothing.
	Warnings []string

	host   *Host
	script string // of batch
	lines  []*arguments
}

// Parse reads a command line: the name of a command and its arguments, without "flux".
func Parse(argv []string, host Host) (*Submission, error) {
	if len(argv) == 0 || optionsOf[argv[0]] == nil {
		return nil, fmt.Errorf("expected one of the commands %s",
			strings.Join(slices.Sorted(maps.Keys(optionsOf)), ", "))
	}
	s := &Submission{Command: argv[0], host: &host}
	a := newArguments(argv[0])
	if err := a.parse(argv[1:]); err != nil {
		return nil, err
	}
	if a.has("help") {
		return nil, &HelpError{Command: a.command, Topic: a.text["help"]}
	}
	if a.set("list_plugins") {
		return nil, errors.New("--list-plugins: plugins are not supported")
	}
	var err error
	switch a.command {
	case "batch":
		a, err = s.readScript(a, argv[1:])
	case "bulksubmit":
		s.lines, err = bulkLines(a, &host)
	}
	if err != nil {
		return nil, err
	}
	if s.lines == nil {
		s.lines = []*arguments{a}
	}
	s.settings(a)
	return s, nil
}

// isIdset tells whether text is a set of tasks rather than the name of a file.
func isIdset(text string) bool {
	_, err := idset.Parse(text)
	return err == nil
}

// settings takes over what concerns the command rather than a job.
func (s *Submission) settings(a *arguments) {
	s.DryRun, s.Quiet, s.Verbose = a.set("dry_run"), a.set("quiet"), a.count["verbose"]
	s.Watch, s.Progress, s.Rate = a.set("watch"), a.set("progress"), a.set("jps")
	s.Shuffle, s.Background = a.set("shuffle"), a.set("bg")
	s.LabelIO, s.Unbuffered, s.WaitEvent = a.set("label_io"), a.set("unbuffered"), a.text["wait_event"]
	if a.command == "run" && a.has("input") && isIdset(a.text["input"]) {
		s.StdinRanks = a.text["input"]
	}
	if a.command == "alloc" {
		for _, dest := range []string{"input", "output", "error"} {
			if a.has(dest) {
				s.Warnings = append(s.Warnings, fmt.Sprintf("--%s has no effect in flux alloc", dest))
			}
		}
	}
	for _, uri := range a.list["dependency"] {
		if strings.HasPrefix(strings.ToLower(uri), "after:") {
			s.Warnings = append(s.Warnings, "dependency scheme 'after' is deprecated, use 'afterstart'")
		}
	}
}

// Jobs returns the jobs, one after another as they are built, and ends with the first error.
func (s *Submission) Jobs() iter.Seq2[*Job, error] {
	return func(yield func(*Job, error) bool) {
		for _, line := range s.lines {
			for job, err := range s.copies(line) {
				if !yield(job, err) || err != nil {
					return
				}
			}
		}
	}
}

// Specs returns the jobspecs of all jobs.
func (s *Submission) Specs() ([]*jobspec.Spec, error) {
	var specs []*jobspec.Spec
	for job, err := range s.Jobs() {
		if err != nil {
			return nil, err
		}
		specs = append(specs, job.Spec)
	}
	return specs, nil
}

// copies returns the jobs of one line: one, or one for each id of --cc or --bcc.
func (s *Submission) copies(a *arguments) iter.Seq2[*Job, error] {
	return func(yield func(*Job, error) bool) {
		cc, bcc := a.text["cc"], a.text["bcc"]
		if cc != "" && bcc != "" {
			yield(nil, errors.New("specify only one of --cc or --bcc"))
			return
		}
		if cc+bcc == "" {
			yield(s.job(a, ""))
			return
		}
		ids, err := idset.Parse(cc + bcc)
		if err != nil {
			yield(nil, fmt.Errorf("--cc: invalid idset '%s': %w", cc+bcc, err))
			return
		}
		for id := range ids.All() {
			line, err := a.format(replacements{named: map[string]any{"cc": int64(id)}})
			if err != nil {
				yield(nil, err)
				return
			}
			job, err := s.job(line.arguments, fmt.Sprint(id))
			if err == nil && cc != "" {
				job.Spec.Env("FLUX_JOB_CC", job.Copy)
			}
			if !yield(job, err) || err != nil {
				return
			}
		}
	}
}

// job builds one job.
func (s *Submission) job(a *arguments, cc string) (*Job, error) {
	job := &Job{Copy: cc, Log: a.text["log"], LogStderr: a.text["log_stderr"], WaitEvent: a.text["wait"],
		Line: a.text["line"]}
	if a.set("wait_clean") {
		job.WaitEvent = "clean"
	}
	if err := job.parameters(a); err != nil {
		return nil, err
	}
	var err error
	switch a.command {
	case "batch":
		job.Spec, err = batchSpec(a, s.host, s.script)
	case "alloc":
		job.Spec, err = allocSpec(a, s.host)
	default:
		job.Spec, err = taskSpec(a, s.host)
	}
	if err == nil {
		err = applyOptions(job.Spec, a, s.host)
	}
	if err != nil {
		return nil, err
	}
	bulk := a.command == "submit" || a.command == "bulksubmit"
	if bulk && a.has("input") && isIdset(a.text["input"]) {
		return nil, errors.New("per-task input not supported for submit")
	}
	return job, nil
}

// parameters reads what is not in the jobspec.
func (j *Job) parameters(a *arguments) error {
	for _, name := range splitCommas(a.list["flags"]) {
		switch name {
		case "debug":
			j.Debug = true
		case "waitable":
			j.Waitable = true
		case "novalidate":
			j.NoValidate = true
		default:
			return fmt.Errorf("--flags: Unknown flag %s", name)
		}
	}
	urgency, given := a.text["urgency"]
	ok := true
	switch {
	case !given || urgency == "default":
		j.Urgency = 16
	case urgency == "hold":
		j.Urgency = 0
	case urgency == "expedite":
		j.Urgency = 31
	default:
		j.Urgency, ok = pythonInt(urgency)
	}
	if !ok || j.Urgency < 0 || j.Urgency > 31 {
		return fmt.Errorf("--urgency: expected 0 to 31, hold, default or expedite, got '%s'", urgency)
	}
	return nil
}
