package fluxtest_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flux-sdk/flux/fluxtest"
)

// row is one thing that protocol.md says and a client can observe.
type row struct {
	sec  string // of protocol.md
	name string
	run  func(*convo)
	only string // the one broker that it can be shown on; "" for both
	why  string // it cannot be shown on the other
}

const (
	embeddedOne = "embedded"
	realOne     = "real"
)

// on says that a row can be shown on one broker only, and why.
func (r row) on(broker, why string) row {
	r.only, r.why = broker, why
	return r
}

// conformRows is the table. What breaks an instance comes last.
func conformRows() []row {
	return slices.Concat(
		framingRows(), headerRows(), credentialRows(), routingRows(), routeRows(), replyRows(),
		disconnectRows(), cancelRows(), payloadRows(), rpcRows(), errorRows(),
		subscribeRows(), publishRows(), deliveryRows(), registerRows(), serveRows(),
		accessRows(), attrRows(), defaultRows(), brokerRows(), logRows(), groupRows(), instanceRows(),
		nulRows(), guestRows(), lossRows(),
	)
}

// instance is what both kinds of broker are here.
type instance interface {
	URIOf(rank uint32) string
	LoseRank(rank uint32) error
}

// target is one broker that the table is run against, in two instances of 4
// ranks: flat is as Flux starts them and admits guests, chain is the tree
// 0-1-2-3 and admits nobody but its owner.
type target struct {
	name  string
	flat  instance
	chain func() instance
	guest *guestHelper
}

func embeddedTarget(t *testing.T) *target {
	return &target{
		name: embeddedOne,
		flat: fluxtest.New(t, fluxtest.Size(4), fluxtest.FanOut(32), fluxtest.AllowGuests(),
			fluxtest.HeartbeatEvery(time.Second)),
		chain: sync.OnceValue(func() instance {
			return fluxtest.New(t, fluxtest.Size(4), fluxtest.FanOut(1))
		}),
		guest: newGuestHelper(t),
	}
}

func realTarget(t *testing.T) *target {
	flat := fluxtest.Real(t, 4, "--conf=access.allow-guest-user=true")
	// The directory that flux start makes keeps guests off the sockets in it.
	if err := os.Chmod(filepath.Dir(strings.TrimPrefix(flat.URI(), "local://")), 0o711); err != nil {
		t.Fatal(err)
	}
	return &target{
		name:  realOne,
		flat:  flat,
		chain: sync.OnceValue(func() instance { return fluxtest.Real(t, 4, "-Stbon.topo=kary:1") }),
		guest: newGuestHelper(t),
	}
}

// The embedded broker and, where there is one, a real one do what protocol.md
// says.
func TestConform(t *testing.T) {
	sums := []string{embeddedOne + ": not run", realOne + ": NOT RUN, no flux on PATH"}
	t.Run(embeddedOne, func(t *testing.T) { sums[0] = conform(t, embeddedTarget(t)) })
	t.Run(realOne, func(t *testing.T) {
		if _, err := exec.LookPath("flux"); err == nil {
			sums[1] = realOne + ": did not start"
		}
		sums[1] = conform(t, realTarget(t))
	})
	t.Logf("CONFORMANCE %s | %s", sums[0], sums[1])
}

// conform runs the table against a broker and sums up.
func conform(t *testing.T, b *target) string {
	rows := conformRows()
	ran, failed := 0, 0
	skipped := make(map[string]int)
	names := make(map[string]bool)
	for i, r := range rows {
		name := r.sec + "/" + r.name
		if names[name] {
			t.Errorf("two rows are called %s", name)
		}
		names[name] = true
		if r.only != "" && r.only != b.name {
			t.Logf("%s: skipped: %s", name, r.why)
			skipped[r.why]++
			continue
		}
		c := &convo{b: b, num: i}
		ok := t.Run(name, func(t *testing.T) {
			c.T = t
			defer c.end()
			r.run(c)
		})
		switch {
		case c.skipped != "":
			skipped[c.skipped]++
		case !ok:
			failed++
			fallthrough
		default:
			ran++
		}
	}
	sum := fmt.Sprintf("%s: %d rows, %d run, %d failed, %d skipped", b.name, len(rows), ran, failed, len(rows)-ran)
	t.Log(sum)
	for _, why := range slices.Sorted(maps.Keys(skipped)) {
		t.Logf("%s: %d skipped: %s", b.name, skipped[why], why)
	}
	return sum
}
