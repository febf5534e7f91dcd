package joboptions

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/flux-sdk/flux/internal/envrules"
	"github.com/flux-sdk/flux/internal/jsontree"
	"github.com/flux-sdk/flux/jobspec"
)

// applyOptions adds what is alike for all commands.
func applyOptions(spec *jobspec.Spec, a *arguments, host *Host) error {
	for _, step := range []func(*jobspec.Spec, *arguments, *Host) error{
		applyEnvironment, applyLimits, applySignal, applyTaskmap, applyDependencies, applyConstraint, applySettings,
		applyFiles,
	} {
		if err := step(spec, a, host); err != nil {
			return err
		}
	}
	if a.set("debug_emulate") {
		spec.ShellOption("stop-tasks-in-exec", 1)
	}
	return nil
}

func applyEnvironment(spec *jobspec.Spec, a *arguments, host *Host) error {
	r := &envrules.Rules{
		Env: envrules.FromList(host.Environ), Process: envrules.FromList(host.Environ), Expand: &jsontree.Object{},
		ReadFile: envrules.ReadFile,
	}
	if err := r.Apply(a.list["env"]); err != nil {
		return fmt.Errorf("--env: %w", err)
	}
	spec.Set("environment", r.Env)
	for _, m := range r.Expand.Members() {
		spec.EnvExpand(m.Name, m.Value.(string))
	}
	return nil
}

func applyLimits(spec *jobspec.Spec, a *arguments, host *Host) error {
	limits, err := filterLimits(splitCommas(a.list["rlimit"]), host.Limits)
	for _, l := range limits {
		spec.RLimit(l.Name, l.Soft)
	}
	return err
}

// defaultTimeLeft is how many seconds before the end a signal is sent if no time is given.
const defaultTimeLeft = 60

func applySignal(spec *jobspec.Spec, a *arguments, _ *Host) error {
	arg := a.text["signal"]
	if arg == "" {
		return nil
	}
	name, before, _ := strings.Cut(arg, "@")
	number, timeLeft := signals["USR1"], jsontree.Int(defaultTimeLeft)
	if name != "" {
		var ok bool
		if number, ok = signalNumber(name); !ok {
			return fmt.Errorf("--signal=%s: signal '%s' is invalid", arg, name)
		}
		if number <= 0 {
			return fmt.Errorf("--signal=%s: signal must be > 0", arg)
		}
	}
	if before != "" {
		f, isNumber := pythonFloat(before)
		d, err := parseDuration(before)
		switch {
		case isNumber && (f < 0 || math.IsInf(f, 0) || math.IsNaN(f)):
			return fmt.Errorf("--signal=%s: the time must be a finite number that is not negative", arg)
		case isNumber:
			timeLeft = jsontree.Real(f)
		case err != nil:
			return fmt.Errorf("--signal=%s: %w", arg, err)
		default:
			timeLeft = jsontree.Seconds(d)
		}
	}
	spec.ShellOption("signal.signum", number).ShellOption("signal.timeleft", timeLeft)
	return nil
}

func applyTaskmap(spec *jobspec.Spec, a *arguments, _ *Host) error {
	uri, ok := a.text["taskmap"]
	if !ok {
		return nil
	}
	scheme, value, _ := strings.Cut(uri, ":")
	if scheme == "" || strings.ContainsAny(scheme, " /?#") {
		return fmt.Errorf("Invalid taskmap URI \"%s\"", uri)
	}
	spec.Taskmap(strings.ToLower(scheme), value)
	return nil
}

// beginTimePrefix marks the value of --begin-time among the dependencies, which keep their order.
const beginTimePrefix = "\x00begin-time\x00"

func applyDependencies(spec *jobspec.Spec, a *arguments, host *Host) error {
	for _, uri := range a.list["dependency"] {
		when, ok := strings.CutPrefix(uri, beginTimePrefix)
		if !ok {
			spec.Dependency(uri)
			continue
		}
		t, err := beginTime(when, host.Now())
		if err != nil {
			return err
		}
		spec.BeginAt(t)
	}
	return nil
}

// timeForms are the forms of absolute times.
var timeForms = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly,
}

// beginTime reads a point in time.
func beginTime(text string, now time.Time) (time.Time, error) {
	switch {
	case text == "now":
		return now, nil
	case strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-"):
		d, err := parseDuration(text[1:])
		if err != nil {
			return time.Time{}, fmt.Errorf("--begin-time=%s: %w", text, err)
		}
		if text[0] == '-' {
			d = -d
		}
		return now.Add(d), nil
	}
	for _, form := range timeForms {
		if t, err := time.ParseInLocation(form, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf(`Invalid datetime: "%s" (expected +DURATION, now, or a time such as %s)`, text,
		"2030-01-02T15:04:05Z")
}

func applyConstraint(spec *jobspec.Spec, a *arguments, _ *Host) error {
	requires := a.list["requires"]
	if requires == nil {
		return nil
	}
	expr := strings.Join(requires, " ")
	c, err := jobspec.ParseConstraint(expr)
	if err != nil {
		var syntax *jobspec.ConstraintSyntaxError
		if errors.As(err, &syntax) {
			err = errors.New(syntax.Reason)
		}
		return fmt.Errorf("--requires='%s': %w", expr, err)
	}
	spec.Require(c)
	return nil
}

func applySettings(spec *jobspec.Spec, a *arguments, _ *Host) error {
	for _, arg := range a.list["setopt"] {
		key, value, err := keyValue("--setopt", arg)
		if err != nil {
			return err
		}
		spec.ShellOption(key, value)
	}
	for _, arg := range a.list["setattr"] {
		key, value, err := keyValue("--setattr", arg)
		if err != nil {
			return err
		}
		if strings.HasPrefix(key, ".") {
			key = "attributes" + key
		}
		spec.Set(key, value)
	}
	return nil
}

func applyFiles(spec *jobspec.Spec, a *arguments, _ *Host) error {
	for _, arg := range a.list["add_file"] {
		if err := addFile(spec, arg); err != nil {
			return err
		}
	}
	return nil
}

// addFile adds a file from PATH, NAME=PATH or NAME=TEXT, where a text has a line end, which may be written \n.
func addFile(spec *jobspec.Spec, arg string) error {
	name, data, _ := strings.Cut(strings.ReplaceAll(arg, `\n`, "\n"), "=")
	perm := os.FileMode(0o600)
	if data == "" {
		if strings.Contains(name, "\n") {
			return errors.New("--add-file: file name missing")
		}
		name, data = filepath.Base(name), name
	} else if before, octal, ok := strings.Cut(name, ":"); ok {
		if n, err := strconv.ParseUint(strings.TrimPrefix(octal, "0o"), 8, 12); err == nil {
			name, perm = before, os.FileMode(n)
		}
	}
	if strings.Contains(data, "\n") {
		spec.FileMode(name, data, perm)
		return nil
	}
	if _, err := os.Stat(data); err != nil {
		return fmt.Errorf("--add-file=%s: [Errno 2] %w", arg, openError(data, err))
	}
	spec.AddFileAs(name, data)
	return nil
}
