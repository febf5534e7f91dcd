package kvs

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/flux-sdk/flux"
)

// Conn is what a Store needs of a [flux.Client]. A stand-in in a test has these two methods.
type Conn interface {
	flux.Caller
	flux.Streamer
}

// primary is the namespace that every instance has.
const primary = "primary"

// Store is one namespace of the key-value store. It may be shared by goroutines and needs no Close. Its operations end
// with their ctx; what it returns is the caller's.
type Store struct {
	conn      Conn
	namespace string
	root      BlobRef // of a snapshot; "" reads what is current
	rank      []flux.RequestOption
	at        *place
	err       error // a bad option, reported by every operation
}

// Option changes what Open returns.
type Option func(*Store)

// Namespace opens the namespace with this name. Without it, the environment variable FLUX_KVS_NAMESPACE says which, as
// for flux kvs(1), and without that it is the primary one.
func Namespace(name string) Option {
	return func(s *Store) { s.namespace = name }
}

// AtRank sends all requests to the KVS of one broker rank; without it the nearest one serves them. Each rank learns of
// a commit by itself, see [Store.WaitVersion].
func AtRank(rank uint32) Option {
	return func(s *Store) {
		s.rank = []flux.RequestOption{flux.Rank(rank)}
		s.at.set(rank == 0)
	}
}

// Open returns a namespace of the store. Nothing is sent: that the namespace does not exist is an error of the first
// operation, [ErrNoNamespace].
func Open(c Conn, opts ...Option) *Store {
	s := &Store{conn: c, namespace: primary, at: &place{}}
	if name, ok := os.LookupEnv("FLUX_KVS_NAMESPACE"); ok {
		s.namespace = name
	}
	for _, opt := range opts {
		opt(s)
	}
	s.err = checkNamespace(s.namespace)
	return s
}

// in returns the same store with another namespace, whose current root it reads.
func (s *Store) in(namespace string) *Store {
	t := *s
	t.namespace, t.root = namespace, ""
	t.err = checkNamespace(namespace)
	return &t
}

// Name returns the name of the namespace.
func (s *Store) Name() string { return s.namespace }

// Get returns the value of a key. Links are followed. The error matches flux.ENOENT if there is no such key, and
// flux.EISDIR if it is a directory. See [Store.Reader] for a value that is too large for one message.
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	o, err := s.lookup(ctx, key, 0)
	if err == nil && o.kind != typeVal {
		err = fmt.Errorf("the answer is a %s, expected a val", o.kind)
	}
	if err != nil {
		return nil, s.fail("get", key, err)
	}
	return o.data, nil
}

// GetAs is [Store.Get] with the value decoded: a T of []byte takes it as it is, a string as text, any other type as
// JSON.
func GetAs[T any](ctx context.Context, s *Store, key string) (T, error) {
	var v T
	data, err := s.Get(ctx, key)
	if err != nil {
		return v, err
	}
	if err := decodeInto(data, &v); err != nil {
		var zero T
		return zero, s.fail("get", key, err)
	}
	return v, nil
}

// decodeInto decodes a value into what v points to.
func decodeInto(data []byte, v any) error {
	switch v := v.(type) {
	case *[]byte:
		*v = data
	case *string:
		*v = string(data)
	default:
		if err := json.Unmarshal(data, v); err != nil {
			return fmt.Errorf("the value %.40q is not JSON for a %T: %w", data, v, err)
		}
	}
	return nil
}

// Put gives a key a value, whatever it was before, and returns the version that has it. See [Txn.Put] for what v may
// be.
func (s *Store) Put(ctx context.Context, key string, v any) (Version, error) {
	return s.named("put", key, s.Txn().Put(key, v)).Commit(ctx)
}

// Delete removes a key, with all that is below it if it is a directory. It is no error if there is no such key. A link
// is removed, not what it points to.
func (s *Store) Delete(ctx context.Context, key string) (Version, error) {
	return s.named("delete", key, s.Txn().Delete(key)).Commit(ctx)
}

// named sets what the error of a transaction of one operation says.
func (s *Store) named(op, key string, t *Txn) *Txn {
	t.op, t.key = op, key
	return t
}
