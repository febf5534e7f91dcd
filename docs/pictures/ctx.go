package main

// callContext is what happens on this side and at the service when the ctx of a
// call ends.
func callContext() (*canvas, string, string) {
	c := &canvas{width: 960, height: 470}
	const caller, client, service = 170, 430, 700
	c.box(caller, 34, 150, 34, pale, ink, "your goroutine")
	c.box(client, 34, 150, 34, pale, ink, "the client")
	c.box(service, 34, 150, 34, pale, ink, "the service")
	for _, x := range []int{caller, client, service} {
		c.line(grey, false, x, 51, x, 450)
	}

	c.arrow(ink, false, caller, 90, client-2, 90)
	c.code(caller+10, 82, start, ink, "Call(ctx, topic, v)")
	c.arrow(ink, false, client, 120, service-2, 120)
	c.text(client+10, 112, start, ink, "request, matchtag 7")
	c.text(service+14, 124, start, ink, "the handler begins")

	c.bar(caller-4, 90, 8, 100, blue)
	c.bar(service-4, 120, 8, 240, blue)
	c.bar(client-4, 120, 8, 70, green)
	c.bar(client-4, 190, 8, 210, orange)

	c.text(caller-14, 140, end, blue, "waits")
	c.dot(caller, 190, red)
	c.bold(caller-14, 187, end, red, "ctx ends")
	c.text(caller-14, 205, end, red, "Call returns")
	c.text(caller-14, 223, end, red, "at once")
	c.code(caller+10, 205, start, red, "ctx.Err() and cause")

	c.text(client+14, 160, start, green, "matchtag 7 is live")
	c.text(client+14, 205, start, orange, "matchtag 7 is retired:")
	c.text(client+14, 223, start, orange, "nobody else gets it")

	c.arrow(orange, true, client, 255, service-2, 255)
	c.text(client+14, 247, start, orange, "cancel request")
	c.text(service+14, 250, start, orange, "Sent for a stream, and for a call")
	c.text(service+14, 268, start, orange, "that has a CancelTopic. The")
	c.text(service+14, 286, start, orange, "handler's ctx ends.")

	c.arrow(ink, false, service, 360, client+2, 360)
	c.text(client+14, 352, start, ink, "response, matchtag 7")
	c.text(service+14, 364, start, ink, "the handler is done")
	c.text(client-14, 352, end, grey, "dropped, counted in")
	c.code(client-14, 370, end, grey, "Stats().Late")

	c.dot(client, 400, green)
	c.text(client+14, 404, start, green, "matchtag 7 is free again")
	c.text(service+14, 404, start, grey, "If the service died, this")
	c.text(service+14, 422, start, grey, "never comes: only the tag")
	c.text(service+14, 440, start, grey, "is kept, nobody waits.")
	return c, "The life of a call's ctx",
		"The end of the ctx returns the caller at once. The matchtag is retired until the service's last reply, " +
			"which is dropped and counted."
}
