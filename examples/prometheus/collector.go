package main

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flux-sdk/flux"
)

// collector reads a client's Stats when it is scraped, so nothing is counted
// twice. What Stats does not say comes from hooks.
type collector struct {
	client atomic.Pointer[flux.Client] // nil before the dial

	connected *prometheus.GaugeVec
	slow      *prometheus.CounterVec
	queue     *prometheus.HistogramVec
	missed    prometheus.Counter
}

func newCollector() *collector {
	return &collector{
		connected: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "flux_client_connected", Help: "1 while the connection to the broker is up.",
		}, nil),
		slow: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flux_client_slow_consumers_total", Help: "Streams and subscriptions ended by a queue limit.",
		}, []string{"topic"}),
		queue: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "flux_client_queue_depth", Help: "Messages queued for a consumer that lags.",
			Buckets: prometheus.ExponentialBuckets(2, 4, 9), // to the default limit
		}, []string{"topic"}),
		missed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flux_client_hooks_missed_total", Help: "Calls of hooks left out: hooks were too slow.",
		}),
	}
}

// hooks are to be given to Dial.
func (c *collector) hooks() flux.Hooks {
	up := c.connected.WithLabelValues()
	return flux.Hooks{
		Connected:    func(bool) { up.Set(1) },
		Disconnected: func(error) { up.Set(0) },
		SlowConsumer: func(topic string) { c.slow.WithLabelValues(topic).Inc() },
		Queued: func(topic string, messages, _ int) {
			c.queue.WithLabelValues(topic).Observe(float64(messages))
		},
		Missed: func(n int) { c.missed.Add(float64(n)) },
	}
}

// stat is one number of Stats.
type stat struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(flux.Stats) float64
}

func counter(name, help string, read func(flux.Stats) uint64) stat {
	return stat{prometheus.NewDesc("flux_client_"+name, help, nil, nil), prometheus.CounterValue,
		func(s flux.Stats) float64 { return float64(read(s)) }}
}

func gauge(name, help string, read func(flux.Stats) int) stat {
	return stat{prometheus.NewDesc("flux_client_"+name, help, nil, nil), prometheus.GaugeValue,
		func(s flux.Stats) float64 { return float64(read(s)) }}
}

var stats = []stat{
	counter("messages_sent_total", "Messages accepted for sending.", func(s flux.Stats) uint64 { return s.Sent }),
	counter("messages_received_total", "Messages received.", func(s flux.Stats) uint64 { return s.Received }),
	counter("responses_total", "Responses delivered to a caller.", func(s flux.Stats) uint64 { return s.Responses }),
	counter("abandoned_total", "Requests given up before the last reply.", func(s flux.Stats) uint64 { return s.Abandoned }),
	counter("late_responses_total", "Responses to requests given up.", func(s flux.Stats) uint64 { return s.Late }),
	counter("stray_responses_total", "Responses to no request known.", func(s flux.Stats) uint64 { return s.Stray }),
	counter("reconnects_total", "Times the connection was restored.", func(s flux.Stats) uint64 { return s.Reconnects }),
	gauge("requests_waiting", "Requests whose reply somebody waits for.", func(s flux.Stats) int { return s.Live }),
	gauge("matchtags_retired", "Matchtags kept until the last reply to a request given up.", func(s flux.Stats) int { return s.Retired }),
}

// Describe is the first half of [prometheus.Collector].
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, s := range stats {
		ch <- s.desc
	}
	c.connected.Describe(ch)
	c.slow.Describe(ch)
	c.queue.Describe(ch)
	c.missed.Describe(ch)
}

// Collect is the other half.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	if client := c.client.Load(); client != nil {
		now := client.Stats()
		for _, s := range stats {
			ch <- prometheus.MustNewConstMetric(s.desc, s.kind, s.read(now))
		}
	}
	c.connected.Collect(ch)
	c.slow.Collect(ch)
	c.queue.Collect(ch)
	c.missed.Collect(ch)
}
