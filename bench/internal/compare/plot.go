package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// series is one line of a chart.
type series struct {
	name, color string
	impl        string
	points      []point
}

// point is a median over the repetitions.
type point struct{ depth, v float64 }

// chart is one of the four: rate or latency by the number of calls in flight.
type chart struct {
	title  string
	series []series
}

var (
	brokerSeries = []series{
		{name: "C libflux", impl: "c", color: "#555555"},
		{name: "Call, a goroutine each", impl: "call", color: "#0b6e99"},
		{name: "Go", impl: "go", color: "#2a9d4a"},
		{name: "Python", impl: "python", color: "#c77d0a"},
	}
	embeddedSeries = []series{
		{name: "Call, 4 hops", impl: "call", color: "#0b6e99"},
		{name: "Go, 4 hops", impl: "go", color: "#2a9d4a"},
		{name: "nats, 4 hops", impl: "nats", color: "#8a4fbf"},
		{name: "grpc-go, 2 hops", impl: "grpc", color: "#b5342c"},
		{name: "net/rpc, 2 hops", impl: "netrpc", color: "#c77d0a"},
	}
)

// plot draws what there is as SVG. Nothing absolute is shown: one call at a
// time of the reference is 1, in the same repetition.
func plot(rs results) string {
	var charts []chart
	for _, set := range []struct {
		where, cells, ref, unit string
		depths                  []int
		series                  []series
	}{
		{"one broker of flux-core", "pipe %d", "c", "C libflux", []int{1, 2, 4, 8, 16, 64, 256, 1024}, brokerSeries},
		{"embedded broker", "embed %d", "nats", "nats", []int{1, 16, 64, 256}, embeddedSeries},
	} {
		rate := rs.byDepth(set.cells, set.ref, set.depths, set.series)
		if len(rate) == 0 {
			continue
		}
		latency := make([]series, len(rate))
		for i, s := range rate {
			latency[i] = s
			latency[i].points = nil
			for _, p := range s.points {
				latency[i].points = append(latency[i].points, point{p.depth, p.depth / p.v})
			}
		}
		charts = append(charts,
			chart{fmt.Sprintf("Rate, %s (serial %s = 1)", set.where, set.unit), rate},
			chart{fmt.Sprintf("Mean latency, %s (serial %s = 1)", set.where, set.unit), latency})
	}
	return draw(charts)
}

// byDepth is the rate of each series as a multiple of the reference's serial
// one.
func (rs results) byDepth(cells, ref string, depths []int, all []series) []series {
	var list []series
	for _, s := range all {
		for _, d := range depths {
			var v []float64
			for rep := range rs.reps() {
				one, ok1 := rs.of(fmt.Sprintf(cells, 1), ref, rep)
				r, ok2 := rs.of(fmt.Sprintf(cells, d), s.impl, rep)
				if ok1 && ok2 && one.Ops > 0 && r.Ops > 0 {
					v = append(v, r.Ops/one.Ops)
				}
			}
			if len(v) > 0 {
				slices.Sort(v)
				s.points = append(s.points, point{float64(d), median(v)})
			}
		}
		if len(s.points) > 0 {
			list = append(list, s)
		}
	}
	return list
}

// The places in a chart, in pixels.
const (
	chartW, chartH            = 460, 320
	left, right, top, bottom  = 48, 16, 34, 40
	legendLine, legendPadding = 15, 8
)

// draw puts the charts in rows of two.
func draw(charts []chart) string {
	var b strings.Builder
	rows := (len(charts) + 1) / 2
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d"`+
		` font-family="sans-serif" font-size="11">`+"\n", 2*chartW, rows*chartH)
	fmt.Fprintln(&b, `<rect width="100%" height="100%" fill="white"/>`)
	for i, c := range charts {
		fmt.Fprintf(&b, `<g transform="translate(%d,%d)">`+"\n", i%2*chartW, i/2*chartH)
		c.draw(&b)
		fmt.Fprintln(&b, "</g>")
	}
	fmt.Fprintln(&b, "</svg>")
	return b.String()
}

// draw draws one chart, both axes logarithmic.
func (c chart) draw(b *strings.Builder) {
	x0, x1 := 1.0, 1.0
	y0, y1 := math.Inf(1), math.Inf(-1)
	for _, s := range c.series {
		for _, p := range s.points {
			x1, y0, y1 = max(x1, p.depth), min(y0, p.v), max(y1, p.v)
		}
	}
	y0, y1 = math.Exp2(math.Floor(math.Log2(y0))), math.Exp2(math.Ceil(math.Log2(y1*1.01)))
	x := func(v float64) float64 {
		return left + (chartW-left-right)*math.Log2(v/x0)/max(math.Log2(x1/x0), 1)
	}
	y := func(v float64) float64 {
		return chartH - bottom - (chartH-top-bottom)*math.Log2(v/y0)/math.Log2(y1/y0)
	}
	fmt.Fprintf(b, `<text x="%d" y="20" font-size="13" font-weight="bold">%s</text>`+"\n", left, c.title)
	step := max(1, math.Ceil(math.Log2(y1/y0)/8))
	for e := math.Log2(y0); e <= math.Log2(y1)+0.01; e += step {
		v := math.Exp2(e)
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#dddddd"/><text x="%d" y="%.1f" text-anchor="end">%g</text>`+"\n",
			left, y(v), chartW-right, left-5, y(v)+4, v)
	}
	for v := x0; v <= x1; v *= 4 {
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%g</text>`+"\n", x(v), chartH-bottom+16, v)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">calls in flight</text>`+"\n", (left+chartW-right)/2, chartH-8)
	for i, s := range c.series {
		var path []string
		for _, p := range s.points {
			path = append(path, fmt.Sprintf("%.1f,%.1f", x(p.depth), y(p.v)))
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x(p.depth), y(p.v), s.color)
		}
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n",
			strings.Join(path, " "), s.color)
		fmt.Fprintf(b, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n",
			left+legendPadding, top+legendPadding+legendLine*(i+1), s.color, s.name)
	}
}
