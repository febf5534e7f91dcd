package compare

import "github.com/flux-sdk/flux/bench/internal/measure"

// metric is a number of a result.
type metric struct {
	name   string
	of     func(measure.Result) float64
	higher bool // is better
}

var (
	rate       = metric{"rate", func(r measure.Result) float64 { return r.Ops }, true}
	p99        = metric{"p99", func(r measure.Result) float64 { return r.P99 }, false}
	p999       = metric{"p99.9", func(r measure.Result) float64 { return r.P999 }, false}
	p50        = metric{"p50", func(r measure.Result) float64 { return r.P50 }, false}
	cpu        = metric{"CPU", func(r measure.Result) float64 { return r.CPU }, false}
	serviceCPU = metric{"service CPU", func(r measure.Result) float64 { return r.ServiceCPU }, false}
	bytesPer   = metric{"bytes", func(r measure.Result) float64 { return r.BytesPer }, false}
	allocs     = metric{"allocations", func(r measure.Result) float64 { return r.Allocs }, false}
)

// goal is one row of the table: a ratio, or with no reference a number.
type goal struct {
	title     string
	cell      string
	ours, ref string
	metric    metric
	must, aim float64 // aim 0: none
}

var names = map[string]string{
	"c": "C libflux", "python": "Python", "nats": "nats", "grpc": "grpc-go", "netrpc": "net/rpc",
	"call": "hooks off",
}

// goals are the bars that were set for this module.
var goals = []goal{
	{"serial call", "serial", "call", "c", p50, 1.10, 0.95},
	{"serial call", "serial", "call", "c", cpu, 1.2, 0.9},
	{"serial call, JSON both ways", "serial", "json", "python", p50, 0.75, 0},
	{"serial call, JSON both ways", "serial", "json", "python", cpu, 0.5, 0},
	{"pipelined, depth 2", "pipe 2", "call", "c", rate, 0.9, 1.0},
	{"pipelined, depth 2", "pipe 2", "call", "c", cpu, 1.3, 1.0},
	{"pipelined, depth 4", "pipe 4", "call", "c", rate, 0.9, 1.0},
	{"pipelined, depth 4", "pipe 4", "call", "c", cpu, 1.3, 1.0},
	{"pipelined, depth 8", "pipe 8", "call", "c", rate, 0.9, 1.0},
	{"pipelined, depth 8", "pipe 8", "call", "c", cpu, 1.3, 1.0},
	{"pipelined, depth 16", "pipe 16", "call", "c", rate, 1.0, 1.1},
	{"pipelined, depth 16", "pipe 16", "call", "c", cpu, 1.1, 0.9},
	{"pipelined, depth 64", "pipe 64", "call", "c", rate, 0.9, 1.0},
	{"pipelined, depth 64", "pipe 64", "call", "c", cpu, 1.15, 1.0},
	{"pipelined, depth 256", "pipe 256", "call", "c", rate, 0.9, 1.0},
	{"pipelined, depth 256", "pipe 256", "call", "c", cpu, 1.15, 1.0},
	{"pipelined, depth 1024", "pipe 1024", "call", "c", rate, 0.9, 1.0},
	{"pipelined, depth 1024", "pipe 1024", "call", "c", cpu, 1.15, 1.0},
	{"each call, depth 64", "lat 64", "call", "c", p50, 0, 0},
	{"each call, depth 64", "lat 64", "call", "c", p99, 1.1, 0.9},
	{"each call, depth 64", "lat 64", "call", "c", p999, 1.2, 0},
	{"all hooks on, depth 64", "pipe 64", "hooks", "call", rate, 0.95, 0},
	{"all hooks on, depth 64", "pipe 64", "hooks", "call", cpu, 1.15, 1.05},
	{"through Go, depth 16", "pipe 16", "go", "c", rate, 0.9, 1.0},
	{"through Go, depth 16", "pipe 16", "go", "c", cpu, 1.0, 0.7},
	{"through Go, depth 64", "pipe 64", "go", "c", rate, 0.9, 1.0},
	{"through Go, depth 64", "pipe 64", "go", "c", cpu, 1.0, 0.7},
	{"through Go, depth 1024", "pipe 1024", "go", "c", rate, 0.9, 1.0},
	{"through Go, depth 1024", "pipe 1024", "go", "c", cpu, 1.0, 0.7},
	{"stream consumer", "stream", "call", "c", rate, 0.95, 1.1},
	{"stream consumer", "stream", "call", "c", cpu, 1.0, 0.5},
	{"stream service, each reply", "stream", "c>go", "c", serviceCPU, 0.2, 0.1},
	{"confirmed publish, serial", "pub 1", "call", "c", rate, 1.0, 1.05},
	{"confirmed publish, depth 64", "pub 64", "call", "c", rate, 0.9, 1.0},
	{"subscriber", "sub", "call", "c", rate, 0.95, 1.1},
	{"subscriber", "sub", "call", "c", cpu, 1.0, 0.5},
	{"echo, Go to Go, depth 1", "echo 13 1", "go>go", "c", rate, 1.0, 1.2},
	{"echo, Go to Go, depth 64", "echo 13 64", "go>go", "c", rate, 0.95, 1.05},
	{"echo, Go to Go, depth 1, goroutine each", "echo 13 1", "go>gor", "c", rate, 0, 0},
	{"echo, Go to Go, depth 64, goroutine each", "echo 13 64", "go>gor", "c", rate, 0, 0},
	{"service, each request, inline", "echo 13 64", "c>go", "c", serviceCPU, 1.1, 0.9},
	{"service, each request, goroutine each", "echo 13 64", "c>gor", "c", serviceCPU, 1.4, 1.2},
	{"echo 1 KiB, depth 64", "echo 1024 64", "go>go", "c", rate, 0.95, 1.05},
	{"echo 64 KiB, depth 8", "echo 65536 8", "go>go", "c", rate, 0.9, 1.0},
	{"echo 1 MiB, depth 1", "echo 1048576 1", "go>go", "c", rate, 1.4, 1.8},
	{"dial, attr.get, close", "connect", "call", "c", p50, 1.15, 1.0},
	{"outstanding call, Go", "mem", "go", "", bytesPer, 300, 120},
	{"outstanding call, Call in a goroutine", "mem", "call", "", bytesPer, 3600, 0},
	{"raw Call", "pipe 64", "call", "", allocs, 3, 1},
	{"embedded, 4 hops, serial", "embed 1", "call", "nats", p50, 0.5, 0.35},
	{"embedded, 4 hops, serial", "embed 1", "call", "grpc", p50, 0.7, 0},
	{"embedded, depth 64", "embed 64", "call", "nats", rate, 3, 5},
	{"embedded, depth 64", "embed 64", "call", "grpc", rate, 6, 0},
	{"embedded, depth 256", "embed 256", "call", "nats", rate, 3, 5},
	{"embedded, depth 256", "embed 256", "call", "grpc", rate, 6, 0},
	{"embedded, streamed messages", "embed stream", "call", "nats", rate, 2, 4},
	{"embedded, depth 64", "embed 64", "call", "netrpc", rate, 0, 0},
	{"embedded in memory, serial", "embed 1", "memory", "nats", p50, 0, 0},
	{"embedded in memory, depth 64", "embed 64", "memory", "nats", rate, 0, 0},
	{"embedded in memory, streamed messages", "embed stream", "memory", "nats", rate, 0, 0},
}

// met reports whether v is as good as the bar.
func (m metric) met(v, bar float64) bool {
	if m.higher {
		return v >= bar
	}
	return v <= bar
}
