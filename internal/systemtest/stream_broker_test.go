package systemtest

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

type dmesgQuery struct {
	Follow    bool `json:"follow"`
	NoBacklog bool `json:"nobacklog,omitempty"`
}

func TestBrokerLog(t *testing.T) {
	both(t, 1, func(t *testing.T, b instance) {
		c := dialAt(t, b, 0)
		ctx, cancel := context.WithCancel(soon(t))
		defer cancel()
		stream, err := c.Stream(ctx, "log.dmesg", dmesgQuery{Follow: true})
		if err != nil {
			t.Fatal(err)
		}
		const count = 50
		for i := range count {
			line := fmt.Sprintf("<14>1 2026-11-21T04:26:55.499454Z 0 stream-test 1 - - line %d", i)
			if err := c.Notify(ctx, "log.append", []byte(line)); err != nil {
				t.Fatal(err)
			}
		}
		next := 0
		for r := range stream {
			text, err := r.Text()
			switch {
			case errors.Is(err, context.Canceled) && next == count:
			case err != nil:
				t.Fatalf("after %d lines: %v", next, err)
			case strings.Contains(text, "stream-test"):
				if !strings.HasSuffix(text, fmt.Sprintf("line %d", next)) {
					t.Fatalf("received %q, want line %d", text, next)
				}
				if next++; next == count {
					cancel()
				}
			}
		}
		if next != count {
			t.Errorf("received %d lines, want %d", next, count)
		}
		noTags(t, c)

		// All there is, to its end.
		lines := 0
		for text, err := range flux.StreamAs[string](soon(t), c, "log.dmesg", dmesgQuery{}) {
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(text, "stream-test") {
				lines++
			}
		}
		if lines != count {
			t.Errorf("the log has %d lines, want %d", lines, count)
		}
	})
}

func TestBrokerStreamErrors(t *testing.T) {
	both(t, 2, func(t *testing.T, b instance) {
		c := dialAt(t, b, 1)
		for _, tt := range []struct {
			topic string
			opts  []flux.StreamOption
			want  flux.Errno
		}{
			{"nosuch.watch", nil, flux.ENOSYS},
			{"log.nosuch", nil, flux.ENOSYS},
			{"log.dmesg", []flux.StreamOption{flux.Rank(77)}, flux.EHOSTUNREACH},
		} {
			stream, err := c.Stream(soon(t), tt.topic, dmesgQuery{}, tt.opts...)
			if err != nil {
				t.Fatal(err)
			}
			if r, ok := <-stream; !ok || !errors.Is(r.Err(), tt.want) {
				t.Errorf("%s: first item is %v, %t, want %v", tt.topic, r.Err(), ok, tt.want)
			}
			if r, ok := <-stream; ok {
				t.Errorf("%s: second item is %v, want the end", tt.topic, r.Err())
			}
		}
		// A final state that has passed already ends the stream at once, clean.
		for v, err := range flux.StreamAs[struct{ State int }](soon(t), c, "state-machine.monitor",
			map[string]int{"final": 4}) {
			t.Errorf("received %+v, %v, want nothing", v, err)
		}
		noTags(t, c)
	})
}

// A stream that is cancelled at another rank, and one that goes upstream.
func TestBrokerCancelElsewhere(t *testing.T) {
	both(t, 4, func(t *testing.T, b instance) {
		for _, tt := range []struct {
			from uint32
			opt  flux.StreamOption
		}{{0, flux.Rank(3)}, {3, flux.Rank(0)}, {3, flux.Upstream()}} {
			c := dialAt(t, b, tt.from)
			ctx, cancel := context.WithCancel(soon(t))
			stream, err := c.Stream(ctx, "log.dmesg", dmesgQuery{Follow: true}, tt.opt)
			if err != nil {
				t.Fatal(err)
			}
			if r := <-stream; r.Err() != nil {
				t.Errorf("first line: %v", r.Err())
			}
			cancel()
			for range stream {
			}
			noTags(t, c)
		}
	})
}

// watchers asks a service how many watchers it has.
func watchers(t *testing.T, c *flux.Client, service string) int {
	t.Helper()
	stats, err := flux.CallAs[struct{ Watchers int }](soon(t), c, service+".stats-get", nil)
	if err != nil {
		t.Fatal(err)
	}
	return stats.Watchers
}

// A cancel frees the watcher at the server: real services only.
func TestRealCancelFreesWatchers(t *testing.T) {
	b := fluxtest.Real(t, 1)
	c := dialAt(t, b, 0)
	t.Run("kvs-watch", func(t *testing.T) {
		const value = "MQ=="
		_, err := c.Call(soon(t), "kvs.commit", map[string]any{
			"namespace": "primary", "flags": 0,
			"ops": []any{map[string]any{
				"key": "stream.key", "flags": 0,
				"dirent": map[string]any{"ver": 1, "type": "val", "data": value},
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		watch := map[string]any{"key": "stream.key", "namespace": "primary", "flags": 4}
		cancelFrees(t, c, "kvs-watch", "kvs-watch.lookup", watch)
	})
	t.Run("job-info", func(t *testing.T) {
		cmd := exec.CommandContext(soon(t), "flux", "submit", "--urgency=hold", "true")
		cmd.Env = append(cmd.Environ(), "FLUX_URI="+b.URI())
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		cmd = exec.CommandContext(soon(t), "flux", "job", "id", strings.TrimSpace(string(out)))
		if out, err = cmd.Output(); err != nil {
			t.Fatal(err)
		}
		var id uint64
		if _, err := fmt.Sscan(string(out), &id); err != nil {
			t.Fatal(err)
		}
		watch := map[string]any{"id": id, "path": "eventlog", "flags": 0}
		cancelFrees(t, c, "job-info", "job-info.eventlog-watch", watch)
	})
}

func cancelFrees(t *testing.T, c *flux.Client, service, topic string, watch any) {
	before := watchers(t, c, service)
	const count = 20
	var ends []context.CancelFunc
	var streams []<-chan flux.Response
	for range count {
		ctx, cancel := context.WithCancel(soon(t))
		stream, err := c.Stream(ctx, topic, watch)
		if err != nil {
			t.Fatal(err)
		}
		if r := <-stream; r.Err() != nil {
			t.Fatal(r.Err())
		}
		ends, streams = append(ends, cancel), append(streams, stream)
	}
	if n := watchers(t, c, service); n != before+count {
		t.Errorf("%d watchers with %d streams, %d before", n, count, before)
	}
	for i, cancel := range ends {
		cancel()
		for range streams[i] {
		}
	}
	if s := c.Stats(); s.Live != 0 {
		t.Errorf("%d tags are live after all streams ended", s.Live)
	}
	noTags(t, c)
	await(t, c, "the watchers are gone", func() bool { return watchers(t, c, service) == before })
}
