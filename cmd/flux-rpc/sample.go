package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/flux-sdk/flux"
)

// sampler asks a broker for its figures.
type sampler struct {
	c        *flux.Client
	opts     []flux.CallOption
	patience time.Duration // for the answers to one sample

	rank, size, version string
	started             time.Time // of the broker; zero if it does not say
}

// sample is what a broker does at one time.
type sample struct {
	Time     time.Time      `json:"time"`
	Received messageCounts  `json:"received"`
	Sent     messageCounts  `json:"sent"`
	RxRate   rate           `json:"received_per_second"`
	TxRate   rate           `json:"sent_per_second"`
	CPU      rate           `json:"cpu_percent"`
	Usage    *usage         `json:"rusage"`
	Modules  []moduleSample `json:"modules"`
	Clients  []clientSample `json:"clients"` // nil if this user may not know
}

// moduleSample is what a module does. Its idle time is not in it: being asked for its figures ends that.
type moduleSample struct {
	Name     string   `json:"name"`
	State    string   `json:"state"`
	Services []string `json:"services"`
	SendQ    int      `json:"sendqueue"`
	RecvQ    int      `json:"recvqueue"`
	Usage    *usage   `json:"rusage"` // nil if it did not answer
	CPU      rate     `json:"cpu_percent"`
}

type clientSample struct {
	clientInfo
	TxRate rate `json:"tx_per_second"`
	RxRate rate `json:"rx_per_second"`
}

// identify finds out which broker it is.
func (s *sampler) identify(ctx context.Context) error {
	started := ""
	for _, attr := range []struct {
		name string
		to   *string
	}{{"rank", &s.rank}, {"size", &s.size}, {"version", &s.version}, {"broker.starttime", &started}} {
		v, err := flux.CallAs[attrValue](ctx, s.c, "attr.get", map[string]string{"name": attr.name}, s.opts...)
		if err != nil && !errors.Is(err, flux.ENOENT) {
			return err
		}
		*attr.to = oneLine(v.Value)
	}
	if seconds, err := strconv.ParseFloat(started, 64); err == nil {
		s.started = time.UnixMilli(int64(seconds * 1000))
	}
	return nil
}

// take asks for everything at once and waits for the answers. A module that does not answer is left without figures.
func (s *sampler) take(parent context.Context) (*sample, error) {
	ctx, cancel := context.WithTimeout(parent, s.patience)
	defer cancel()
	now := &sample{}
	counts := s.c.Go(ctx, topicCounts, nil, s.opts...)
	self := s.c.Go(ctx, topicUsage, nil, s.opts...)
	connected := s.c.Go(ctx, topicClients, nil, s.opts...)
	mods, err := listModules(ctx, s.c, s.opts)
	if err != nil {
		return nil, err
	}
	now.Time = time.Now()
	replies := make([]<-chan flux.Response, len(mods))
	for i, m := range mods {
		replies[i] = s.c.Go(ctx, m.Name+".rusage", moduleUsage, s.opts...)
	}
	var messages struct {
		Rx messageCounts `json:"rx"`
		Tx messageCounts `json:"tx"`
	}
	var clients struct {
		Server struct {
			Clients []clientInfo `json:"clients"`
		} `json:"server"`
	}
	err = errors.Join(optional(<-counts, &messages), optional(<-self, &now.Usage), optional(<-connected, &clients))
	if err != nil {
		return nil, err
	}
	now.Received, now.Sent = messages.Rx, messages.Tx
	for _, c := range clients.Server.Clients {
		now.Clients = append(now.Clients, clientSample{clientInfo: c})
	}
	for i, m := range mods {
		sampled := moduleSample{Name: m.Name, State: m.state(), Services: m.others(), SendQ: m.SendQ, RecvQ: m.RecvQ}
		if err := optional(<-replies[i], &sampled.Usage); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return nil, err
		}
		now.Modules = append(now.Modules, sampled)
	}
	return now, nil
}

// ratesSince fills in the rates since an earlier sample, if there is one.
func (s *sample) ratesSince(before *sample) {
	if before == nil {
		return
	}
	seconds := s.Time.Sub(before.Time).Seconds()
	s.RxRate = rateOf(s.Received.total(), before.Received.total(), seconds)
	s.TxRate = rateOf(s.Sent.total(), before.Sent.total(), seconds)
	s.CPU = s.Usage.cpuSince(before.Usage, seconds)
	modules := make(map[string]*usage)
	for _, m := range before.Modules {
		modules[m.Name] = m.Usage
	}
	for i := range s.Modules {
		m := &s.Modules[i]
		m.CPU = m.Usage.cpuSince(modules[m.Name], seconds)
	}
	clients := make(map[string]clientInfo)
	for _, c := range before.Clients {
		clients[c.UUID] = c.clientInfo
	}
	for i := range s.Clients {
		c := &s.Clients[i]
		if b, ok := clients[c.UUID]; ok {
			c.TxRate, c.RxRate = rateOf(c.Tx, b.Tx, seconds), rateOf(c.Rx, b.Rx, seconds)
		}
	}
}

// number shows a rate with a digit after the point.
func number(r rate) string {
	if r == nil {
		return "-"
	}
	return strconv.FormatFloat(*r, 'f', 1, 64)
}

// text is the sample as a table.
func (s *sample) text(of *sampler) string {
	var b strings.Builder
	fmt.Fprintf(&b, "flux %s, rank %s of %s", of.version, of.rank, of.size)
	if !of.started.IsZero() {
		fmt.Fprintf(&b, ", up %v", s.Time.Sub(of.started).Round(time.Second))
	}
	fmt.Fprintf(&b, ", %s\n", s.Time.Format(time.TimeOnly))
	fmt.Fprintf(&b, "broker: %s messages/s received, %s sent", number(s.RxRate), number(s.TxRate))
	if s.Usage != nil {
		fmt.Fprintf(&b, "; %s%% cpu, %.1f MiB at most", number(s.CPU), float64(s.Usage.MaxRSS)/1024)
	}
	fmt.Fprintf(&b, "\n\n%-24s S %6s %5s %5s %s\n", "MODULE", "CPU%", "SENDQ", "RECVQ", "SERVICES")
	for _, m := range s.Modules {
		line := fmt.Sprintf("%-24s %s %6s %5d %5d %s",
			oneLine(m.Name), m.State, number(m.CPU), m.SendQ, m.RecvQ, oneLine(strings.Join(m.Services, ",")))
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	if s.Clients == nil {
		return b.String()
	}
	fmt.Fprintf(&b, "\n%-10s %8s %8s %10s %8s %10s %8s %8s\n",
		"CLIENT", "USERID", "PID", "TX", "TX/s", "RX", "RX/s", "BACKLOG")
	for _, c := range s.Clients {
		fmt.Fprintf(&b, "%-10.8s %8d %8d %10d %8s %10d %8s %8d\n", oneLine(c.UUID), c.UserID, c.PID,
			c.Tx, number(c.TxRate), c.Rx, number(c.RxRate), c.Backlog)
	}
	return b.String()
}
