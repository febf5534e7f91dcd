package kvs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/flux-sdk/flux"
)

// Lookup flags of flux_kvs_lookup(3).
const (
	flagReadDir       = 1
	flagReadLink      = 2
	flagWatch         = 4
	flagWaitCreate    = 8
	flagTreeObject    = 16
	flagAppend        = 32 // of an operation of a commit
	flagWatchFull     = 64
	flagWatchUnique   = 128
	flagWatchAppend   = 256
	flagStream        = 512
	flagWatchSentinel = 1024
)

// lookupRequest is the payload of kvs.lookup and kvs-watch.lookup.
type lookupRequest struct {
	Key       string  `json:"key"`
	Namespace string  `json:"namespace,omitempty"`
	Flags     int     `json:"flags"`
	RootDir   *object `json:"rootdir,omitempty"`
}

// lookupAnswer is the payload of their responses.
type lookupAnswer struct {
	Val *object `json:"val"`
}

// lookup asks for a key. What the flags say of watching is not for it.
func (s *Store) lookup(ctx context.Context, key string, flags int) (object, error) {
	key, err := cleanKey(key)
	if err == nil {
		err = s.err
	}
	if err != nil {
		return object{}, err
	}
	req := lookupRequest{Key: key, Flags: flags}
	if s.root != "" {
		req.RootDir = &object{kind: typeDirref, refs: []BlobRef{s.root}}
	} else {
		req.Namespace = s.namespace
	}
	var answer lookupAnswer
	if err := s.call(ctx, "kvs.lookup", req, &answer); err != nil {
		return object{}, err
	}
	if answer.Val == nil {
		return object{}, fmt.Errorf("the answer has no tree object")
	}
	return *answer.Val, nil
}

// call asks a service of this store's rank and decodes the answer, unless v is nil.
func (s *Store) call(ctx context.Context, topic string, req, v any) error {
	opts := make([]flux.CallOption, len(s.rank))
	for i, o := range s.rank {
		opts[i] = o
	}
	return call(ctx, s.conn, topic, req, v, opts...)
}

// call asks a service. The payload is JSON of this package, whatever codec the client has for its user's.
func call(ctx context.Context, c flux.Caller, topic string, req, v any, opts ...flux.CallOption) error {
	payload, err := encode(req)
	if err != nil {
		return err
	}
	r, err := c.Call(ctx, topic, payload, opts...)
	if err != nil {
		return err
	}
	defer r.Release()
	if v == nil {
		return r.Err()
	}
	return decode(r, v)
}

func encode(req any) (any, error) {
	if req == nil {
		return nil, nil
	}
	b, err := json.Marshal(req)
	return json.RawMessage(b), err
}

// decode decodes the JSON payload of a response.
func decode(r flux.Response, v any) error {
	b, err := r.Bytes()
	if err != nil {
		return err
	}
	if len(b) == 0 {
		return flux.ErrNoPayload
	}
	if err := json.Unmarshal(bytes.TrimSuffix(b, []byte{0}), v); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}
