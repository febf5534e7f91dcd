package fluxtest

import (
	"crypto/sha1"
	"sync"
)

// contentStore keeps blobs by their hash, for the life of the instance.
type contentStore struct {
	mu    sync.Mutex
	blobs map[[sha1.Size]byte][]byte
}

var contentMethods = map[string]method{
	"content.store": {0, contentStoreBlob},
	"content.load":  {0, contentLoadBlob},
}

func contentStoreBlob(c *call) {
	hash := sha1.Sum(c.m.Payload)
	s := &c.r.inst.content
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blobs == nil {
		s.blobs = make(map[[sha1.Size]byte][]byte)
	}
	s.blobs[hash] = append([]byte(nil), c.m.Payload...)
	c.respondRaw(hash[:])
}

func contentLoadBlob(c *call) {
	if len(c.m.Payload) != sha1.Size {
		c.fail(ePROTO, "")
		return
	}
	s := &c.r.inst.content
	s.mu.Lock()
	blob, ok := s.blobs[[sha1.Size]byte(c.m.Payload)]
	s.mu.Unlock()
	if !ok {
		c.fail(eNOENT, "No such file or directory")
		return
	}
	c.respondRaw(blob)
}
