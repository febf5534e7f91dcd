// Peers measures what a Go program would use without Flux, on the same machine:
// server and client share a process, as the embedded broker and its clients do.
//
//	peers -impl netrpc|grpc|nats|natsinproc serial N
//	peers ... pipe DEPTH N
//	peers ... stream N         (grpc: server stream; nats: published messages)
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flux-sdk/flux/bench/internal/measure"
)

// peer is a client and the server that it is connected to.
type peer struct {
	call   func() error      // one request with payload, echoed
	stream func(n int) error // n messages to one consumer; nil if there is no such thing
	close  func()
}

var payload = []byte("{\"seq\":12345}\x00")

var peers = map[string]func() (*peer, error){
	"netrpc":     newNetRPC,
	"grpc":       newGRPC,
	"nats":       func() (*peer, error) { return newNATS(false) },
	"natsinproc": func() (*peer, error) { return newNATS(true) },
}

func main() {
	impl := flag.String("impl", "netrpc", "netrpc, grpc, nats or natsinproc")
	flag.Parse()
	if err := run(os.Stdout, *impl, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: peers -impl IMPL serial N | pipe DEPTH N | stream N")

func run(out io.Writer, impl string, args []string) error {
	start := peers[impl]
	if start == nil || len(args) < 2 {
		return errUsage
	}
	nums := make([]int, len(args)-1)
	for i, s := range args[1:] {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return errUsage
		}
		nums[i] = n
	}
	p, err := start()
	if err != nil {
		return err
	}
	defer p.close()
	var r measure.Result
	switch {
	case args[0] == "serial" && len(nums) == 1:
		r, err = p.serial(nums[0])
	case args[0] == "pipe" && len(nums) == 2:
		r, err = warm(nums[1], "peer:"+args[1], func(n int) error { return p.inFlight(nums[0], n) })
	case args[0] == "stream" && len(nums) == 1 && p.stream != nil:
		r, err = warm(nums[0], "peer:stream", p.stream)
	default:
		err = errUsage
	}
	if err != nil {
		return err
	}
	r.Impl = impl
	return r.Print(out)
}

// warm measures f after a tenth of the work as a start.
func warm(n int, test string, f func(n int) error) (measure.Result, error) {
	if err := f(n/10 + 1); err != nil {
		return measure.Result{}, err
	}
	m := measure.Start()
	err := f(n)
	return m.Stop(test, n), err
}

func (p *peer) serial(n int) (measure.Result, error) {
	var lats []time.Duration
	r, err := warm(n, "peer:1", func(n int) error {
		lats = make([]time.Duration, n)
		for i := range lats {
			start := time.Now()
			if err := p.call(); err != nil {
				return err
			}
			lats[i] = time.Since(start)
		}
		return nil
	})
	if err == nil {
		r.Latencies(lats)
	}
	return r, err
}

// inFlight makes n calls, depth at a time.
func (p *peer) inFlight(depth, n int) error {
	var wg sync.WaitGroup
	var todo atomic.Int64
	todo.Store(int64(n))
	errs := make([]error, depth)
	for g := range depth {
		wg.Go(func() {
			for todo.Add(-1) >= 0 {
				if errs[g] = p.call(); errs[g] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// listen makes a UNIX socket, which the SDK's embedded broker uses too.
func listen() (ln net.Listener, clean func(), err error) {
	dir, err := os.MkdirTemp("", "peers-")
	if err != nil {
		return nil, nil, err
	}
	ln, err = net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		os.RemoveAll(dir)
		return nil, nil, err
	}
	return ln, func() { ln.Close(); os.RemoveAll(dir) }, nil
}
