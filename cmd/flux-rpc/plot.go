package main

import (
	"fmt"
	"math"
	"strings"
)

const benchHead = "depth     calls/s       p50       p90       p99       max\n"

func benchLine(r benchRow) string {
	return fmt.Sprintf("%5d %11.0f %9s %9s %9s %9s", r.Depth, r.Rate,
		short(r.Latency.P50), short(r.Latency.P90), short(r.Latency.P99), short(r.Latency.Max))
}

// short is a time in milliseconds as text of a few digits with its unit.
func short(ms float64) string {
	switch {
	case ms < 1:
		return fmt.Sprintf("%.0fus", ms*1000)
	case ms < 100:
		return fmt.Sprintf("%.2fms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0fms", ms)
	}
	return fmt.Sprintf("%.2fs", ms/1000)
}

// benchPicture draws the rates as bars from 0 and the latencies on a
// logarithmic scale.
func benchPicture(rows []benchRow, width int) string {
	var b strings.Builder
	top := 0.0
	for _, r := range rows {
		top = max(top, r.Rate)
	}
	const label = 18 // "depth   calls/s  "
	cells := max(width-label-1, 10)
	b.WriteString("\ncalls per second\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "%5d %10.0f  %s\n", r.Depth, r.Rate, bar(r.Rate/top, cells))
	}
	b.WriteString("\nlatency, logarithmic: p50 \u25cf\u2500\u2500 p90 \u253c\u2500\u2500 p99 \u2524\n")
	scale := newLogScale(rows, cells)
	for _, r := range rows {
		fmt.Fprintf(&b, "%5d %10s  %s\n", r.Depth, short(r.Latency.P50), scale.span(r.Latency))
	}
	fmt.Fprintf(&b, "%*s%s\n", label, "", scale.axis())
	return b.String()
}

// eighths are the blocks that fill a part of a cell from the left.
var eighths = []rune(" \u258f\u258e\u258d\u258c\u258b\u258a\u2589")

// bar fills a share of cells.
func bar(share float64, cells int) string {
	n := int(share*float64(cells)*8 + 0.5)
	s := strings.Repeat("\u2588", n/8)
	if n%8 > 0 {
		s += string(eighths[n%8])
	}
	return s
}

// logScale maps latencies to columns, with whole powers of ten at both ends.
type logScale struct {
	low, high int // powers of ten, in milliseconds
	cells     int
}

func newLogScale(rows []benchRow, cells int) logScale {
	low, high := math.Inf(1), math.Inf(-1)
	for _, r := range rows {
		low = min(low, r.Latency.P50)
		high = max(high, r.Latency.P99)
	}
	const least = 0.001 // the resolution of the figures
	s := logScale{int(math.Floor(math.Log10(max(low, least)))), int(math.Ceil(math.Log10(max(high, least)))), cells}
	if s.high <= s.low {
		s.high = s.low + 1
	}
	return s
}

func (s logScale) column(ms float64) int {
	x := (math.Log10(max(ms, 1e-9)) - float64(s.low)) / float64(s.high-s.low)
	return min(max(int(x*float64(s.cells-1)+0.5), 0), s.cells-1)
}

// span draws the percentiles of one row.
func (s logScale) span(l latencies) string {
	p50, p90, p99 := s.column(l.P50), s.column(l.P90), s.column(l.P99)
	line := []rune(strings.Repeat(" ", p50) + strings.Repeat("\u2500", p99-p50+1))
	line[p99] = '\u2524'
	line[p90] = '\u253c'
	line[p50] = '\u25cf'
	return string(line)
}

// axis names the powers of ten under the spans.
func (s logScale) axis() string {
	line := []rune(strings.Repeat(" ", s.cells))
	for p := s.low; p <= s.high; p++ {
		at := s.column(math.Pow10(p))
		name := []rune("|" + strings.Replace(short(math.Pow10(p)), ".00", "", 1))
		if at+len(name) > len(line) {
			at = len(line) - 1
			name = name[:1]
			if p == s.high { // the name of the last one stands left of it
				label := []rune(strings.Replace(short(math.Pow10(p)), ".00", "", 1))
				copy(line[max(at-len(label), 0):], label)
			}
		}
		copy(line[at:], name)
	}
	return strings.TrimRight(string(line), " ")
}
