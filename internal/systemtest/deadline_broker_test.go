package systemtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

// The names under which the test binary is another program.
const (
	brokerProgram = "deadline-test-broker"
	sshProgram    = "deadline-test-ssh"
	pipeScheme    = "deadlinepipe"
)

func init() {
	transport.Register(pipeScheme, dialPipe)
	var err error
	switch filepath.Base(os.Args[0]) {
	default:
		return
	case brokerProgram:
		err = playBroker(os.Stdin, os.Stdout)
	case sshProgram:
		err = playSSH(os.Args[len(os.Args)-1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, filepath.Base(os.Args[0])+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// deadlineBroker is an embedded broker, in this process or in another, that can be
// told what to do.
type deadlineBroker struct {
	uri  string
	tell func(order string) error
}

// deadlineTransport is a way to a broker.
type deadlineTransport struct {
	name  string
	start func(t *testing.T) *deadlineBroker
}

var deadlineTransports = []deadlineTransport{
	{"process", startProcess},
	{"embedded", startEmbedded},
	{"pipe", func(t *testing.T) *deadlineBroker { return startEmbedded(t).by(pipeScheme + "://") }},
	{"ssh", func(t *testing.T) *deadlineBroker { return startProcess(t).by("ssh://host") }},
}

// by is the broker at another URI.
func (b *deadlineBroker) by(prefix string) *deadlineBroker {
	b.uri = prefix + strings.TrimPrefix(b.uri, "local://")
	return b
}

func (b *deadlineBroker) stall(t *testing.T) { b.order(t, "stall") }

// slow makes a reply of size bytes come in some ten parts.
func (b *deadlineBroker) slow(t *testing.T, size int) {
	b.order(t, "slow "+strconv.Itoa(max(8, size/4)))
}

func (b *deadlineBroker) heal(t *testing.T) { b.order(t, "heal") }

func (b *deadlineBroker) order(t *testing.T, order string) {
	t.Helper()
	if err := b.tell(order); err != nil {
		t.Fatalf("the broker was told %q: %v", order, err)
	}
}

func startEmbedded(t *testing.T) *deadlineBroker {
	b, err := newBroker()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return &deadlineBroker{uri: b.URI(), tell: func(order string) error { return obey(b, order) }}
}

func newBroker() (*fluxtest.Broker, error) {
	b, err := fluxtest.Start(fluxtest.Record(0))
	if err != nil {
		return nil, err
	}
	size := func(r *fluxtest.Request) int {
		n, _ := strconv.Atoi(strings.TrimRight(string(r.Message().Payload), "\x00"))
		return n
	}
	b.Handle("x.never", func(*fluxtest.Request) {})
	b.Handle("x.sized", func(r *fluxtest.Request) {
		r.Respond(make([]byte, size(r)))
		if r.Streaming() {
			r.End()
		}
	})
	b.Handle("x.items", func(r *fluxtest.Request) {
		n := size(r)
		tick := time.NewTicker(time.Millisecond + time.Duration(n)*10) // some 100 MB/s at most
		defer tick.Stop()
		for {
			r.Respond(make([]byte, n))
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	})
	return b, nil
}

// obey does what a broker is told.
func obey(b *fluxtest.Broker, order string) error {
	word, arg, _ := strings.Cut(order, " ")
	switch word {
	case "stall":
		b.Stall()
	case "slow":
		n, err := strconv.Atoi(arg)
		if err != nil {
			return err
		}
		b.SetFaults(fluxtest.Faults{MaxWrite: n, Latency: 2 * time.Millisecond})
	case "heal":
		b.SetFaults(fluxtest.Faults{})
		b.Resume()
	default:
		return fmt.Errorf("unknown order %q", order)
	}
	return nil
}

// playBroker is a broker that obeys each line of in and says so, until in ends.
func playBroker(in io.Reader, out io.Writer) error {
	b, err := newBroker()
	if err != nil {
		return err
	}
	defer b.Close()
	fmt.Fprintln(out, b.URI())
	orders := bufio.NewScanner(in)
	for orders.Scan() {
		if err := obey(b, orders.Text()); err != nil {
			return err
		}
		fmt.Fprintln(out, "done")
	}
	return orders.Err()
}

func startProcess(t *testing.T) *deadlineBroker {
	cmd := exec.Command(self(t))
	cmd.Args[0] = brokerProgram
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	answer := func() (string, error) {
		if !lines.Scan() {
			return "", fmt.Errorf("the broker's process has ended: %w", io.ErrUnexpectedEOF)
		}
		return lines.Text(), nil
	}
	uri, err := answer()
	if err != nil {
		t.Fatal(err)
	}
	return &deadlineBroker{uri: uri, tell: func(order string) error {
		if _, err := fmt.Fprintln(in, order); err != nil {
			return err
		}
		_, err := answer()
		return err
	}}
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// sshStandIn returns a path by which the test binary is a stand-in for ssh.
func sshStandIn(t *testing.T) string {
	path := filepath.Join(t.TempDir(), sshProgram)
	if err := os.Symlink(self(t), path); err != nil {
		t.Fatal(err)
	}
	return path
}

// playSSH is what "ssh HOST flux relay PATH" does, on this host.
func playSSH(path string) error {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	go func() {
		io.Copy(conn, os.Stdin)
		os.Exit(0)
	}()
	_, err = io.Copy(os.Stdout, conn)
	return err
}

// dialPipe connects to the broker's socket of the URI's path by a Pipe, with somebody
// in the middle who passes the messages on.
func dialPipe(ctx context.Context, uri transport.URI, cfg transport.Config) (transport.Conn, error) {
	broker, err := transport.Dial(ctx, "local://"+uri.Path, cfg)
	if err != nil {
		return nil, err
	}
	near, far := transport.Pipe(cfg)
	go passOn(far, broker)
	go passOn(broker, far)
	return near, nil
}

func passOn(to, from transport.Conn) {
	defer to.Close()
	defer from.Close()
	for {
		var m codec.Message
		if from.Recv(&m) != nil || to.Send(context.Background(), &m) != nil {
			return
		}
	}
}
