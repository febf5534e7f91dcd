package main

import (
	"fmt"
	"html"
	"strings"
)

// The colors of the pictures. They are told apart in grey, too, because each is
// used with a word or a line of its own.
const (
	ink    = "#222222"
	grey   = "#777777"
	pale   = "#f2f2f2"
	blue   = "#0b6e99"
	green  = "#2a7d3a"
	orange = "#b35900"
	red    = "#b3261e"
)

// canvas is a picture that is being drawn. Units are pixels.
type canvas struct {
	width, height int
	body          strings.Builder
	texts         []placed
}

// placed is a text and its extent, for the test that nothing is cut off.
type placed struct {
	text        string
	left, right float64
	y           int
}

// anchor says which point of a text its x is.
type anchor string

const (
	start  anchor = "start"
	middle anchor = "middle"
	end    anchor = "end"
)

const (
	fontSize = 13
	// glyph is a generous width of a character of fontSize.
	glyph = 6.9
)

func (c *canvas) text(x, y int, at anchor, color, s string) {
	c.styled(x, y, at, color, "", s)
}

func (c *canvas) bold(x, y int, at anchor, color, s string) {
	c.styled(x, y, at, color, ` font-weight="bold"`, s)
}

func (c *canvas) code(x, y int, at anchor, color, s string) {
	c.styled(x, y, at, color, ` font-family="monospace"`, s)
}

func (c *canvas) styled(x, y int, at anchor, color, style, s string) {
	width := glyph * float64(len([]rune(s)))
	if strings.Contains(style, "monospace") {
		width = 7.9 * float64(len([]rune(s)))
	}
	left := float64(x)
	switch at {
	case middle:
		left -= width / 2
	case end:
		left -= width
	}
	c.texts = append(c.texts, placed{s, left, left + width, y})
	fmt.Fprintf(&c.body, `<text x="%d" y="%d" text-anchor="%s" fill="%s"%s>%s</text>`+"\n",
		x, y, at, color, style, html.EscapeString(s))
}

// box draws a rectangle around (x, y) with lines of text in its middle.
func (c *canvas) box(x, y, width, height int, fill, stroke string, lines ...string) {
	fmt.Fprintf(&c.body, `<rect x="%d" y="%d" width="%d" height="%d" rx="4" fill="%s" stroke="%s"/>`+"\n",
		x-width/2, y-height/2, width, height, fill, stroke)
	top := y + 5 - (len(lines)-1)*9
	for i, line := range lines {
		if i == 0 {
			c.bold(x, top, middle, ink, line)
		} else {
			c.text(x, top+18*i, middle, ink, line)
		}
	}
}

// line draws a line through points, x and y in turn.
func (c *canvas) line(color string, dashed bool, points ...int) {
	c.polyline(color, dashed, "", points)
}

// arrow draws a line with a head at its last point.
func (c *canvas) arrow(color string, dashed bool, points ...int) {
	c.polyline(color, dashed, fmt.Sprintf(` marker-end="url(#%s)"`, strings.TrimPrefix(color, "#")), points)
}

func (c *canvas) polyline(color string, dashed bool, marker string, points []int) {
	var list strings.Builder
	for i := 0; i+1 < len(points); i += 2 {
		fmt.Fprintf(&list, " %d,%d", points[i], points[i+1])
	}
	if dashed {
		marker += ` stroke-dasharray="5 4"`
	}
	fmt.Fprintf(&c.body, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.6"%s/>`+"\n",
		strings.TrimSpace(list.String()), color, marker)
}

// bar fills a part of a row.
func (c *canvas) bar(x, y, width, height int, fill string) {
	fmt.Fprintf(&c.body, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n", x, y, width, height, fill)
}

// dot marks a point.
func (c *canvas) dot(x, y int, color string) {
	fmt.Fprintf(&c.body, `<circle cx="%d" cy="%d" r="5" fill="%s"/>`+"\n", x, y, color)
}

// svg is the finished picture.
func (c *canvas) svg(title, description string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" `+
		`font-family="sans-serif" font-size="%d">`+"\n", c.width, c.height, c.width, c.height, fontSize)
	fmt.Fprintf(&b, "<title>%s</title>\n<desc>%s</desc>\n<defs>\n",
		html.EscapeString(title), html.EscapeString(description))
	for _, color := range []string{ink, grey, blue, green, orange, red} {
		fmt.Fprintf(&b, `<marker id="%s" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" `+
			`orient="auto"><path d="M0 0L10 5L0 10z" fill="%s"/></marker>`+"\n", strings.TrimPrefix(color, "#"), color)
	}
	b.WriteString("</defs>\n" + `<rect width="100%" height="100%" fill="white"/>` + "\n")
	b.WriteString(c.body.String())
	b.WriteString("</svg>\n")
	return b.String()
}
