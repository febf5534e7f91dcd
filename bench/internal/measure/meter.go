// Package measure takes the time, CPU and memory of a benchmark and prints them
// as one JSON line, in the form that every program of the comparison has.
package measure

import (
	"encoding/json"
	"io"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// Result is one line: what one program measured in one run. Times are in
// microseconds, per operation.
type Result struct {
	Impl string  `json:"impl"`
	Test string  `json:"test"`
	N    int     `json:"n"`
	Ops  float64 `json:"ops"` // per second

	CPU        float64 `json:"cpu_us"`      // user and system, of this process
	BrokerMain float64 `json:"brk_main_us"` // of the broker's main thread
	BrokerConn float64 `json:"brk_conn_us"` // of its connector-local thread
	Allocs     float64 `json:"allocs"`

	P50  float64 `json:"p50_us,omitempty"`
	P99  float64 `json:"p99_us,omitempty"`
	P999 float64 `json:"p999_us,omitempty"`
	Min  float64 `json:"min_us,omitempty"`

	Service    string  `json:"svc,omitempty"`    // who answered
	ServiceCPU float64 `json:"svc_us,omitempty"` // its CPU

	RSSBefore int     `json:"rss0_kb,omitempty"`
	RSSAfter  int     `json:"rss1_kb,omitempty"`
	BytesPer  float64 `json:"bytes_per,omitempty"`

	// Added by the runner.
	Cell string  `json:"cell,omitempty"`
	Rep  int     `json:"rep"`
	Load float64 `json:"load,omitempty"`
}

// Print writes the line.
func (r Result) Print(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// Meter measures what happens between Start and Stop.
type Meter struct {
	wall   time.Time
	cpu    float64
	broker brokerCPU
	mem    runtime.MemStats
}

// Start starts a Meter.
func Start() *Meter {
	m := new(Meter)
	runtime.ReadMemStats(&m.mem)
	m.broker = readBrokerCPU()
	m.cpu = CPU()
	m.wall = time.Now()
	return m
}

// Stop says what n operations took since Start.
func (m *Meter) Stop(test string, n int) Result {
	wall, cpu, broker := time.Since(m.wall), CPU(), readBrokerCPU()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	per := float64(n)
	return Result{
		Test: test, N: n, Ops: per / wall.Seconds(), CPU: (cpu - m.cpu) / per,
		BrokerMain: (broker.main - m.broker.main) / per,
		BrokerConn: (broker.conn - m.broker.conn) / per,
		Allocs:     float64(mem.Mallocs-m.mem.Mallocs) / per,
	}
}

// Latencies adds the distribution of single latencies. It sorts them.
func (r *Result) Latencies(l []time.Duration) {
	slices.Sort(l)
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
	r.P50, r.Min = us(l[len(l)/2]), us(l[0])
	r.P99, r.P999 = us(l[len(l)*99/100]), us(l[len(l)*999/1000])
}

// CPU is the CPU time of this process so far, in microseconds.
func CPU() float64 {
	var ru syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ru) != nil {
		return 0
	}
	return float64(ru.Utime.Nano()+ru.Stime.Nano()) / 1e3
}
