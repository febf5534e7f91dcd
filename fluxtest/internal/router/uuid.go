package router

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"sync"
)

// uuidLen is the length of the identities in route stacks.
const uuidLen = 36

// uuidSource makes random UUIDs, the same ones for the same seed.
type uuidSource struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func (s *uuidSource) init(seed uint64) {
	if seed == 0 {
		seed = rand.Uint64()
	}
	s.rng = rand.New(rand.NewPCG(seed, seed))
}

// next returns a version 4 UUID in lower case.
func (s *uuidSource) next() string {
	var b [16]byte
	s.mu.Lock()
	binary.BigEndian.PutUint64(b[:8], s.rng.Uint64())
	binary.BigEndian.PutUint64(b[8:], s.rng.Uint64())
	s.mu.Unlock()
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var t [uuidLen]byte
	hex.Encode(t[:], b[:4])
	t[8] = '-'
	hex.Encode(t[9:], b[4:6])
	t[13] = '-'
	hex.Encode(t[14:], b[6:8])
	t[18] = '-'
	hex.Encode(t[19:], b[8:10])
	t[23] = '-'
	hex.Encode(t[24:], b[10:])
	return string(t[:])
}
