package joboptions

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/flux-sdk/flux/jobspec"
)

// readScript reads the script of flux batch and its directives. It returns the arguments of the directives with
// those of the command line, which come last, so that they override the directives.
func (s *Submission) readScript(a *arguments, argv []string) (*arguments, error) {
	script := a.rest
	if len(script) > 0 && script[0] == "--" {
		if script = script[1:]; len(script) == 0 {
			return nil, errors.New("expected a script after --")
		}
	}
	if len(script) > 0 && a.set("wrap") {
		s.script = "#!/bin/sh\n" + strings.Join(script, " ") + "\n"
		a.rest = script
		return a, nil
	}
	name := "stdin"
	var content []byte
	var err error
	if len(script) > 0 {
		name = script[0]
		content, err = os.ReadFile(name)
	} else if s.host.Stdin != nil {
		content, err = io.ReadAll(s.host.Stdin)
	}
	if err != nil {
		return nil, openError(name, err)
	}
	if !utf8.Valid(content) {
		return nil, fmt.Errorf("%s does not appear to be a script, or failed to encode as utf-8", name)
	}
	// Lines may end as on any system; a script that runs on Linux has line feeds.
	s.script = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(content))
	directives, err := jobspec.Directives(s.script)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	all := newArguments(a.command)
	for _, d := range directives {
		if err := all.parse(d.Args); err != nil {
			return nil, fmt.Errorf("argument parsing failed at %s line %d: %w", name, d.Line, err)
		}
		if len(all.rest) > 0 {
			return nil, fmt.Errorf("%s: line %d: expected options only, got %q", name, d.Line, all.rest[0])
		}
	}
	if err := all.parse(argv); err != nil {
		return nil, err
	}
	all.rest = script
	if all.set("wrap") {
		s.script = "#!/bin/sh\n" + s.script
	}
	return all, nil
}

// slots reads the options about resources of batch and alloc.
func slots(spec *jobspec.Spec, a *arguments) error {
	c := &counts{exclusive: a.set("exclusive")}
	one := 1
	c.coresPerTask = &one
	for _, o := range []struct {
		dest string
		to   **int
	}{
		{"nslots", &c.tasks}, {"nodes", &c.nodes}, {"cores_per_slot", &c.coresPerTask}, {"gpus_per_slot", &c.gpusPerTask},
	} {
		if !a.has(o.dest) {
			continue
		}
		n, ok := pythonInt(a.text[o.dest])
		if !ok || n > math.MaxInt32 {
			return fmt.Errorf("--%s: invalid int value '%s'", strings.ReplaceAll(o.dest, "_", "-"), a.text[o.dest])
		}
		*o.to = &n
	}
	switch {
	case !isSet(c.tasks) && !isSet(c.nodes):
		return errors.New("Number of slots to allocate must be specified")
	case under(c.coresPerTask, 1):
		return errors.New("cores per task must be an integer >= 1")
	}
	return c.perTask(spec)
}

// optionalDefault has the values of options that are given without one.
var optionalDefault = map[string]string{"dump": jobspec.DefaultDump}

// instanceSpec adds what batch and alloc have in common.
func instanceSpec(spec *jobspec.Spec, a *arguments, host *Host) error {
	if err := slots(spec, a); err != nil {
		return err
	}
	if n, _ := pythonInt(a.text["add_brokers"]); n > 0 {
		return errors.New("--add-brokers is not supported")
	}
	opts := a.list["broker_opts"]
	if file := a.text["dump"]; file != "" {
		opts = append(opts, "-Scontent.dump="+file)
	}
	if a.command == "alloc" && a.set("bg") && len(a.rest) == 0 {
		opts = append(opts, "-Sbroker.rc2_none=1")
	}
	spec.BrokerOptions(splitCommas(opts)...)
	config, err := readConfig(a.list["conf"], host)
	if err != nil {
		return err
	}
	if config != nil {
		spec.Conf(config)
	}
	return setDirectoryAndLimit(spec, a, host)
}

func batchSpec(a *arguments, host *Host, script string) (*jobspec.Spec, error) {
	name, named := a.text["job_name"]
	var argv []string
	if len(a.rest) > 0 {
		argv = a.rest[1:]
		if !named {
			name = a.rest[0]
		}
	} else if !named {
		name = "batch"
	}
	if !strings.HasPrefix(script, "#!") {
		return nil, fmt.Errorf("%s does not appear to start with '#!'", name)
	}
	spec := jobspec.Batch(script, argv...).Name(name)
	if err := instanceSpec(spec, a, host); err != nil {
		return nil, err
	}
	if input, ok := a.text["input"]; ok {
		spec.Stdin(input)
	}
	output, ok := a.text["output"]
	if !ok {
		output = jobspec.DefaultBatchOutput
	}
	setOutput(spec, a, output)
	return spec, nil
}

func allocSpec(a *arguments, host *Host) (*jobspec.Spec, error) {
	spec := jobspec.Nest(a.rest...)
	if err := instanceSpec(spec, a, host); err != nil {
		return nil, err
	}
	if a.set("unbuffered") {
		spec.Unbuffered()
	}
	switch {
	case a.set("bg"):
		spec.ShellOption("pty.capture", 1)
	case host.Terminal:
		spec.ShellOption("pty.interactive", 1)
	}
	return spec, nil
}
