package systemtest

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

// FLUX_HANDLE_MATCHDEBUG tells of every matchtag that was given up or is left
// over, and where its request was started.
func TestMatchDebug(t *testing.T) {
	t.Setenv("FLUX_HANDLE_MATCHDEBUG", "1")
	b := fluxtest.New(t)
	late := make(chan *fluxtest.Request, 1)
	b.Handle("svc.late", func(r *fluxtest.Request) { late <- r })
	b.Handle("svc.*", never)
	out := onStderr(t, func() {
		c, err := flux.Dial(t.Context(), b.URI())
		if err != nil {
			t.Fatal(err)
		}
		c.Attr(t.Context(), "rank") // is answered: not a word
		ctx, cancel := context.WithCancel(t.Context())
		answered := c.Go(ctx, "svc.late", nil)
		r := <-late
		cancel()
		<-answered
		r.Respond(nil)
		for end := time.Now().Add(10 * time.Second); c.Stats().Retired > 0 && time.Now().Before(end); {
			c.Attr(t.Context(), "version") // until the late reply has come
		}
		ctx, cancel = context.WithCancel(t.Context())
		abandoned := c.Go(ctx, "svc.abandoned", nil)
		cancel()
		<-abandoned
		pending := c.Go(t.Context(), "svc.pending", nil)
		c.Close()
		<-pending
	})
	lines := strings.Split(strings.TrimSpace(out), "\n")
	where := regexp.MustCompile(`\S*/matchdebug_test\.go:\d+`)
	for i := range lines {
		lines[i] = where.ReplaceAllString(lines[i], "HERE")
		lines[i] = regexp.MustCompile(`matchtag \d+`).ReplaceAllString(lines[i], "matchtag N")
	}
	slices.Sort(lines)
	want := []string{
		"flux: MATCHDEBUG: late reply: matchtag N, svc.late, started by HERE and given up: reclaimed",
		"flux: MATCHDEBUG: matchtag N, svc.abandoned, started by HERE: given up, last reply never came",
		"flux: MATCHDEBUG: matchtag N, svc.pending, started by HERE: unanswered",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("it says\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}
