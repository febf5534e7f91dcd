package main

import "fmt"

// tree is the tree of brokers of an instance and the way of three requests.
func tree() (*canvas, string, string) {
	c := &canvas{width: 960, height: 430}
	at := [][2]int{{330, 60}, {170, 180}, {490, 180}, {90, 300}, {250, 300}, {410, 300}, {570, 300}}
	services := []string{"kvs, job-list, store", "cache", "", "", "", "", "cache"}
	for child := 1; child < len(at); child++ {
		parent := (child - 1) / 2
		c.line(grey, false, at[parent][0], at[parent][1], at[child][0], at[child][1])
	}
	for rank, p := range at {
		width := 110
		lines := []string{fmt.Sprint("rank ", rank)}
		if services[rank] != "" {
			lines = append(lines, services[rank])
			width = max(width, 150)
		}
		if rank > 2 {
			width = 110
		}
		c.box(p[0], p[1], width, 46, pale, ink, lines...)
	}
	c.box(90, 392, 110, 40, "white", ink, "your client")

	// The ways leave the boxes at their sides, so that none hides another.
	c.arrow(blue, false, 62, 372, 62, 325)
	c.arrow(blue, false, 62, 277, 128, 205)
	c.arrow(blue, false, 128, 157, 252, 78)
	c.arrow(green, false, 90, 372, 90, 325)
	c.arrow(green, false, 100, 277, 148, 205)
	c.arrow(orange, true, 118, 372, 118, 325)
	c.arrow(orange, true, 126, 277, 172, 205)
	c.arrow(orange, true, 206, 157, 292, 85)
	c.arrow(orange, true, 368, 85, 456, 157)
	c.arrow(orange, true, 520, 205, 556, 277)

	const x = 670
	c.bold(x, 50, start, ink, "Where a request goes")
	c.code(x, 88, start, blue, `Call(ctx, "store.get", v)`)
	c.text(x, 108, start, blue, "Up the tree to the first broker that")
	c.text(x, 126, start, blue, "has the service: here that of rank 0.")
	c.code(x, 164, start, green, `Call(ctx, "cache.get", v)`)
	c.text(x, 184, start, green, "Rank 1 has it, so it ends there. The one")
	c.text(x, 202, start, green, "on rank 6 is not above: nobody asks it.")
	c.code(x, 240, start, orange, `Call(ctx, "cache.get", v,`)
	c.code(x+40, 258, start, orange, "flux.Rank(6))")
	c.text(x, 278, start, orange, "To that rank and no other, up and")
	c.text(x, 296, start, orange, "down the tree.")
	c.text(x, 340, start, ink, "A topic that no broker on the way knows")
	c.text(x, 358, start, ink, "is answered with ENOSYS. The response")
	c.text(x, 376, start, ink, "goes back by the same way.")
	return c, "How a topic finds its service",
		"A tree of seven brokers. A request goes up from its client's broker to the first one that has the service, " +
			"or to the rank that the caller names."
}
