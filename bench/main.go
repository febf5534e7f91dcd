// Bench measures this module: against C libflux and the Flux Python bindings
// on a real broker, and against nats.go, grpc-go and net/rpc.
//
//	go run . compare [-short] [-only REGEX] [-reps N] [-svg FILE] [-out FILE] [-with NAME=PROGRAM [-pairs]]
//	go run . sweep [-short] [-only REGEX] [-reps N] [-out FILE]
//	go run . growth [-short]
//	go run . [flags] COMMAND ARGS...
//
// The commands are single measurements and print one JSON line; the comparison
// runs them and their counterparts in turn. With -with it runs another build of
// this program as well and prints ratios between the two. The sweep compares with
// GOMAXPROCS of 1, 2, 4 and 8.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"syscall"

	"github.com/flux-sdk/flux/bench/internal/compare"
	"github.com/flux-sdk/flux/bench/internal/growth"
	"github.com/flux-sdk/flux/bench/internal/sdk"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, argv []string) error {
	if len(argv) > 0 {
		switch argv[0] {
		case "compare":
			return compare.Main(ctx, argv[1:])
		case "sweep":
			return compare.Sweep(ctx, argv[1:])
		case "growth":
			return growth.Main(ctx, argv[1:])
		}
	}
	var b sdk.Bench
	fs := flag.NewFlagSet("bench", flag.ExitOnError)
	b.Flags(fs)
	procs := fs.Int("procs", 0, "GOMAXPROCS")
	cpu := fs.String("cpuprofile", "", "write a CPU profile to this `file`")
	mem := fs.String("memprofile", "", "write a profile of all allocations to this `file`")
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "usage: bench compare|sweep|growth [flags]\n"+
			"       bench [flags] COMMAND ARGS...\n\nCommands:\n%s\nFlags:\n", sdk.Usage())
		fs.PrintDefaults()
	}
	fs.Parse(argv)
	if *procs > 0 {
		runtime.GOMAXPROCS(*procs)
	}
	return profiled(*cpu, *mem, func() error { return b.Run(ctx, fs.Args()) })
}

// profiled runs f and writes the profiles that were asked for.
func profiled(cpu, mem string, f func() error) error {
	if cpu != "" {
		out, err := os.Create(cpu)
		if err != nil {
			return err
		}
		defer out.Close()
		if err := pprof.StartCPUProfile(out); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if mem != "" {
		runtime.MemProfileRate = 512 // before the first allocation that counts
		defer func() {
			if out, err := os.Create(mem); err == nil {
				pprof.Lookup("allocs").WriteTo(out, 0)
				out.Close()
			}
		}()
	}
	return f()
}
