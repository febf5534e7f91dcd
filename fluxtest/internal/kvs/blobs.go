package kvs

import (
	"encoding/json"
	"time"
)

func contentStore(r *request) {
	blob := append([]byte(nil), r.m.Payload...)
	r.out.Respond(r.at, r.m, 0, r.s.content.digest(blob))
	r.s.content.store(blob)
}

func contentLoad(r *request) {
	c := r.s.content
	if len(r.m.Payload) != c.size() {
		r.fail(ePROTO, "")
		return
	}
	blob, ok := c.blobs[c.ref(r.m.Payload)]
	if !ok {
		r.fail(eNOENT, "No such file or directory")
		return
	}
	r.out.Respond(r.at, r.m, 0, blob)
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

func (s *Service) noteCheckpoint(ref string, seq int64) {
	now := float64(time.Now().UnixMicro()) / 1e6
	s.checkpoint = append([]checkpoint{{1, ref, seq, now}}, s.checkpoint...)
	s.checkpoint = s.checkpoint[:min(len(s.checkpoint), maxCheckpoints)]
}

func checkpointGet(r *request) {
	if len(r.s.checkpoint) == 0 {
		r.fail(eNOENT, "")
		return
	}
	r.respond(struct {
		Value []checkpoint `json:"value"`
	}{r.s.checkpoint})
}

func checkpointPut(r *request) {
	var c checkpoint
	if _, ok := r.args["value"]; !ok || json.Unmarshal(r.args["value"], &c) != nil {
		r.fail(ePROTO, "")
		return
	}
	r.s.noteCheckpoint(c.RootRef, c.Sequence)
	r.ok()
}
