// Package compare runs the benchmarks of this module and of others in turn and
// makes a table and a plot of how they compare.
package compare

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"time"
)

// options are the flags of the compare command.
type options struct {
	short  bool
	reps   int
	only   *regexp.Regexp
	budget time.Duration
	settle time.Duration
	noFlux bool
	other  *build // to compare this one with
	pairs  bool   // nothing else
	out    string // JSON lines
	svg    string
	md     string
	dir    string // of this module
}

// parser reads the flags of a command into o.
func (o *options) parser(command string) (parse func(argv []string) error, fs *flag.FlagSet) {
	fs = flag.NewFlagSet(command, flag.ContinueOnError)
	fs.BoolVar(&o.short, "short", false, "fewer operations and repetitions: about a minute")
	fs.IntVar(&o.reps, "reps", 0, "repetitions (default 5, with -short 2)")
	only := fs.String("only", "", "only the cells whose name matches this `regexp`")
	fs.DurationVar(&o.budget, "budget", 0, "start no repetition after this time")
	fs.BoolVar(&o.noFlux, "noflux", false, "leave out what needs a Flux instance")
	fs.StringVar(&o.out, "out", "", "append the results as JSON lines to this `file`")
	fs.StringVar(&o.md, "md", "", "write the table to this `file` too")
	fs.StringVar(&o.dir, "dir", ".", "where the bench module is")
	return func(argv []string) error {
		if err := fs.Parse(argv); err != nil {
			return err
		}
		if fs.NArg() > 0 {
			return fmt.Errorf("%s: unexpected argument %q", command, fs.Arg(0))
		}
		if o.reps == 0 {
			o.reps = 5
			if o.short {
				o.reps = 2
			}
		}
		var err error
		o.only, err = regexp.Compile(*only)
		return err
	}, fs
}

func parse(argv []string) (o options, err error) {
	parse, fs := o.parser("compare")
	fs.DurationVar(&o.settle, "settle", 0, "repeat what is too close to call, for this long at most")
	fs.StringVar(&o.svg, "svg", "", "write the plot to this `file`")
	fs.Func("with", "`NAME=PROGRAM`: run another build of this program beside it and print ratios between the two",
		func(s string) (err error) { o.other, err = parseBuild(s); return err })
	fs.BoolVar(&o.pairs, "pairs", false, "with -with: run these two builds only")
	if err := parse(argv); err != nil {
		return o, err
	}
	if o.pairs && o.other == nil {
		return o, errors.New("compare: -pairs means nothing without -with")
	}
	return o, nil
}

// Main is the compare command. Without an instance of Flux it starts itself in
// one of its own, and without Flux it compares what needs none.
func Main(ctx context.Context, argv []string) error {
	o, err := parse(argv)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	return o.main(ctx, "compare", argv, func(r *runner, cells []cell) error {
		if o.other != nil {
			cells = withBuild(cells, o.other, r.programs.sdk, o.pairs)
		}
		before := machine()
		if err := r.rounds(ctx, cells); err != nil {
			return err
		}
		if err := r.decide(ctx, cells); err != nil {
			return err
		}
		return r.report(before, r.writeTables)
	})
}

// main makes all ready and calls measure with what there is to measure.
func (o options) main(ctx context.Context, command string, argv []string, measure func(*runner, []cell) error) error {
	inside := os.Getenv("FLUX_URI") != ""
	if !o.noFlux && !inside {
		if path, err := exec.LookPath("flux"); err == nil {
			return insideFlux(ctx, path, command, argv)
		}
		fmt.Fprintln(os.Stderr, command+": no flux on PATH: only what needs none is measured")
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := &runner{options: o, env: os.Environ()}
	if err := r.programs.build(ctx, o.dir, dir, inside && !o.noFlux); err != nil {
		return err
	}
	cells := r.embeddedCells()
	if inside && !o.noFlux {
		stop, err := r.startServices(ctx)
		if err != nil {
			return err
		}
		defer stop()
		cells = append(r.brokerCells(), cells...)
	}
	return measure(r, cells)
}

// insideFlux runs this program again in an instance of one broker.
func insideFlux(ctx context.Context, flux, command string, argv []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, flux, append([]string{"start", "--test-size=1", self, command}, argv...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd.Run()
}

// report writes what was found to wherever it was asked for.
func (r *runner) report(before string, write func(io.Writer) error) error {
	out := io.Writer(os.Stdout)
	if r.md != "" {
		f, err := os.Create(r.md)
		if err != nil {
			return err
		}
		defer f.Close()
		out = io.MultiWriter(out, f)
	}
	fmt.Fprintf(out, "Before: %s\nAfter: %s\n%s\n\n", before, machine(), r.programs.versions())
	if err := write(out); err != nil {
		return err
	}
	if r.svg == "" {
		return nil
	}
	return os.WriteFile(r.svg, []byte(plot(r.results)), 0o666)
}

// writeTables writes how what was measured compares.
func (r *runner) writeTables(w io.Writer) error {
	if !r.pairs {
		if err := writeTable(w, r.results); err != nil {
			return err
		}
	}
	if r.other != nil {
		return writeBuilds(w, r.results, r.other.name)
	}
	return nil
}
