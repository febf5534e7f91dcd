// Package content is the service that stores blobs by their hash (content.store
// and content.load).
package content

import (
	"crypto/sha1"
	"slices"
	"sync"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
)

// store keeps blobs by their hash, for the life of the instance.
type store struct {
	mu    sync.Mutex
	blobs map[[sha1.Size]byte][]byte // guarded by mu
}

// Service returns what is to be registered.
func Service() *service.Service {
	s := &store{blobs: make(map[[sha1.Size]byte][]byte)}
	return &service.Service{Name: "content", Module: true, Methods: map[string]service.Method{
		"store": {Serve: s.store},
		"load":  {Serve: s.load},
	}}
}

func (s *store) store(r *service.Request) {
	hash := sha1.Sum(r.Payload())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[hash] = slices.Clone(r.Payload())
	r.RespondBytes(hash[:])
}

func (s *store) load(r *service.Request) {
	if len(r.Payload()) != sha1.Size {
		r.Fail(flux.EPROTO, "")
		return
	}
	s.mu.Lock()
	blob, ok := s.blobs[[sha1.Size]byte(r.Payload())]
	s.mu.Unlock()
	if !ok {
		r.Fail(flux.ENOENT, "No such file or directory")
		return
	}
	r.RespondBytes(blob)
}
