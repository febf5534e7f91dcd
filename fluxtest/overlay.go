package fluxtest

import "time"

var overlayMethods = map[string]method{
	"overlay.topology":   {roleUser, overlayTopology},
	"overlay.health":     {roleUser, noArgs(overlayHealth)},
	"overlay.stats-get":  {roleUser, noArgs(overlayStats)},
	"overlay.disconnect": {roleUser, func(*call) {}},
}

type topology struct {
	Rank     uint32     `json:"rank"`
	Size     int        `json:"size"`
	Children []topology `json:"children"`
}

func (r *rank) topology() topology {
	t := topology{Rank: r.n, Size: r.size(), Children: []topology{}}
	for _, c := range r.children {
		t.Children = append(t.Children, c.topology())
	}
	return t
}

func overlayTopology(c *call) {
	n, ok := decodeObject(c.m.Payload).integer("rank")
	if !ok {
		c.fail(ePROTO, "")
		return
	}
	if n == int64(c.r.n) {
		c.respond(c.r.topology())
		return
	}
	for _, child := range c.r.children {
		if n == int64(child.n) {
			c.respond(child.topology())
			return
		}
	}
	c.fail(eNOENT, "requested rank is not this broker or its direct child")
}

// health is the status of the subtree of r.
func (r *rank) health() string {
	if r.lost.Load() {
		return "lost"
	}
	for _, c := range r.children {
		switch c.health() {
		case "full":
		default:
			return "degraded"
		}
	}
	return "full"
}

func overlayHealth(c *call) {
	type child struct {
		Rank     uint32  `json:"rank"`
		Status   string  `json:"status"`
		Duration float64 `json:"duration"`
		Error    string  `json:"error,omitempty"`
	}
	up := time.Since(c.r.inst.started).Seconds()
	children := []child{}
	for _, r := range c.r.children {
		ch := child{Rank: r.n, Status: r.health(), Duration: up}
		if ch.Status == "lost" {
			ch.Error = "lost connection"
		}
		children = append(children, ch)
	}
	c.respond(struct {
		Rank     uint32  `json:"rank"`
		Status   string  `json:"status"`
		Duration float64 `json:"duration"`
		Children []child `json:"children"`
	}{c.r.n, c.r.health(), up, children})
}

func overlayStats(c *call) {
	type queues struct {
		Send int `json:"sendq"`
		Recv int `json:"recvq"`
	}
	stats := struct {
		Children    int    `json:"child-count"`
		Connected   int    `json:"child-connected"`
		Parents     int    `json:"parent-count"`
		ParentRPC   int    `json:"parent-rpc"`
		ChildRPC    int    `json:"child-rpc"`
		Interthread queues `json:"interthread"`
	}{Children: len(c.r.children)}
	for _, r := range c.r.children {
		if !r.lost.Load() {
			stats.Connected++
		}
		n, _ := r.up.pending()
		stats.ChildRPC += n
	}
	if c.r.up != nil {
		stats.Parents = 1
		_, stats.ParentRPC = c.r.up.pending()
	}
	c.respond(stats)
}
