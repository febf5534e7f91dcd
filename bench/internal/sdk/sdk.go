// Package sdk measures this module's client, service and embedded broker
// through their public API alone.
package sdk

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/bench/internal/measure"
	"github.com/flux-sdk/flux/codec"
)

// Bench is what the flags say about a run.
type Bench struct {
	Label   string
	API     string
	JSON    bool
	Service string
	Context string
	Conn    string
	Hooks   bool
	Out     io.Writer
}

// Flags declares the flags of the commands.
func (b *Bench) Flags(fs *flag.FlagSet) {
	fs.StringVar(&b.Label, "impl", "flux", "label of the result")
	fs.StringVar(&b.API, "api", "call",
		"call: a goroutine with Call for each request in flight; go: one goroutine, pipelining through Go")
	fs.BoolVar(&b.JSON, "json", false, "encode and decode JSON (attr.get only), in place of raw payloads")
	fs.StringVar(&b.Service, "svcmode", "goroutine",
		"goroutine: one for each request; sequential: a Sequential route; inline: an Inline route")
	fs.StringVar(&b.Context, "ctx", "shared",
		"ctx of the calls: none (Background), shared (one that can be cancelled), each (a deadline of its own)")
	fs.StringVar(&b.Conn, "conn", "socket", "embedded broker: socket, or memory (no system call)")
	fs.BoolVar(&b.Hooks, "hooks", false, "set all hooks of the client, to functions that do nothing")
}

// args are the arguments of a command.
type args []string

func (a args) num(i int) int {
	n, err := strconv.Atoi(a[i])
	if err != nil || n < 1 {
		panic(usage(fmt.Sprintf("%q is not a positive number", a[i])))
	}
	return n
}

// usage is a mistake in a command line; commands panic with it.
type usage string

// command is one of the benchmarks.
type command struct {
	name, args string // args as usage shows them
	min        int    // how many there must be
	run        func(*Bench, context.Context, args) error
}

var commands = []command{
	{"serial", "TOPIC PAYLOAD N", 3, (*Bench).serial},
	{"pipe", "TOPIC PAYLOAD DEPTH N", 4, (*Bench).pipe},
	{"lat", "TOPIC PAYLOAD DEPTH N", 4, (*Bench).latency},
	{"svc", "NAME", 1, (*Bench).svc},
	{"stream", "SERVICE N", 2, (*Bench).stream},
	{"echo", "SERVICE SIZE DEPTH N", 4, (*Bench).echo},
	{"pub", "DEPTH N", 2, (*Bench).pub},
	{"blast", "N", 1, (*Bench).blast},
	{"sub", "N COMMAND...", 2, (*Bench).sub},
	{"connect", "N", 1, (*Bench).connect},
	{"mem", "SERVICE N", 2, (*Bench).mem},
	{"embed", "DEPTH N", 2, (*Bench).embed},
	{"embed2", "DEPTH N", 2, (*Bench).embed2},
	{"embedstream", "N", 1, (*Bench).embedStream},
}

// Usage lists the commands.
func Usage() string {
	var s strings.Builder
	for _, c := range commands {
		fmt.Fprintf(&s, "  %s %s\n", c.name, c.args)
	}
	return s.String()
}

// Run runs one command. The broker is that of $FLUX_URI, but for the embed
// commands, which start their own.
func (b *Bench) Run(ctx context.Context, argv []string) (err error) {
	i := slices.IndexFunc(commands, func(c command) bool { return len(argv) > 0 && c.name == argv[0] })
	if i < 0 || len(argv)-1 < commands[i].min {
		return fmt.Errorf("usage:\n%s", Usage())
	}
	defer func() {
		if u, ok := recover().(usage); ok {
			err = fmt.Errorf("%s: %s", argv[0], string(u))
		} else if err != nil {
			err = fmt.Errorf("%s: %w", argv[0], err)
		}
	}()
	if b.Out == nil {
		b.Out = os.Stdout
	}
	return commands[i].run(b, ctx, argv[1:])
}

// dial connects to the broker of $FLUX_URI.
func (b *Bench) dial(ctx context.Context) (*flux.Client, error) { return b.dialURI(ctx, "") }

// dialURI connects as the flags say.
func (b *Bench) dialURI(ctx context.Context, uri string) (*flux.Client, error) {
	var opts []flux.DialOption
	if b.Hooks {
		opts = append(opts, flux.WithHooks(emptyHooks()))
	}
	return flux.Dial(ctx, uri, opts...)
}

// emptyHooks are all hooks that there are.
func emptyHooks() flux.Hooks {
	return flux.Hooks{
		Connected: func(bool) {}, Disconnected: func(error) {},
		Sent: func(*codec.Message) {}, Received: func(*codec.Message) {},
		Queued: func(string, int, int) {}, SlowConsumer: func(string) {},
		Retired: func(string, uint32) {}, Missed: func(int) {},
	}
}

func (b *Bench) print(r measure.Result) error {
	r.Impl = b.Label
	return r.Print(b.Out)
}

// callContext is the ctx of one call.
func (b *Bench) callContext(ctx context.Context) (context.Context, context.CancelFunc) {
	switch b.Context {
	case "none":
		return context.Background(), func() {}
	case "each":
		return context.WithTimeout(ctx, time.Minute)
	}
	return ctx, func() {}
}

// text is a payload that ends with a NUL, as JSON does on the wire.
func text(s string) []byte { return append([]byte(s), 0) }

// event is the payload of messages whose content does not matter.
var event = text(`{"seq":12345}`)

var errCount = errors.New("not as many messages as were asked for")
