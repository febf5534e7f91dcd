package kvs

import (
	"encoding/json"
	"slices"

	"github.com/flux-sdk/flux"
)

// Faults is what goes wrong. The zero value is nothing.
type Faults struct {
	Refuse      map[string]flux.Errno // topics and the errno that they are answered with
	Stale       []uint32              // ranks that see no new root
	LoseWatches bool                  // watches hear nothing, not even their end
}

// SetFaults replaces the faults. A rank that is no longer stale catches up.
func (s *Store) SetFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
	for at, r := range s.ranks {
		stale := slices.Contains(f.Stale, uint32(at))
		if stale {
			for name := range s.namespaces {
				s.viewAt(at, name)
			}
		}
		for _, v := range r.views {
			v.stale = stale
			s.catchUp(at, v)
		}
	}
}

// Change is one change of a commit by the broker itself.
type Change struct {
	Key    string
	Value  []byte // nil removes the key
	Append bool
}

// Commit makes changes for another service of the broker, as kvs.commit at rank 0 does, and returns the new version.
// The errno is 0 on success.
func (s *Store) Commit(namespace string, changes []Change) (seq int64, errno flux.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	current := s.namespaces[namespace]
	if current == nil {
		return 0, flux.EOPNOTSUPP
	}
	ops := make([]json.RawMessage, len(changes))
	for i, c := range changes {
		op := struct {
			Key   string  `json:"key"`
			Flags int     `json:"flags"`
			Entry *object `json:"dirent"`
		}{Key: c.Key}
		if c.Value != nil {
			op.Entry = newVal(c.Value)
		}
		if c.Append {
			op.Flags = flagAppend
		}
		b, err := json.Marshal(op)
		if err != nil {
			return 0, flux.EINVAL
		}
		ops[i] = b
	}
	ref, errno := s.apply(namespace, current.ref, ops)
	if errno != 0 {
		return 0, errno
	}
	s.seq++
	s.setRoot(&setroot{current, ref, current.seq + 1, keysOf(ops), "broker", nil})
	return current.seq, 0
}

// Get returns the current value of a key for another service of the broker. The errno is 0 on success.
func (s *Store) Get(namespace, key string) ([]byte, flux.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	current := s.namespaces[namespace]
	if current == nil {
		return nil, flux.EOPNOTSUPP
	}
	o, errno := (&reader{s: s, user: user{owner: true}}).find(current.ref, key, 0)
	switch {
	case errno != 0:
		return nil, errno
	case o == nil:
		return nil, flux.ENOENT
	}
	data, ok := o.value()
	if !ok {
		return nil, flux.EPROTO
	}
	return data, 0
}
