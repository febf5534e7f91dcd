package compare

import (
	"fmt"
	"strconv"
)

// cell is one measurement, taken by several programs.
type cell struct {
	name string
	runs []run
}

// run is how one program takes it. impl labels its results.
type run struct {
	impl string
	argv []string
	env  []string // besides that of all runs
}

const (
	attrTopic   = "attr.get"
	attrPayload = `{"name":"rank"}`
)

// The services that all programs call.
const (
	cService   = "cbench"
	goService  = "gbench" // an Inline route, as a handler of libflux is
	gorService = "ggor"   // a goroutine for each request
)

// n scales a number of operations to the kind of run.
func (o *options) n(full int) string {
	if o.short {
		full = max(full/4, 100)
	}
	return strconv.Itoa(full)
}

// add appends the run of a program, if it is to be had.
func (c *cell) add(impl string, program []string, args ...string) {
	if len(program) == 0 || program[0] == "" {
		return
	}
	argv := append([]string{}, program...)
	c.runs = append(c.runs, run{impl: impl, argv: append(argv, args...)})
}

// with is the SDK's program with flags before its command.
func (p *programs) with(impl string, flags ...string) []string {
	return append([]string{p.sdk, "-impl", impl}, flags...)
}

func (p *programs) peer(impl string) []string {
	if p.peers == "" {
		return nil
	}
	return []string{p.peers, "-impl", impl}
}

// brokerCells are the measurements on a real broker.
func (r *runner) brokerCells() []cell {
	p, c, py := &r.programs, []string{r.programs.c}, r.programs.python
	call, goes := p.with("call"), p.with("go", "-api", "go")
	var cells []cell
	add := func(name string, f func(*cell)) {
		next := cell{name: name}
		f(&next)
		cells = append(cells, next)
	}
	add("serial", func(cl *cell) {
		args := []string{"serial", attrTopic, attrPayload, r.n(4000)}
		cl.add("c", c, args...)
		cl.add("call", call, args...)
		cl.add("json", p.with("json", "-json"), args...)
		cl.add("python", py, "serial", attrTopic, attrPayload, r.n(2000))
	})
	for _, d := range []int{1, 2, 4, 8, 16, 64, 256, 1024} {
		add(fmt.Sprint("pipe ", d), func(cl *cell) {
			n := 30000
			if d == 1 {
				n = 4000
			}
			args := []string{"pipe", attrTopic, attrPayload, strconv.Itoa(d), r.n(n)}
			cl.add("c", c, args...)
			cl.add("call", call, args...)
			cl.add("go", goes, args...)
			if d == 64 {
				cl.add("hooks", p.with("hooks", "-hooks"), args...)
			}
			if !r.short || d == 64 {
				cl.add("python", py, "pipe", attrTopic, attrPayload, strconv.Itoa(d), r.n(4000))
			}
		})
	}
	add("lat 64", func(cl *cell) {
		args := []string{"lat", attrTopic, attrPayload, "64", r.n(60000)}
		cl.add("c", c, args...)
		cl.add("call", call, args...)
	})
	add("stream", func(cl *cell) {
		cl.add("c", c, "stream", cService, r.n(100000))
		cl.add("call", call, "stream", cService, r.n(100000))
		cl.add("c>go", c, "stream", goService, r.n(100000))
	})
	for _, d := range []string{"1", "64"} {
		add("pub "+d, func(cl *cell) {
			n := r.n(20000)
			if d == "1" {
				n = r.n(4000)
			}
			cl.add("c", c, "pub", d, n)
			cl.add("call", call, "pub", d, n)
		})
	}
	add("sub", func(cl *cell) {
		n := r.n(60000)
		blast := []string{p.c, "blast", n}
		if p.c == "" {
			blast = []string{p.sdk, "blast", n}
		}
		cl.add("c", c, append([]string{"sub", n, "--"}, blast...)...)
		cl.add("call", call, append([]string{"sub", n}, blast...)...)
	})
	for _, e := range []struct{ size, depth, n int }{
		{13, 1, 4000}, {13, 64, 30000}, {1 << 10, 64, 20000}, {64 << 10, 8, 3000}, {1 << 20, 1, 200},
	} {
		add(fmt.Sprintf("echo %d %d", e.size, e.depth), func(cl *cell) {
			args := []string{strconv.Itoa(e.size), strconv.Itoa(e.depth), r.n(e.n)}
			cl.add("c", c, append([]string{"echo", cService}, args...)...)
			cl.add("go>go", call, append([]string{"echo", goService}, args...)...)
			cl.add("c>go", c, append([]string{"echo", goService}, args...)...)
			cl.add("go>c", call, append([]string{"echo", cService}, args...)...)
			if e.depth == 64 || !r.short {
				cl.add("c>gor", c, append([]string{"echo", gorService}, args...)...)
				cl.add("go>gor", call, append([]string{"echo", gorService}, args...)...)
			}
		})
	}
	add("connect", func(cl *cell) {
		cl.add("c", c, "connect", r.n(400))
		cl.add("call", call, "connect", r.n(400))
	})
	add("mem", func(cl *cell) {
		cl.add("c", c, "mem", cService, r.n(100000))
		cl.add("call", call, "mem", cService, r.n(100000))
		cl.add("go", goes, "mem", cService, r.n(100000))
	})
	return cells
}

// embeddedCells are the measurements in one process, without Flux.
func (r *runner) embeddedCells() []cell {
	p := &r.programs
	var cells []cell
	for _, d := range []int{1, 16, 64, 256} {
		n, depth := r.n(50000), strconv.Itoa(d)
		peer := []string{"pipe", depth, n}
		if d == 1 {
			n = r.n(10000)
			peer = []string{"serial", n}
		}
		cl := cell{name: fmt.Sprint("embed ", d)}
		cl.add("call", p.with("call", "-svcmode", "inline"), "embed", depth, n)
		cl.add("go", p.with("go", "-api", "go", "-svcmode", "inline"), "embed", depth, n)
		cl.add("memory", p.with("memory", "-conn", "memory", "-svcmode", "inline"), "embed", depth, n)
		cl.add("gor", p.with("gor"), "embed", depth, n)
		for _, impl := range []string{"nats", "grpc", "netrpc"} {
			cl.add(impl, p.peer(impl), peer...)
		}
		cells = append(cells, cl)
	}
	cl := cell{name: "embed stream"}
	cl.add("call", p.with("call"), "embedstream", r.n(300000))
	cl.add("memory", p.with("memory", "-conn", "memory"), "embedstream", r.n(300000))
	for _, impl := range []string{"nats", "grpc"} {
		cl.add(impl, p.peer(impl), "stream", r.n(300000))
	}
	return append(cells, cl)
}
