package compare

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/flux-sdk/flux/bench/internal/measure"
)

// programs are what the comparison runs. One that is "" could not be had.
type programs struct {
	sdk, peers, c string
	python        []string
	flux          string // version
}

// build builds what can be built. That the C program or the Python bindings
// are not to be had is no error; the rows that need them are left out.
func (p *programs) build(ctx context.Context, src, dir string, withFlux bool) error {
	var err error
	if p.sdk, err = os.Executable(); err != nil {
		return err
	}
	p.peers = filepath.Join(dir, "bench-peers")
	build := exec.CommandContext(ctx, "go", "build", "-o", p.peers, "./peers")
	build.Dir, build.Stderr = src, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "compare: without nats, grpc and net/rpc:", err)
		p.peers = ""
	}
	if !withFlux {
		return nil
	}
	if out, err := exec.CommandContext(ctx, "flux", "version").Output(); err == nil {
		p.flux = fluxVersion(string(out))
	}
	c := filepath.Join(dir, "bench-c")
	if err := buildC(ctx, filepath.Join(src, "c"), c); err != nil {
		fmt.Fprintln(os.Stderr, "compare: without C libflux:", err)
	} else {
		p.c = c
	}
	if err := exec.CommandContext(ctx, "flux", "python", "-c", "import flux").Run(); err != nil {
		fmt.Fprintln(os.Stderr, "compare: without the Python bindings:", err)
	} else {
		p.python = []string{"flux", "python", filepath.Join(src, "python", "bench.py")}
	}
	return nil
}

// buildC compiles the libflux program. flux-core.pc is looked for beside the
// flux command first, or in $FLUX_PREFIX.
func buildC(ctx context.Context, src, out string) error {
	prefix := os.Getenv("FLUX_PREFIX")
	if prefix == "" {
		path, err := exec.LookPath("flux")
		if err != nil {
			return err
		}
		prefix = filepath.Dir(filepath.Dir(path))
	}
	env := append(os.Environ(), "PKG_CONFIG_PATH="+strings.Join([]string{
		filepath.Join(prefix, "lib", "pkgconfig"), filepath.Join(prefix, "lib64", "pkgconfig"),
		os.Getenv("PKG_CONFIG_PATH"),
	}, ":"))
	ask := func(what string) ([]string, error) {
		cmd := exec.CommandContext(ctx, "pkg-config", what, "flux-core")
		cmd.Env = env
		b, err := cmd.Output()
		return strings.Fields(string(b)), err
	}
	var flags [3][]string
	for i, what := range []string{"--cflags", "--libs", "--variable=libdir"} {
		var err error
		if flags[i], err = ask(what); err != nil {
			return fmt.Errorf("pkg-config %s flux-core: %w", what, err)
		}
	}
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	files, err := filepath.Glob(filepath.Join(src, "*.c"))
	if err != nil {
		return err
	}
	args := append([]string{"-O2", "-o", out}, flags[0]...)
	args = append(append(args, files...), flags[1]...)
	for _, dir := range flags[2] {
		args = append(args, "-Wl,-rpath,"+dir)
	}
	cmd := exec.CommandContext(ctx, cc, args...)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// versions says what was compared.
func (p *programs) versions() string {
	s := "Built with " + runtime.Version()
	if p.flux != "" {
		s += ", " + p.flux
	}
	return s
}

// machine says how the machine is and how busy.
func machine() string {
	cpu := "CPU unknown"
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			cpu = strings.Trim(name, "\t :\n")
			break
		}
	}
	return fmt.Sprintf("load average %.2f on %d cores (%s)", measure.Load(), runtime.NumCPU(), cpu)
}

// fluxVersion finds that of flux-core in what "flux version" writes.
func fluxVersion(out string) string {
	for line := range strings.Lines(out) {
		if v, ok := strings.CutPrefix(line, "commands:"); ok {
			return "flux-core " + strings.TrimSpace(v)
		}
	}
	return "flux-core of unknown version"
}
