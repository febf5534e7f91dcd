package fluxtest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/services/state"
)

// Emit publishes an event as the instance owner, from rank 0, and returns its
// number. The payload is encoded as by [codec.EncodePayload]: nil is none,
// []byte is sent as it is, a string gets a NUL, anything else is JSON. What
// cannot be encoded panics. When Emit returns the event is queued for all
// subscribers.
func (b *Broker) Emit(topic string, payload any) uint32 {
	p, err := codec.EncodePayload(payload, json.Marshal)
	if err != nil {
		panic("fluxtest: Emit: " + err.Error())
	}
	m := codec.NewEvent(topic)
	m.SetPayload(p)
	return b.EmitMessage(m)
}

// EmitMessage is [Broker.Emit] for an event message made by the caller, who
// can make it private or another user's. The sequence is assigned, unset
// credentials are the owner's, and routes are replaced. m is not changed.
func (b *Broker) EmitMessage(m *codec.Message) uint32 { return b.inst.Load().Publish(m) }

// Heartbeat publishes heartbeat.pulse from rank 0, which a real instance does
// every two seconds, and returns the event's number.
func (b *Broker) Heartbeat() uint32 {
	return b.EmitMessage(codec.NewEvent("heartbeat.pulse"))
}

func (b *Broker) startPulse(every time.Duration) {
	b.pulse = time.NewTicker(every)
	b.start(func() {
		for {
			select {
			case <-b.pulse.C:
				b.Heartbeat()
			case <-b.done.Done():
				return
			}
		}
	})
}

// SetState puts all ranks in a state, which is one of load-builtins, join,
// config-sync, init, quorum, run, cleanup, shutdown, finalize, goodbye,
// unload-builtins and exit. Before init the broker is not online and refuses
// most requests with EAGAIN. Those that wait for or watch the state are
// answered. An unknown name panics.
func (b *Broker) SetState(name string) {
	if !state.Known(name) {
		panic(fmt.Sprintf("fluxtest: SetState(%q): want one of %q", name, state.Names()))
	}
	b.inst.Load().states.Set(name)
}

// SetAttr sets a broker attribute on all ranks, whatever its name and whether
// clients may set it.
func (b *Broker) SetAttr(name, value string) { b.inst.Load().attrs.Set(name, value) }

// Log appends a record to the log of a rank, which log.dmesg shows. The
// severity is that of syslog, 0 to 7.
func (b *Broker) Log(rank uint32, severity int, app, text string) {
	b.inst.Load().log.Append(rank, severity, app, text)
}
