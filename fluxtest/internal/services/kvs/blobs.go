package kvs

import (
	"encoding/json"
	"time"

	"github.com/flux-sdk/flux"
)

func contentStore(r *request) {
	r.s.content.store(r.Payload())
	r.RespondBytes(r.s.content.digest(r.Payload()))
}

func contentLoad(r *request) {
	c := r.s.content
	if len(r.Payload()) != c.size() {
		r.Fail(flux.EPROTO, "")
		return
	}
	blob, ok := c.blobs[c.ref(r.Payload())]
	if !ok {
		r.Fail(flux.ENOENT, "No such file or directory")
		return
	}
	r.RespondBytes(blob)
}

// checkpoint is a root that is safe in the backing store.
type checkpoint struct {
	Version   int     `json:"version"`
	RootRef   string  `json:"rootref"`
	Sequence  int64   `json:"sequence"`
	Timestamp float64 `json:"timestamp"`
}

// maxCheckpoints is how many are kept.
const maxCheckpoints = 5

func (s *Store) noteCheckpoint(ref string, seq int64) {
	now := float64(time.Now().UnixMicro()) / 1e6
	s.checkpoint = append([]checkpoint{{1, ref, seq, now}}, s.checkpoint...)
	s.checkpoint = s.checkpoint[:min(len(s.checkpoint), maxCheckpoints)]
}

func checkpointGet(r *request) {
	if len(r.s.checkpoint) == 0 {
		r.Fail(flux.ENOENT, "")
		return
	}
	r.Respond(struct {
		Value []checkpoint `json:"value"`
	}{r.s.checkpoint})
}

func checkpointPut(r *request) {
	var c checkpoint
	if _, ok := r.args["value"]; !ok || json.Unmarshal(r.args["value"], &c) != nil {
		r.Fail(flux.EPROTO, "")
		return
	}
	r.s.noteCheckpoint(c.RootRef, c.Sequence)
	r.OK()
}
