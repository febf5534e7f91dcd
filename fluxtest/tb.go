package fluxtest

import (
	"fmt"
	"strings"
	"time"
)

// TB is what New and Real need of a *testing.T, *testing.B or *testing.F.
type TB interface {
	Helper()
	Name() string
	Cleanup(func())
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
}

// New starts a broker for a test, which ends with it. The test fails if it
// cannot be started and, unless [AllowLeaks] is given, if connections outlive
// it, or if a script does not return. Clients that [Broker.Client] made are closed
// first; clones of them are not, and keep their connection.
func New(tb TB, opts ...Option) *Broker {
	tb.Helper()
	b, err := Start(opts...)
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	b.tb = tb
	tb.Cleanup(func() {
		tb.Helper()
		b.closeClients()
		if leaks := b.leaks(); leaks != "" && !b.cfg.leaksOK && !tb.Failed() {
			tb.Errorf("fluxtest: %s", leaks)
		}
		if err := b.Close(); err != nil {
			tb.Errorf("%v", err)
		}
	})
	return b
}

// leakWait is how long a connection may take to end after the test has closed
// it.
const leakWait = 2 * time.Second

// leaks describes what connections there still are.
func (b *Broker) leaks() string {
	if b.cfg.leaksOK || b.closed.Load() {
		return ""
	}
	b.Resume()
	t := time.NewTimer(leakWait)
	defer t.Stop()
	var open []string
	late := false
	for _, c := range b.Conns() {
		c.Resume()
		if !late {
			select {
			case <-c.Done():
				continue
			case <-t.C:
				late = true
			}
		}
		select {
		case <-c.Done():
		default:
			open = append(open, b.describe(c))
		}
	}
	if len(open) == 0 {
		return ""
	}
	return fmt.Sprintf("%d connections outlive the test:\n\t%s", len(open), strings.Join(open, "\n\t"))
}

func (b *Broker) describe(c *Conn) string {
	text := fmt.Sprintf("connection %d at rank %d, userid %d, subscribed to %q, with services %q",
		c.Number(), c.Rank(), c.UserID(), c.Subscriptions(), c.Services())
	if b.isOfClient(c) {
		text += ": that of a client from Broker.Client, which is closed; a Clone of it is not"
	}
	return text
}
