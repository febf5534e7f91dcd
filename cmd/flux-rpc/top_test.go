package main

import (
	"strings"
	"testing"
	"time"
)

// A picture fits on the screen, and nothing of the one before is left.
func TestFrame(t *testing.T) {
	for _, c := range []struct {
		text          string
		width, height int
		want          string
	}{
		{"one\ntwo\n", 80, 24, "\x1b[Hone\x1b[K\r\ntwo\x1b[K\x1b[J"},
		{"12345\näöüß\n", 3, 24, "\x1b[H123\x1b[K\r\näöü\x1b[K\x1b[J"},
		{"a\nb\nc\nd\n", 80, 2, "\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J"},
		{"", 1, 1, "\x1b[H\x1b[K\x1b[J"},
	} {
		if got := frame(c.text, c.width, c.height); got != c.want {
			t.Errorf("frame(%q, %d, %d) = %q, want %q", c.text, c.width, c.height, got, c.want)
		}
	}
}

func TestRates(t *testing.T) {
	start := time.Unix(1000, 0)
	mods := func(user float64) []moduleSample {
		return []moduleSample{
			{Name: "kvs", Usage: &usage{User: user}},
			{Name: "hung"}, // did not answer
		}
	}
	client := func(uuid string, tx, rx int64) clientSample {
		return clientSample{clientInfo: clientInfo{UUID: uuid, Tx: tx, Rx: rx}}
	}
	before := &sample{
		Time: start, Received: messageCounts{Request: 10, Event: 5}, Sent: messageCounts{Response: 20},
		Usage: &usage{User: 1, System: 1}, Modules: mods(1), Clients: []clientSample{client("a", 5, 5), client("gone", 1, 1)},
	}
	now := &sample{
		Time: start.Add(2 * time.Second), Received: messageCounts{Request: 14, Event: 7}, Sent: messageCounts{Response: 3},
		Usage: &usage{User: 1.5, System: 1.5}, Modules: mods(1.1), Clients: []clientSample{client("a", 7, 5), client("new", 9, 9)},
	}
	now.ratesSince(nil)
	if now.RxRate != nil || now.CPU != nil {
		t.Error("the first picture has rates")
	}
	now.ratesSince(before)
	for what, c := range map[string]struct {
		got  rate
		want string
	}{
		"received":                     {now.RxRate, "3.0"},
		"sent, counted anew":           {now.TxRate, "-"},
		"broker":                       {now.CPU, "50.0"},
		"module":                       {now.Modules[0].CPU, "5.0"},
		"a module that did not answer": {now.Modules[1].CPU, "-"},
		"tx of a client":               {now.Clients[0].TxRate, "1.0"},
		"rx of a client":               {now.Clients[0].RxRate, "0.0"},
		"a new client":                 {now.Clients[1].TxRate, "-"},
	} {
		if got := number(c.got); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
	text := now.text(&sampler{version: "0.88.0", rank: "1", size: "4", started: start})
	for _, want := range []string{
		"flux 0.88.0, rank 1 of 4, up 2s, ", "broker: 3.0 messages/s received, - sent; 50.0% cpu, ", "kvs  ", "a     ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
