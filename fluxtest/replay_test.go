package fluxtest_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
)

// A recorded conversation, replayed from the client's side, gets the recorded
// answers, but for identities, sequence numbers, times and what is particular
// to the instance.
func TestReplay(t *testing.T) {
	for _, c := range []struct {
		name  string
		rank  uint32
		guest bool
		stay  bool // close no connection: the leave that follows is batched by a real broker
	}{
		{name: "attr-get"},
		{name: "attr-get-missing"},
		{name: "auth-refused"},
		{name: "bad-rank"},
		{name: "config-get"},
		{name: "content"},
		{name: "event-cli"},
		{name: "event-direct"},
		{name: "event-direct-rank3", rank: 3},
		{name: "event-heartbeat"},
		{name: "event-json"},
		{name: "event-nopayload"},
		{name: "event-private"},
		{name: "event-raw"},
		{name: "event-usecount"},
		{name: "groups", stay: true},
		{name: "guest"},
		{name: "guest-real", guest: true},
		{name: "log-follow-cancel"},
		{name: "noresponse"},
		{name: "overlay"},
		{name: "payload-1m"},
		{name: "payload-sizes"},
		{name: "payload-zero-flagged"},
		{name: "ping-cli"},
		{name: "ping-rank3"},
		{name: "ping-stats-rusage"},
		{name: "router-noresponse"},
		{name: "service-basic"},
		{name: "service-cancel"},
		{name: "service-disconnect"},
		{name: "service-errors"},
		{name: "service-gone"},
		{name: "service-streaming"},
		{name: "ssh-relay"}, // the relay does not show in it
		{name: "state-monitor"},
		{name: "state-wait"},
		{name: "stream-noflag"},
		{name: "unknown-service"},
		{name: "upstream", rank: 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			recs, err := golden.Load(c.name)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				b := fluxtest.New(t, fluxtest.InProcess(), fluxtest.Size(4), fluxtest.FanOut(32),
					fluxtest.Owner(0), fluxtest.Attr("hostlist", "vm,vm,vm,vm"))
				if c.name == "auth-refused" {
					b.SetFaults(fluxtest.Faults{Refuse: 1})
				}
				dial := []fluxtest.DialOption{fluxtest.AtRank(c.rank)}
				if c.guest {
					dial = append(dial, fluxtest.AsGuest(1234))
				}
				if c.stay {
					recs = slices.DeleteFunc(recs, func(r capture.Record) bool { return r.EOF })
				}
				r := newReplay(t, b, dial)
				r.run(recs)
				r.over()
			})
		})
	}
}

// pairs are runs that were recorded at two ranks at once. The turns say which
// of the files goes on, and for how many records.
var pairs = []struct {
	name  string
	files map[string]uint32 // and their ranks
	turns []turn
	lose  int // rank 3 is lost before this turn; 0 for never
}{
	{
		name:  "service-crossrank",
		files: map[string]uint32{"service-crossrank-client": 0, "service-crossrank-service": 3},
		turns: []turn{
			{"service-crossrank-service", 3}, {"service-crossrank-client", 7}, {"service-crossrank-service", 2},
			{"service-crossrank-client", 2}, {"service-crossrank-service", 5}, {"service-crossrank-client", 1},
		},
	},
	{
		name:  "tbon-loss",
		files: map[string]uint32{"tbon-loss-rank0": 0, "tbon-loss-rank3": 3},
		turns: []turn{
			{"tbon-loss-rank3", 3}, {"tbon-loss-rank0", 4}, {"tbon-loss-rank3", 2}, {"tbon-loss-rank0", 1},
			{"tbon-loss-rank0", 1}, {"tbon-loss-rank3", 2}, {"tbon-loss-rank0", 4},
		},
		lose: 4,
	},
}

type turn struct {
	file    string
	records int
}

func TestReplayPairs(t *testing.T) {
	for _, c := range pairs {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *fluxtest.Broker) {
				ends := make(map[string]*replay)
				left := make(map[string][]capture.Record)
				ours := make(map[string]string)
				for file, rank := range c.files {
					recs, err := golden.Load(file)
					if err != nil {
						t.Fatal(err)
					}
					ends[file], left[file] = newReplay(t, b, []fluxtest.DialOption{fluxtest.AtRank(rank)}), recs
					ends[file].ours = ours
				}
				for i, turn := range c.turns {
					if i == c.lose && i > 0 {
						if err := b.LoseRank(3); err != nil {
							t.Fatal(err)
						}
					}
					ends[turn.file].run(left[turn.file][:turn.records])
					left[turn.file] = left[turn.file][turn.records:]
				}
				for file := range ends {
					ends[file].over()
					if n := len(left[file]); n > 0 {
						t.Errorf("%s: %d records are left", file, n)
					}
				}
			}, fluxtest.Size(4), fluxtest.FanOut(32))
		})
	}
}

// A conversation through the relay that ssh:// runs, recorded at its pipe, is
// had with the embedded broker behind it.
func TestReplayThroughRelay(t *testing.T) {
	if _, err := exec.LookPath("flux"); err != nil {
		t.Skipf("NOT TESTED: flux relay against the embedded broker: %v", err)
	}
	if os.Getuid() != 0 {
		t.Skip("NOT TESTED: flux relay against the embedded broker: the recorded userid is 0, and the relay states its own")
	}
	b := fluxtest.New(t, fluxtest.Size(4), fluxtest.FanOut(32))
	for _, name := range []string{"ssh-relay", "ssh-relay-ping"} {
		recs, err := golden.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		r := newReplay(t, b, nil)
		for _, rec := range recs {
			if !rec.EOF && rec.Msg.Handshake != nil {
				r.conns[rec.Conn] = startRelay(t, strings.TrimPrefix(b.URI(), "local://"))
				continue
			}
			r.step(rec)
		}
	}
}
