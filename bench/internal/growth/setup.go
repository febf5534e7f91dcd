package growth

import (
	"context"
	"runtime"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

var event = []byte("{\"seq\":12345}\x00")

// unbounded is more than any sweep has in flight.
const unbounded = 1 << 20

// best is the shortest of a few runs of f, for each of its n operations. The
// machine may be busy with something else, but hardly each time.
func best(n int, f func() error) (float64, error) {
	least := time.Duration(0)
	for i := range 4 {
		runtime.GC()
		start := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		// The first run is a start.
		if d := time.Since(start); i > 0 && (least == 0 || d < least) {
			least = d
		}
	}
	return float64(least.Nanoseconds()) / float64(n), nil
}

// rig is a client and a service at an embedded broker.
type rig struct {
	broker          *fluxtest.Broker
	client, service *flux.Client
	stop            context.CancelFunc
	served          chan error
}

func newRig(ctx context.Context, h flux.Handler) (*rig, error) {
	broker, err := fluxtest.Start(fluxtest.Record(0))
	if err != nil {
		return nil, err
	}
	r := &rig{broker: broker, stop: func() {}, served: make(chan error, 1)}
	if r.client, err = flux.Dial(ctx, broker.URI()); err == nil {
		r.service, err = flux.Dial(ctx, broker.URI())
	}
	if err != nil {
		broker.Close()
		return nil, err
	}
	if h == nil {
		r.served <- nil
		return r, nil
	}
	ctx, r.stop = context.WithCancel(ctx)
	ready := make(chan struct{})
	go func() {
		r.served <- r.service.Serve(ctx, "x", h, flux.MaxInFlight(unbounded),
			flux.DrainTimeout(time.Second), flux.OnReady(func() { close(ready) }))
	}()
	select {
	case <-ready:
		return r, nil
	case err := <-r.served:
		r.served <- nil
		r.close()
		return nil, err
	}
}

func (r *rig) close() {
	r.stop()
	<-r.served
	r.client.Close()
	r.service.Close()
	r.broker.Close()
}

// sink is a client whose peer reads all and answers nothing.
func sink() (c *flux.Client, stop func()) {
	near, far := transport.Pipe(transport.Config{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		var m codec.Message
		for far.Recv(&m) == nil {
		}
	}()
	c = flux.NewClient(near)
	return c, func() {
		c.Close()
		far.Close()
		<-done
	}
}

// inUse is the memory of heap and stacks that is in use.
func inUse() float64 {
	var m runtime.MemStats
	for range 2 { // what was freed by a finalizer, too
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}
