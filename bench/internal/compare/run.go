package compare

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/flux-sdk/flux/bench/internal/measure"
)

// runner runs the cells and collects the results.
type runner struct {
	options
	programs programs
	env      []string
	results  results
}

// runTimeout bounds one run of one program.
const runTimeout = 2 * time.Minute

// rounds runs every cell once in each repetition.
func (r *runner) rounds(ctx context.Context, cells []cell) error {
	start := time.Now()
	for rep := range r.reps {
		if r.budget > 0 && time.Since(start) > r.budget {
			break
		}
		if err := r.repeat(ctx, cells, rep, func(cl cell, _ run) bool { return r.only.MatchString(cl.name) }); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "compare: repetition %d of %d done after %v\n", rep+1, r.reps,
			time.Since(start).Round(time.Second))
	}
	return nil
}

// repeat runs the programs that are asked for once. Their order in a cell
// rotates, so a slow phase of a shared machine meets all of them.
func (r *runner) repeat(ctx context.Context, cells []cell, rep int, asked func(cell, run) bool) error {
	for _, cl := range cells {
		runs := slices.DeleteFunc(slices.Clone(cl.runs), func(run run) bool { return !asked(cl, run) })
		for i := range runs {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := r.one(ctx, cl, runs[(i+rep)%len(runs)], rep); err != nil {
				fmt.Fprintln(os.Stderr, "compare:", err) // its row has one value less
			}
		}
	}
	return nil
}

// one runs one program and keeps the result.
func (r *runner) one(ctx context.Context, cl cell, run run, rep int) error {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, run.argv[0], run.argv[1:]...)
	cmd.Env, cmd.Stderr, cmd.WaitDelay = slices.Concat(r.env, run.env), &stderr, time.Second
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %s: %w: %s", cl.name, strings.Join(run.argv, " "), err, strings.TrimSpace(stderr.String()))
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var res measure.Result
	if err := json.Unmarshal(lines[len(lines)-1], &res); err != nil {
		return fmt.Errorf("%s: %s: %w", cl.name, strings.Join(run.argv, " "), err)
	}
	res.Impl, res.Cell, res.Rep, res.Load = run.impl, cl.name, rep, measure.Load()
	r.results = append(r.results, res)
	return r.keep(res)
}

// keep appends a result to the file that was asked for.
func (r *runner) keep(res measure.Result) error {
	if r.out == "" {
		return nil
	}
	f, err := os.OpenFile(r.out, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	return res.Print(f)
}

// startServices starts the services that the programs call.
func (r *runner) startServices(ctx context.Context) (stop func(), err error) {
	pid, err := exec.CommandContext(ctx, "flux", "getattr", "broker.pid").Output()
	if err != nil {
		return nil, fmt.Errorf("flux getattr broker.pid: %w", err)
	}
	r.env = append(r.env, measure.BrokerPIDEnv+"="+strings.TrimSpace(string(pid)))
	var started []*exec.Cmd
	stop = func() {
		for _, cmd := range started {
			cmd.Process.Signal(syscall.SIGTERM)
			cmd.Wait()
		}
	}
	start := func(argv ...string) error {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env, cmd.Stderr = r.env, os.Stderr
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			return err
		}
		started = append(started, cmd)
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
			return fmt.Errorf("%s: not ready: %w", strings.Join(argv, " "), err)
		}
		return nil
	}
	inline := run{argv: append(r.programs.with("go", "-svcmode", "inline"), "svc", goService)}
	each := run{argv: append(r.programs.with("gor"), "svc", gorService)}
	err = errors.Join(start(inline.argv...), start(each.argv...))
	if other := r.other; other != nil && err == nil {
		in, _ := other.of(inline, r.programs.sdk)
		ea, _ := other.of(each, r.programs.sdk)
		err = errors.Join(start(in.argv...), start(ea.argv...))
	}
	if err == nil && r.programs.c != "" {
		err = start(r.programs.c, "svc", cService)
	}
	if err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}
