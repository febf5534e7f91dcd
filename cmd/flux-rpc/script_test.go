package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
	"github.com/rogpeppe/go-internal/testscript"
)

const (
	guestRank = 3    // clients of this rank are guests
	guestUID  = 1234 // with this userid
	patience  = 20 * time.Second
)

type brokerKey struct{}

// TestScripts runs the scripts, each with an embedded broker of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			b, err := startBroker()
			if err != nil {
				return err
			}
			env.Defer(func() { b.Close() })
			env.Values[brokerKey{}] = b
			env.Setenv("FLUX_URI", b.URI())
			page, err := filepath.Abs(manFile)
			if err != nil {
				return err
			}
			env.Setenv("MANFILE", page)
			env.Setenv("LONG", strings.Repeat("x", 200))
			env.Setenv("UID", strconv.Itoa(os.Getuid()))
			for rank := range b.Size() {
				env.Setenv(fmt.Sprintf("URI%d", rank), b.URIOf(uint32(rank)))
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":        status,
			"await-sub":     awaitConn(func(c *fluxtest.Conn) []string { return c.Subscriptions() }),
			"await-service": awaitConn(func(c *fluxtest.Conn) []string { return c.Services() }),
			"await-request": awaitRequest,
			"await-exists":  awaitExists,
			"garbage":       garbage,
			"disconnect":    func(ts *testscript.TestScript, _ bool, _ []string) { scriptBroker(ts).Disconnect() },
		},
	})
}

// startBroker starts a broker with the services that the scripts call.
func startBroker() (*fluxtest.Broker, error) {
	b, err := fluxtest.Start(fluxtest.Size(4), fluxtest.AllowGuests(),
		fluxtest.MapCred(func(rank uint32, c transport.Cred) transport.Cred {
			if rank == guestRank {
				c.UID = guestUID
			}
			return c
		}))
	if err != nil {
		return nil, err
	}
	reply := func(topic string, payload any) {
		b.Handle(topic, func(r *fluxtest.Request) { r.Respond(payload) })
	}
	reply("test.none", nil)
	reply("test.text", "hello\nworld")
	reply("test.escape", "\x1b[31mred")
	reply("test.binary", []byte{0, 1, 2, 0xff})
	reply("test.bytes", []byte("no NUL"))
	reply("test.json", []byte("{\"b\": 12345678901234567890,\n \"a\": [1, 2.50, \"<&>\"]}\x00"))
	b.Handle("test.echo", func(r *fluxtest.Request) { r.Respond(r.Message().Payload) })
	b.Handle("test.fail", func(r *fluxtest.Request) { r.Fail(&flux.Error{Errno: flux.ENOENT, Message: "no such\nthing"}) })
	b.Handle("test.odd", func(r *fluxtest.Request) { r.Fail(flux.Errno(524)) })
	b.Handle("test.silent", func(r *fluxtest.Request) {})
	b.Handle("test.slow", func(r *fluxtest.Request) {
		time.Sleep(50 * time.Millisecond)
		r.Respond(nil)
	})
	b.Handle("test.silent.ping", func(r *fluxtest.Request) {})
	b.Handle("test.three", func(r *fluxtest.Request) {
		r.Respond(map[string]int{"n": 1})
		r.Respond(nil)
		r.Respond(map[string]int{"n": 3, "done": 1})
		r.End()
	})
	b.Handle("test.breaks", func(r *fluxtest.Request) {
		r.Respond(map[string]int{"n": 1})
		r.Fail(&flux.Error{Errno: flux.EIO, Message: "it broke"})
	})
	b.Handle("test.flood", func(r *fluxtest.Request) {
		for range 100 {
			r.Respond(strings.Repeat("x", 4096)) // together more than a pipe holds
		}
	})
	b.Handle("test.ticks", func(r *fluxtest.Request) {
		for n := 0; r.Context().Err() == nil; n++ {
			r.Respond(map[string]int{"n": n})
			time.Sleep(5 * time.Millisecond)
		}
	})
	return b, nil
}

func scriptBroker(ts *testscript.TestScript) *fluxtest.Broker {
	return ts.Value(brokerKey{}).(*fluxtest.Broker)
}

// status runs a command and checks its exit status: status N COMMAND...
func status(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// until waits for something to become true.
func until(ts *testscript.TestScript, what string, f func() bool) {
	for deadline := time.Now().Add(patience); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// awaitConn waits until some connection has a name in what list tells of it, or
// with ! until none has.
func awaitConn(list func(*fluxtest.Conn) []string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		until(ts, args[0], func() bool {
			has := func(c *fluxtest.Conn) bool { return slices.Contains(list(c), args[0]) }
			return slices.ContainsFunc(scriptBroker(ts).Conns(), has) != neg
		})
	}
}

// awaitRequest waits until the broker has got a request: await-request TOPIC.
// With ! it checks that there was none.
func awaitRequest(ts *testscript.TestScript, neg bool, args []string) {
	got := func(r fluxtest.Received) bool { return r.Message.Topic == args[0] }
	if neg {
		if slices.ContainsFunc(scriptBroker(ts).Requests(), got) {
			ts.Fatalf("there was a request %s", args[0])
		}
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := scriptBroker(ts).AwaitRequest(ctx, args[0])
	ts.Check(err)
}

// awaitExists waits until a file exists and is not empty, or is a socket.
func awaitExists(ts *testscript.TestScript, _ bool, args []string) {
	until(ts, args[0], func() bool {
		info, err := os.Stat(ts.MkAbs(args[0]))
		return err == nil && (info.Size() > 0 || info.Mode()&os.ModeSocket != 0)
	})
}

// garbage says to a socket what is no message, and waits for the end.
func garbage(ts *testscript.TestScript, _ bool, args []string) {
	c, err := net.Dial("unix", ts.MkAbs(args[0]))
	ts.Check(err)
	defer c.Close()
	_, err = c.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
	ts.Check(err)
	got, err := io.ReadAll(c)
	if err != nil || len(got) != 1 || got[0] != 0 {
		ts.Fatalf("got %q, %v, want the handshake and the end", got, err)
	}
}
