package systemtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

// realPair is a real instance of two ranks, without the services of rc1, whose
// rank 1 can be killed and started again.
type realPair struct {
	t   *testing.T
	dir string
	cmd [2]*exec.Cmd
}

func startPair(t *testing.T) *realPair {
	t.Helper()
	if _, err := exec.LookPath("flux"); err != nil {
		text := fmt.Sprintf("NOT TESTED against a real Flux: %s: %v", t.Name(), err)
		if os.Getenv(fluxtest.RequireRealEnv) != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	dir, err := os.MkdirTemp("/tmp", "flux-") // a short one, for the sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &realPair{t: t, dir: dir}
	cert := filepath.Join(dir, "cert")
	if out, err := exec.Command("flux", "keygen", "--name=test", cert).CombinedOutput(); err != nil {
		t.Fatalf("flux keygen: %v: %s", err, out)
	}
	conf := fmt.Sprintf("[bootstrap]\ncurve_cert = %q\nhosts = [ { host = \"fake0\", bind = \"ipc://%[2]s/tbon\", connect = \"ipc://%[2]s/tbon\" }, { host = \"fake1\" } ]\n", cert, dir)
	if err := os.WriteFile(filepath.Join(dir, "flux.toml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	p.start(0, "sleep", "inf")
	p.start(1)
	t.Cleanup(func() {
		p.kill(1)
		p.cmd[0].Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(20*time.Second, func() { p.cmd[0].Process.Kill() })
		defer timer.Stop()
		p.cmd[0].Wait()
	})
	return p
}

func (p *realPair) socket(rank int) string { return filepath.Join(p.dir, fmt.Sprint("local-", rank)) }
func (p *realPair) uri(rank int) string    { return "local://" + p.socket(rank) }

// start runs the broker of a rank and waits for its socket.
func (p *realPair) start(rank int, args ...string) {
	p.t.Helper()
	cmd := exec.Command("flux", append([]string{"broker", "--config-path=" + filepath.Join(p.dir, "flux.toml"),
		fmt.Sprint("-Shostname=fake", rank), "-Slocal-uri=" + p.uri(rank), "-Sbroker.rc1_path=", "-Sbroker.rc3_path="},
		args...)...)
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.cmd[rank] = cmd
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(time.Minute); ; {
		if c, err := net.Dial("unix", p.socket(rank)); err == nil {
			c.Close()
			return
		}
		select {
		case <-tick.C:
		case <-end:
			p.t.Fatalf("the broker of rank %d does not come up", rank)
		}
	}
}

// kill ends the broker of a rank as a crash does.
func (p *realPair) kill(rank int) {
	p.cmd[rank].Process.Kill()
	p.cmd[rank].Wait()
}

// monitor receives events and counts what it sees.
type monitor struct {
	events, gaps atomic.Int64
	end          chan error
}

func watchEvents(t testing.TB, c *flux.Client, prefix string) *monitor {
	t.Helper()
	m := &monitor{end: make(chan error, 1)}
	events, _ := mustSubscribe(t, c, prefix)
	go func() {
		var last error
		for e := range events {
			var gap *flux.GapError
			if last = e.Err(); errors.As(last, &gap) {
				m.gaps.Add(1)
				last = nil
			} else if last == nil {
				m.events.Add(1)
			}
		}
		m.end <- last
	}()
	return m
}

// load is calls and events that go on all the time.
type load struct {
	t        *testing.T
	stop     chan struct{}
	wg       sync.WaitGroup
	ok, lost atomic.Int64
}

// calls makes call after call. Each ends within its deadline, in one of the ways
// it may.
func (l *load) calls(c *flux.Client, topic string, opts ...flux.CallOption) {
	l.wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-l.stop:
				return
			default:
			}
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			began := time.Now()
			want := strconv.Itoa(i)
			got, err := flux.CallAs[string](ctx, c, topic, want, opts...)
			cancel()
			if d := time.Since(began); d > 5*time.Second {
				l.t.Errorf("%s took %v", topic, d)
			}
			switch {
			case err == nil && got == want:
				l.ok.Add(1)
			case err == nil:
				l.t.Errorf("%s answered %q, want %q", topic, got, want)
			case errors.Is(err, flux.ErrConnLost), errors.Is(err, context.DeadlineExceeded), errors.Is(err, flux.ENOSYS),
				errors.Is(err, flux.EHOSTUNREACH), errors.Is(err, flux.EAGAIN):
				l.lost.Add(1)
			default:
				l.t.Errorf("%s: unexpected end %v", topic, err)
			}
		}
	})
}

func (l *load) publishes(c *flux.Client, topic string) {
	l.wg.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-l.stop:
				return
			case <-tick.C:
			}
			if _, err := c.Publish(context.Background(), topic, nil); err != nil {
				l.t.Errorf("publish: %v", err)
			}
		}
	})
}

// until waits for what is to become true soon.
func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(30 * time.Second); !cond(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("it does not happen: %s", what)
		}
	}
}

// comesBack has a service and a subscriber at rank 1 of a real instance under
// load, breaks the way to them three times, and expects them back by themselves.
func comesBack(t *testing.T, uri func(rank int) string, disturb func()) {
	dial := func(rank int) *flux.Client {
		c, err := flux.Dial(t.Context(), uri(rank), flux.WithReconnect(flux.ReconnectPolicy{MaxBackoff: time.Second}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	service, caller, far := dial(1), dial(1), dial(0)
	served, _ := mustServe(t, service, "gotest", echo)
	mon := watchEvents(t, service, "gotest")
	l := &load{t: t, stop: make(chan struct{})}
	for range 4 {
		l.calls(caller, "gotest.echo")
	}
	l.calls(service, "gotest.echo")
	l.calls(far, "gotest.echo", flux.Rank(1))
	l.publishes(far, "gotest.event")
	for i := range 3 {
		until(t, "calls are answered", func() bool { return l.ok.Load() > 100 })
		until(t, "events arrive", func() bool { return mon.events.Load() > 10 })
		disturb()
		until(t, "the gap", func() bool { return mon.gaps.Load() == int64(i+1) })
		l.ok.Store(0)
		mon.events.Store(0)
	}
	until(t, "calls are answered at last", func() bool { return l.ok.Load() > 100 })
	until(t, "events arrive at last", func() bool { return mon.events.Load() > 10 })
	close(l.stop)
	l.wg.Wait()
	select {
	case err := <-served:
		t.Errorf("Serve has returned: %v", err)
	case err := <-mon.end:
		t.Errorf("the subscription has ended: %v", err)
	default:
	}
	if n := service.Stats().Reconnects; n != 3 {
		t.Errorf("%d reconnects, want 3", n)
	}
	t.Logf("%d calls failed meanwhile; %+v", l.lost.Load(), caller.Stats())
	for _, c := range []*flux.Client{service, caller, far} {
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if err := c.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		cancel()
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("Shutdown took %v", d)
		}
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// The broker of a rank is killed and started again.
func TestRealBrokerRestart(t *testing.T) {
	p := startPair(t)
	comesBack(t, p.uri, func() {
		p.kill(1)
		p.start(1)
	})
}

// The module that the clients of a rank are connected to is loaded anew.
func TestRealConnectorReload(t *testing.T) {
	r := fluxtest.Real(t, 2)
	if r == nil {
		return
	}
	admin := r.Client()
	comesBack(t, func(rank int) string { return r.URIOf(uint32(rank)) }, func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := admin.Call(ctx, "module.remove", map[string]any{"name": "connector-local"}, flux.Rank(1)); err != nil {
			t.Fatal(err)
		}
		if _, err := admin.Call(ctx, "module.load", map[string]any{"path": "connector-local", "args": []string{}},
			flux.Rank(1)); err != nil {
			t.Fatal(err)
		}
	})
}

// ssh:// through a stand-in for ssh to a real flux relay, whose death is a loss
// like any other.
func TestRealRelay(t *testing.T) {
	r := fluxtest.Real(t, 1)
	if r == nil {
		return
	}
	dir := t.TempDir()
	script := "#!/bin/sh\nshift\necho $$ >" + dir + "/pid.tmp; mv " + dir + "/pid.tmp " + dir + "/pid\nexec sh -c \"exec $*\"\n"
	if err := os.WriteFile(dir+"/ssh", []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FLUX_SSH", dir+"/ssh")
	path := strings.TrimPrefix(r.URI(), "local://")
	c, err := flux.Dial(t.Context(), "ssh://somehost"+path, flux.WithReconnect(flux.ReconnectPolicy{}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	served, _ := mustServe(t, c, "relayed", echo)
	mon := watchEvents(t, c, "relayed")
	by := r.Client()
	ping := func(c *flux.Client) int {
		v, err := flux.CallAs[struct{ Route string }](t.Context(), c, "broker.ping", map[string]int{"seq": 1})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(v.Route, "!")
	}
	if near, far := ping(by), ping(c); far != near+1 {
		t.Errorf("the route through the relay has %d hops, the one without %d", far, near)
	}
	for i := range 2 {
		if s, err := flux.CallAs[string](t.Context(), by, "relayed.x", "hello"); err != nil || s != "hello" {
			t.Fatalf("the service behind the relay: %q, %v", s, err)
		}
		by.Publish(t.Context(), "relayed.event", nil)
		until(t, "the event", func() bool { return mon.events.Load() == int64(i+1) })
		pid, err := os.ReadFile(dir + "/pid")
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(pid)))
		if err != nil {
			t.Fatal(err)
		}
		call := c.Go(t.Context(), "state-machine.monitor", map[string]int{"final": 11}) // is answered
		<-call
		syscall.Kill(n, syscall.SIGKILL)
		until(t, "the gap", func() bool { return mon.gaps.Load() == int64(i+1) })
	}
	if s, err := flux.CallAs[string](t.Context(), by, "relayed.x", "hello"); err != nil || s != "hello" {
		t.Fatalf("the service behind the relay: %q, %v", s, err)
	}
	c.Close()
	mustMatch(t, "Serve", <-served, flux.ErrClosed)
	t.Setenv("FLUX_SSH", dir+"/nosuch")
	if _, err := flux.Dial(t.Context(), "ssh://somehost"+path); err == nil ||
		!strings.Contains(err.Error(), "Hint: set FLUX_SSH") {
		t.Errorf("without ssh: %v", err)
	}
	t.Setenv("FLUX_SSH", dir+"/ssh")
	_, err = flux.Dial(t.Context(), "ssh://somehost"+path+"-nosuch")
	if err == nil || !strings.Contains(err.Error(), path+"-nosuch: No such file or directory") {
		t.Errorf("a relay that cannot connect: %v", err)
	}
}
