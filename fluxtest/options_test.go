package fluxtest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

func TestOptionErrors(t *testing.T) {
	for name, opt := range map[string]fluxtest.Option{
		"no ranks":      fluxtest.Size(0),
		"no children":   fluxtest.FanOut(0),
		"unknown state": fluxtest.State("running"),
		"large errno":   fluxtest.WithFaults(fluxtest.Faults{Refuse: 524}),
		"negative":      fluxtest.WithFaults(fluxtest.Faults{Refuse: -1}),
	} {
		if b, err := fluxtest.Start(opt); err == nil {
			t.Errorf("%s: started", name)
			b.Close()
		}
	}
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	if b, err := fluxtest.Start(); err == nil {
		t.Errorf("started without a directory")
		b.Close()
	}
}

func TestNilOptions(t *testing.T) {
	panics := func(what, text string, f func()) {
		t.Helper()
		defer func() {
			if p := recover(); p != text {
				t.Errorf("%s: panic %v, want %q", what, p, text)
			}
		}()
		f()
	}
	panics("Start", "fluxtest: option 2 of 2 is nil", func() { fluxtest.Start(fluxtest.Size(1), nil) })
	b := fluxtest.New(t, fluxtest.InProcess())
	if _, err := b.Dial(t.Context(), nil); err == nil || err.Error() != "fluxtest: Dial: option 1 of 1 is nil" {
		t.Errorf("Dial: %v", err)
	}
	panics("SetFaults", "fluxtest: Faults.Refuse is 524: want an errno from 1 to 255, or 0 for none",
		func() { b.SetFaults(fluxtest.Faults{Refuse: 524}) })
}

// The sockets are private, and their paths short whatever TMPDIR is.
func TestSocketDir(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", long)
	b := fluxtest.New(t)
	path := strings.TrimPrefix(b.URI(), "local://")
	fi, err := os.Stat(filepath.Dir(path))
	if err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", fi, err)
	}
	dialTest(t, b.URI()).Close()
	b.Close()
	if _, err := os.Stat(filepath.Dir(path)); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", path, err)
	}
}

// A socket's client is who the system says, unless the test says otherwise.
func TestMapCred(t *testing.T) {
	uid := uint32(os.Getuid())
	b := fluxtest.New(t, fluxtest.Size(2), fluxtest.AllowGuests(),
		fluxtest.MapCred(func(rank uint32, c transport.Cred) transport.Cred {
			if c.UID != uid || c.PID != os.Getpid() {
				t.Errorf("%+v, want userid %d and pid %d", c, uid, os.Getpid())
			}
			if rank == 1 {
				c.UID = 4242
			}
			return c
		}))
	for rank, id := range []uint32{uid, 4242} {
		c := dialTest(t, b.URIOf(uint32(rank)))
		defer c.Close()
		// It is known at the broker when it has an answer.
		if err := c.Send(t.Context(), request("attr.get", 1, obj{"name": "rank"})); err != nil {
			t.Fatal(err)
		}
		if err := c.Recv(new(codec.Message)); err != nil {
			t.Fatal(err)
		}
		if got := b.Conns()[rank].UserID(); got != id {
			t.Errorf("rank %d: userid %d, want %d", rank, got, id)
		}
	}
	if b.Size() != 2 {
		t.Errorf("size %d", b.Size())
	}
}

func TestWithFaults(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w := dialWire(t, b)
		w.Send(request("attr.get", 1, obj{"name": "rank"}))
		w.None()
	}, fluxtest.WithFaults(fluxtest.Faults{Drop: 1}))
}

func TestHeartbeatEvery(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w := dialWire(t, b)
		subscribed(t, w, "heartbeat.pulse")
		for seq := range uint32(3) {
			w.None()
			advance(2 * time.Second)
			if m := w.Next(); m.Sequence != seq+1 || m.HasPayload() {
				t.Errorf("%s, sequence %d", show(m), m.Sequence)
			}
		}
	}, fluxtest.HeartbeatEvery(2*time.Second))
}

// The same seed gives the same identities.
func TestSeed(t *testing.T) {
	ids := func(seed uint64) (out []string) {
		bubble(t, func(t *testing.T, b *fluxtest.Broker) {
			for range 2 {
				dialWire(t, b)
				synctest.Wait()
			}
			for _, c := range b.Conns() {
				out = append(out, c.UUID())
			}
		}, fluxtest.Seed(seed))
		return out
	}
	a, b, c := ids(7), ids(7), ids(8)
	if a[0] != b[0] || a[1] != b[1] || a[0] == a[1] || a[0] == c[0] || len(a[0]) != 36 {
		t.Errorf("%q, %q, %q", a, b, c)
	}
}
