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
	out    string // JSON lines
	svg    string
	md     string
	dir    string // of this module
}

func parse(argv []string) (o options, err error) {
	fs := flag.NewFlagSet("compare", flag.ContinueOnError)
	fs.BoolVar(&o.short, "short", false, "fewer operations and repetitions: about a minute")
	fs.IntVar(&o.reps, "reps", 0, "repetitions (default 5, with -short 2)")
	only := fs.String("only", "", "only the cells whose name matches this `regexp`")
	fs.DurationVar(&o.budget, "budget", 0, "start no repetition after this time")
	fs.DurationVar(&o.settle, "settle", 0, "repeat what is too close to call, for this long at most")
	fs.BoolVar(&o.noFlux, "noflux", false, "leave out what needs a Flux instance")
	fs.StringVar(&o.out, "out", "", "append the results as JSON lines to this `file`")
	fs.StringVar(&o.svg, "svg", "", "write the plot to this `file`")
	fs.StringVar(&o.md, "md", "", "write the table to this `file` too")
	fs.StringVar(&o.dir, "dir", ".", "where the bench module is")
	if err := fs.Parse(argv); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("compare: unexpected argument %q", fs.Arg(0))
	}
	if o.reps == 0 {
		o.reps = 5
		if o.short {
			o.reps = 2
		}
	}
	o.only, err = regexp.Compile(*only)
	return o, err
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
	inside := os.Getenv("FLUX_URI") != ""
	if !o.noFlux && !inside {
		if path, err := exec.LookPath("flux"); err == nil {
			return insideFlux(ctx, path, argv)
		}
		fmt.Fprintln(os.Stderr, "compare: no flux on PATH: only what needs none is measured")
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
	before := machine()
	if err := r.rounds(ctx, cells); err != nil {
		return err
	}
	if err := r.decide(ctx, cells); err != nil {
		return err
	}
	return r.report(before)
}

// insideFlux runs this program again in an instance of one broker.
func insideFlux(ctx context.Context, flux string, argv []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, flux, append([]string{"start", "--test-size=1", self, "compare"}, argv...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd.Run()
}

// report writes what was found to wherever it was asked for.
func (r *runner) report(before string) error {
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
	if err := writeTable(out, r.results); err != nil {
		return err
	}
	if r.svg == "" {
		return nil
	}
	return os.WriteFile(r.svg, []byte(plot(r.results)), 0o666)
}
