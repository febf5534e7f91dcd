package fluxtest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flux-sdk/flux"
)

// RequireRealEnv is the environment variable that, if not empty, makes [Real]
// fail the test where it would skip it.
const RequireRealEnv = "FLUXTEST_REQUIRE_REAL"

// RealBroker is a real Flux instance, started for a test. Its methods may be
// called concurrently.
type RealBroker struct {
	tb   TB
	size int
	uri  string
	cmd  *exec.Cmd
	in   io.Closer
	errs *tail
	wait func() error
	lost atomic.Bool // a rank was cut off, so the end is not a clean one
}

// realStart bounds the start of an instance, and realStop its end.
const (
	realStart = 2 * time.Minute
	realStop  = 30 * time.Second
)

// Real starts a real instance of that many brokers on this host, with
// `flux start --test-size=N`, and ends it with the test. The arguments are
// further options of flux start: "--conf=access.allow-guest-user=true" or
// "-Stbon.topo=kary:2". Where there is no flux on PATH the test is skipped, with
// a message that says what was not tested; with [RequireRealEnv] set it fails.
func Real(tb TB, size int, args ...string) *RealBroker {
	tb.Helper()
	if _, err := exec.LookPath("flux"); err != nil {
		missing(tb, err)
		return nil
	}
	r, err := startReal(size, args)
	if err != nil {
		tb.Fatalf("fluxtest: flux start --test-size=%d: %v", size, err)
		return nil
	}
	r.tb = tb
	tb.Cleanup(func() {
		tb.Helper()
		if err := r.Close(); err != nil {
			tb.Errorf("fluxtest: flux start --test-size=%d: %v", size, err)
		}
	})
	return r
}

func missing(tb TB, err error) {
	tb.Helper()
	text := fmt.Sprintf("NOT TESTED against a real Flux: %s: %v", tb.Name(), err)
	skipper, ok := tb.(interface{ Skipf(string, ...any) })
	if !ok || os.Getenv(RequireRealEnv) != "" {
		tb.Fatalf("fluxtest: %s", text)
		return
	}
	skipper.Skipf("fluxtest: %s (install flux-core, or put its flux on PATH)", text)
}

// startReal runs an initial program that tells the URI and then lives for as
// long as its input is open.
func startReal(size int, args []string) (*RealBroker, error) {
	// A rank that is lost must not take the others along.
	args = append([]string{"start", fmt.Sprintf("--test-size=%d", size), "--test-exit-mode=leader"}, args...)
	cmd := exec.Command("flux", append(args, "sh", "-c", `echo "$FLUX_URI"; exec cat >/dev/null`)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	errs := &tail{}
	cmd.Stderr = errs
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := &RealBroker{size: size, cmd: cmd, in: in, errs: errs, wait: sync.OnceValue(cmd.Wait)}
	line := make(chan string, 1)
	go func() {
		s, _ := bufio.NewReader(out).ReadString('\n')
		line <- strings.TrimSpace(s)
	}()
	t := time.NewTimer(realStart)
	defer t.Stop()
	select {
	case r.uri = <-line:
	case <-t.C:
	}
	if r.uri == "" {
		cmd.Process.Kill()
		r.wait()
		return nil, fmt.Errorf("it did not start: %s", errs)
	}
	return r, nil
}

// Close ends the instance and waits for that. The error is what it ended with.
// It may be called more than once.
func (r *RealBroker) Close() error {
	r.in.Close()
	t := time.AfterFunc(realStop, func() { r.cmd.Process.Kill() })
	defer t.Stop()
	if err := r.wait(); err != nil && !r.lost.Load() {
		return fmt.Errorf("%w: %s", err, r.errs)
	}
	return nil
}

// LoseRank cuts a rank, and with it all below it, off the tree, for good: see
// [Broker.LoseRank]. Brokers that lose their parent exit soon after.
func (r *RealBroker) LoseRank(rank uint32) error {
	cmd := exec.Command("flux", "overlay", "disconnect", fmt.Sprint(rank))
	cmd.Env = append(cmd.Environ(), "FLUX_URI="+r.uri)
	r.lost.Store(true)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fluxtest: flux overlay disconnect %d: %w: %s", rank, err, bytes.TrimSpace(out))
	}
	return nil
}

// URI is where rank 0 is to be dialed.
func (r *RealBroker) URI() string { return r.uri }

// URIOf is where a rank is to be dialed.
func (r *RealBroker) URIOf(rank uint32) string {
	return strings.TrimSuffix(r.uri, "0") + fmt.Sprint(rank)
}

// Size is the number of ranks.
func (r *RealBroker) Size() int { return r.size }

// Client returns a new client of rank 0. It is closed when the test ends. Options
// of this package, such as [AsGuest], fail the test.
func (r *RealBroker) Client(opts ...flux.DialOption) *flux.Client {
	r.tb.Helper()
	return r.ClientAt(0, opts...)
}

// ClientAt is [RealBroker.Client] for another rank.
func (r *RealBroker) ClientAt(rank uint32, opts ...flux.DialOption) *flux.Client {
	r.tb.Helper()
	for _, opt := range opts {
		if _, ok := opt.(DialOption); ok {
			r.tb.Fatalf("fluxtest: Client: a real instance finds out by itself who connects; AsUser and its like are not for it")
			return nil
		}
	}
	c, err := flux.Dial(context.Background(), r.URIOf(rank), opts...)
	if err != nil {
		r.tb.Fatalf("fluxtest: Client: %v", err)
	}
	r.tb.Cleanup(func() { c.Close() })
	return c
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-4096):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}
