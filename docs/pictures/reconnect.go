package main

// reconnect is a lost connection that is made again, and what becomes of what
// was under way.
func reconnect() (*canvas, string, string) {
	c := &canvas{width: 960, height: 400}
	const left, lost, dialed, restored, right = 190, 400, 600, 690, 930
	rows := []struct {
		y    int
		name string
	}{{90, "connection"}, {150, "call under way"}, {205, "call made meanwhile"}, {265, "subscription"}, {335, "service"}}
	for _, r := range rows {
		c.bold(left-15, r.y+5, end, ink, r.name)
	}
	c.line(grey, true, lost, 44, lost, 375)
	c.line(grey, true, dialed, 44, dialed, 110)
	c.line(grey, true, restored, 44, restored, 375)
	c.text(lost, 34, middle, red, "the broker goes away")
	c.text(dialed-8, 34, middle, ink, "dialed")
	c.text(restored+12, 34, middle, green, "restored")

	c.bar(left, 80, lost-left, 20, green)
	c.bar(lost, 80, dialed-lost, 20, "#dddddd")
	c.bar(dialed, 80, restored-dialed, 20, "#f0c48a")
	c.bar(restored, 80, right-restored, 20, green)
	c.text((lost+dialed)/2, 95, middle, ink, "dials, with growing pauses")
	c.text((dialed+restored)/2, 95, middle, ink, "restores")

	c.line(blue, false, 260, 150, lost, 150)
	c.dot(260, 150, blue)
	c.dot(lost, 150, red)
	c.text(lost+12, 155, start, red, "fails with ErrConnLost; not repeated")

	c.dot(470, 205, blue)
	c.line(blue, true, 470, 205, restored, 205)
	c.arrow(blue, false, restored, 205, 780, 205)
	c.text(580, 197, middle, blue, "waits within its ctx")
	c.text(790, 210, start, blue, "answered")

	for _, x := range []int{215, 262, 309, 356} {
		c.dot(x, 265, green)
	}
	for _, x := range []int{440, 500, 560} {
		c.dot(x, 265, "#bbbbbb")
	}
	c.text(500, 290, middle, grey, "published, not received")
	c.box(restored+30, 265, 52, 26, "white", red, "gap")
	for _, x := range []int{770, 817, 864, 911} {
		c.dot(x, 265, green)
	}
	c.code(restored+4, 297, start, red, "*GapError, Dropped -1")

	c.bar(left, 325, lost-left, 20, green)
	c.text((left+lost)/2, 340, middle, "white", "registered")
	c.bar(restored, 325, right-restored, 20, green)
	c.text((restored+right)/2, 340, middle, "white", "registered again")
	c.text((lost+restored)/2, 340, middle, grey, "its handlers' ctx ends: ErrConnLost")
	c.text(left, 392, start, grey, "Everything that is published after the gap item was delivered is received.")
	return c, "A reconnect",
		"A lost connection fails the calls under way, calls made meanwhile wait, and each subscription goes on after " +
			"a gap item."
}
