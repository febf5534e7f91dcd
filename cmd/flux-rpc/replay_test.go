package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/internal/capture"
)

// A recording holds the very bytes, decodes to what it says, and replayed by a
// broker that knows nothing else it satisfies the same client.
func TestRecordingReplays(t *testing.T) {
	b, err := startBroker()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	record := func(args ...string) { recordReplay(t, b.URI(), append([]string{"flux-rpc"}, args...)) }
	record("call", "attr.get", `{"name":"rank"}`)
	record("call", "test.binary", "--raw-response")
	record("stream", "test.three")
	record("stream", "test.ticks", "--count", "1")
	record("pub", "x.y", `{"a":1}`)
	record("attr")
	// Frames over 100,000 bytes are digested.
	record("call", "test.echo", "--raw-request", strings.Repeat("long ", 20000))
}

// A recording of a C client in front of a real broker does, too.
func TestRealRecordingReplays(t *testing.T) {
	r := fluxtest.Real(t, 2)
	recordReplay(t, r.URI(), []string{"flux", "getattr", "rank"})
	recordReplay(t, r.URI(), []string{"flux", "lsattr", "-v"})
	recordReplay(t, r.URI(), []string{"flux", "event", "pub", "-s", "x.y", `{"a":1}`})
	recordReplay(t, r.URI(), []string{"flux", "module", "list"})
	recordReplay(t, r.URI(), []string{"flux", "kvs", "get", "no.such.key"})
	recordReplay(t, r.URI(), []string{"flux-rpc", "call", "attr.get", `{"name":"rank"}`})
}

// recordReplay records a command at a broker, checks the recording, and runs
// the command again with the recording for a broker.
func recordReplay(t *testing.T, uri string, command []string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "rec.jsonl")
	sock := filepath.Join(t.TempDir(), "s")
	want := runCommand(t, uri, append([]string{"flux-rpc", "record", sock, "-q", "-o", name, "--"}, command...))
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	recs, err := capture.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	digested := checkRecording(t, recs)
	t.Logf("%.60s: %d records", strings.Join(command, " "), len(recs))
	if digested || t.Failed() {
		return // its bytes are not in the file
	}
	p := startPlayer(t, filepath.Join(t.TempDir(), "p"), recs)
	got := runCommand(t, p.uri(), command)
	p.finish(t)
	if got != want {
		t.Errorf("%v: replayed: %s\nrecorded: %s", command, got, want)
	}
}

// checkRecording decodes every frame, compares it with what the file says of it,
// and encodes it again.
func checkRecording(t *testing.T, recs []capture.Record) (digested bool) {
	t.Helper()
	frames := 0
	for i := range recs {
		r := &recs[i]
		if r.Digested() {
			digested = true
		}
		if !r.IsFrame() || r.Digested() {
			continue
		}
		frames++
		m, err := codec.Decode(r.Frame()[codec.PrefixSize:])
		if err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		if err := r.Msg.Check(m); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
		frame, err := codec.Append(nil, m)
		if err == nil {
			err = r.CheckFrame(frame)
		}
		if err != nil {
			t.Errorf("record %d: encoded again: %v", i, err)
		}
	}
	if frames == 0 && !digested {
		t.Error("no frames were recorded")
	}
	return digested
}

func runCommand(t *testing.T, uri string, command []string) string {
	t.Helper()
	ctx := t.Context()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "FLUX_URI="+uri)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%sexit status %d", out, cmd.ProcessState.ExitCode())
}

// player is a socket that plays the broker's side of a recording: what the
// recorded client said is what it expects, in the recorded order.
type player struct {
	l    *net.UnixListener
	errs chan error
	want int // connections
}

func startPlayer(t *testing.T, path string, recs []capture.Record) *player {
	t.Helper()
	l, err := listenPrivate(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	conns := make(map[int][]capture.Record)
	for _, r := range recs {
		conns[r.Conn] = append(conns[r.Conn], r)
	}
	p := &player{l: l, errs: make(chan error, len(conns)), want: len(conns)}
	go func() {
		for n := 1; n <= len(conns); n++ {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				p.errs <- play(c, conns[n])
			}()
		}
	}()
	return p
}

func (p *player) uri() string { return "local://" + p.l.Addr().String() }

func (p *player) finish(t *testing.T) {
	t.Helper()
	for range p.want {
		select {
		case err := <-p.errs:
			if err != nil {
				t.Errorf("replay: %v", err)
			}
		case <-time.After(patience):
			t.Error("replay: the client did not do all that it did before")
			return
		}
	}
}

// play goes through the records of one connection. A stream that the client
// cuts short has no last word from either side.
func play(c net.Conn, recs []capture.Record) error {
	c.SetDeadline(time.Now().Add(patience))
	for i := range recs {
		r := &recs[i]
		switch {
		case r.Dir == capture.ServerToClient && r.EOF:
			return nil
		case r.Dir == capture.ServerToClient:
			if _, err := c.Write(r.Frame()); err != nil {
				return nil // the client has seen enough; its end is recorded, too
			}
		case r.EOF:
			var rest bytes.Buffer
			if n, err := io.Copy(&rest, c); n > 0 {
				return fmt.Errorf("record %d: %d more bytes, %v, want the end", i, n, err)
			}
		default:
			var frame bytes.Buffer
			if err := readFrame(c, &frame); err != nil {
				return fmt.Errorf("record %d: %w, want a %s %s", i, err, r.Msg.Type, r.Msg.Topic)
			}
			if err := r.CheckFrame(frame.Bytes()); err != nil {
				return fmt.Errorf("record %d: %w", i, err)
			}
		}
	}
	return nil
}
