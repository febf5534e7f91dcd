package kvs_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/kvs"
)

// bubble runs a test on an embedded broker in a bubble.
func bubble(t *testing.T, f func(t *testing.T, b *fluxtest.Broker)) {
	synctest.Test(t, func(t *testing.T) { f(t, fluxtest.New(t, fluxtest.InProcess(), fluxtest.Size(4))) })
}

func TestRefusedCommit(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		s := kvs.Open(dial(t, b, 0), kvs.Namespace("primary"))
		b.SetKVSFaults(fluxtest.KVSFaults{Refuse: map[string]flux.Errno{"kvs.commit": flux.ENOSPC}})
		if _, err := s.Put(t.Context(), "a", 1); !errors.Is(err, flux.ENOSPC) {
			t.Errorf("%v", err)
		}
		if _, err := s.Get(t.Context(), "a"); !errors.Is(err, flux.ENOENT) {
			t.Errorf("%v", err)
		}
		b.SetKVSFaults(fluxtest.KVSFaults{})
		must[kvs.Version](t)(s.Put(t.Context(), "a", 1))
	})
}

func TestStaleRank(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		ctx := t.Context()
		s, stale := kvs.Open(dial(t, b, 0), kvs.Namespace("primary")), kvs.Open(dial(t, b, 2), kvs.Namespace("primary"))
		must[kvs.Version](t)(s.Put(ctx, "a", 1))
		b.SetKVSFaults(fluxtest.KVSFaults{Stale: []uint32{2}})
		v := must[kvs.Version](t)(s.Put(ctx, "a", 2))
		if got := must[int](t)(kvs.GetAs[int](ctx, stale, "a")); got != 1 {
			t.Errorf("%d at a stale rank, want 1", got)
		}
		short, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		if err := stale.WaitVersion(short, v); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		// A commit through it is made, and says so: it has a version. But the rank does not see it.
		short, cancel = context.WithTimeout(ctx, time.Hour)
		defer cancel()
		made, err := stale.Put(short, "a", 3)
		if made != v+1 || !errors.Is(err, context.DeadlineExceeded) || flux.SafeToRetry(err) {
			t.Errorf("version %d, %v", made, err)
		}
		waits := make(chan error)
		go func() { waits <- stale.WaitVersion(ctx, made) }()
		synctest.Wait()
		b.SetKVSFaults(fluxtest.KVSFaults{})
		if err := <-waits; err != nil {
			t.Error(err)
		}
		if got := must[int](t)(kvs.GetAs[int](ctx, stale, "a")); got != 3 {
			t.Errorf("%d, want 3", got)
		}
	})
}

func TestLostWatch(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		s := kvs.Open(dial(t, b, 0), kvs.Namespace("primary"))
		must[kvs.Version](t)(s.Put(t.Context(), "a", 1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		w := follow(t, s.Watch(ctx, "a"))
		w.want("=1")
		b.SetKVSFaults(fluxtest.KVSFaults{LoseWatches: true})
		must[kvs.Version](t)(s.Put(t.Context(), "a", 2))
		if _, err, _ := w.next(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

// A client that has lost its connection for good ends a watch that would resume.
func TestResumeWithoutConnection(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		c := dial(t, b, 0, flux.WithReconnect(flux.ReconnectPolicy{MaxAttempts: 3}))
		s := kvs.Open(c, kvs.Namespace("primary"))
		must[kvs.Version](t)(s.Put(t.Context(), "a", 1))
		w := follow(t, s.Watch(t.Context(), "a", kvs.Resume()))
		w.want("=1")
		b.Down()
		if _, err, _ := w.next(); !errors.Is(err, flux.ErrConnLost) {
			t.Errorf("%v", err)
		}
		w.want("end")
	})
}
