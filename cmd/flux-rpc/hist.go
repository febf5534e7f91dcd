package main

import (
	"math/bits"
	"time"
)

// Latencies are counted in buckets that are 1/128 of their value wide, so that
// any number of them takes a fixed amount of memory.
const (
	histBits = 7
	histSub  = 1 << histBits
)

// hist is a histogram of latencies.
type hist struct {
	counts   [(64 - histBits) * histSub]uint32
	n        int
	sum      time.Duration
	min, max time.Duration
}

func bucketOf(v uint64) int {
	if v < histSub {
		return int(v)
	}
	shift := bits.Len64(v) - histBits - 1
	return shift<<histBits + int(v>>shift)
}

// valueOf is the middle of a bucket.
func valueOf(i int) uint64 {
	if i < 2*histSub {
		return uint64(i)
	}
	shift := i>>histBits - 1
	return (uint64(i-shift<<histBits)<<1 + 1) << shift >> 1
}

func (h *hist) add(d time.Duration) {
	d = max(d, 0)
	if h.n == 0 || d < h.min {
		h.min = d
	}
	h.max = max(h.max, d)
	h.sum += d
	h.n++
	h.counts[bucketOf(uint64(d))]++
}

func (h *hist) merge(o *hist) {
	if o.n == 0 {
		return
	}
	if h.n == 0 || o.min < h.min {
		h.min = o.min
	}
	h.max = max(h.max, o.max)
	h.sum += o.sum
	h.n += o.n
	for i, c := range o.counts {
		h.counts[i] += c
	}
}

func (h *hist) mean() time.Duration {
	if h.n == 0 {
		return 0
	}
	return h.sum / time.Duration(h.n)
}

// quantile is the latency that a share q of all did not exceed.
func (h *hist) quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	want := max(1, int(q*float64(h.n)+0.5))
	seen := 0
	for i, c := range h.counts {
		if seen += int(c); seen >= want {
			return min(max(time.Duration(valueOf(i)), h.min), h.max)
		}
	}
	return h.max
}

// latencies are the figures of a histogram in JSON output, in milliseconds.
type latencies struct {
	Min  float64 `json:"min_ms"`
	Mean float64 `json:"mean_ms"`
	P50  float64 `json:"p50_ms"`
	P90  float64 `json:"p90_ms"`
	P99  float64 `json:"p99_ms"`
	Max  float64 `json:"max_ms"`
}

func (h *hist) latencies() latencies {
	return latencies{
		ms(h.min), ms(h.mean()), ms(h.quantile(0.5)), ms(h.quantile(0.9)), ms(h.quantile(0.99)), ms(h.max),
	}
}

// ms is a duration in milliseconds, to the microsecond.
func ms(d time.Duration) float64 { return float64(d.Round(time.Microsecond).Microseconds()) / 1000 }
