package flux

import (
	"strconv"
	"strings"

	"github.com/flux-sdk/flux/codec"
)

// cancelTopics says how a stream of a core service is cancelled: the topic of
// the cancel request, or "" for a method that has none. Source: the services'
// request handlers in flux-core 0.88 and its client code; RFC 6 describes the
// convention but not the names.
var cancelTopics = map[string]string{
	"log.dmesg":                  "log.cancel",
	"kvs-watch.lookup":           "kvs-watch.cancel",
	"job-info.eventlog-watch":    "job-info.eventlog-watch-cancel",
	"job-info.update-watch":      "job-info.update-watch-cancel",
	"job-manager.events-journal": "job-manager.events-journal-cancel",
	"resource.acquire":           "resource.acquire-cancel",
	"resource.journal":           "resource.journal-cancel",
	"sdbus.subscribe":            "sdbus.subscribe-cancel",

	"groups.get":            "",
	"state-machine.monitor": "",
	"overlay.monitor":       "",
	"overlay.trace":         "",
	"module.trace":          "",
	"job-list.job-stats":    "",
	"rexec.exec":            "",
	"sdexec.exec":           "",
}

// cancelTopic is the topic that cancels a stream of the given topic, or "" if
// nothing must be sent.
func cancelTopic(topic string) string {
	if t, ok := cancelTopics[topic]; ok {
		return t
	}
	service, _, _ := strings.Cut(topic, ".")
	if strings.HasPrefix(service, "sched") {
		return "" // there, cancel is an ordinary method that frees resources
	}
	return service + ".cancel"
}

// streamCancel is the topic that cancels a stream with these options.
func (o *callOptions) streamCancel(topic string) string {
	switch {
	case o.noCancel:
		return ""
	case o.cancelTopic != "":
		return o.cancelTopic
	}
	return cancelTopic(topic)
}

// cancelRequest is the request with the given topic that cancels m, less its
// payload: same place, same credentials. It is zero without a topic.
func cancelRequest(m *codec.Message, topic string) codec.Message {
	if topic == "" {
		return codec.Message{}
	}
	c := *codec.NewRequest(topic)
	c.Flags |= codec.FlagNoResponse | m.Flags&codec.FlagUpstream
	c.NodeID, c.UserID, c.Rolemask = m.NodeID, m.UserID, m.Rolemask
	return c
}

// sendCancel queues the cancel request of an abandoned request, if it has one.
// Best effort: if it does not get through, neither will anything else.
func (c *conn) sendCancel(p *pending, m *codec.Message) {
	if m.Type == 0 {
		return
	}
	m.Payload = append(strconv.AppendUint([]byte(`{"matchtag":`), uint64(p.tag), 10), '}', 0)
	c.queue(p.link, m)
	c.flush(p.link)
}
