// Package kvs is the key-value store and the content store: the services kvs,
// kvs-watch and content of all ranks. Tree objects are those of RFC 11.
package kvs

import (
	"bytes"
	"strings"
	"sync"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/jansson"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
)

// Store is the store of one instance. Its exported methods may be called
// concurrently. Everything else in this package runs with mu held, so clients see
// what a commit causes in one order: its event, its answer, and then what the
// watches and waiting requests are told.
type Store struct {
	broker service.Broker

	mu         sync.Mutex // guards all that follows
	content    *content
	namespaces map[string]*root // as rank 0 commits to them
	ranks      []*rank
	seq        int // of commits, for the names in events
	faults     Faults
	checkpoint []checkpoint
}

// root is the root of a namespace at one version.
type root struct {
	name  string
	ref   string
	seq   int64
	owner uint32
	flags int64
}

// New returns the store of an instance. hash is "sha1" or "sha256".
func New(b service.Broker, hash string) *Store {
	s := &Store{broker: b, content: newContent(hash), namespaces: make(map[string]*root)}
	for range b.Size() {
		s.ranks = append(s.ranks, newRank())
	}
	empty := s.content.storeDir(newDir(map[string]*object{}))
	s.namespaces["primary"] = &root{name: "primary", ref: empty, owner: b.Owner()}
	return s
}

// Services are what is to be registered.
func (s *Store) Services() []*service.Service {
	user := func(serve func(*request)) service.Method {
		return service.Method{Allow: flux.RoleUser, Serve: s.method(serve)}
	}
	owner := func(serve func(*request)) service.Method {
		return service.Method{Serve: s.method(serve)}
	}
	return []*service.Service{
		{Name: "kvs", Module: true, Methods: map[string]service.Method{
			"lookup":           user(lookup),
			"lookup-plus":      user(lookupPlus),
			"commit":           user(commit),
			"getroot":          user(getRoot),
			"wait-version":     user(waitVersion),
			"namespace-create": owner(namespaceCreate),
			"namespace-remove": owner(namespaceRemove),
			"namespace-list":   owner(namespaceList),
			"setroot-pause":    user(setrootPause),
			"setroot-unpause":  user(setrootUnpause),
			"stats-get":        user(kvsStats),
			"disconnect":       owner(disconnect),
		}},
		{Name: "kvs-watch", Module: true, Methods: map[string]service.Method{
			"lookup":     user(watch),
			"cancel":     user(watchCancel),
			"disconnect": user(watchDisconnect),
			"stats-get":  user(watchStats),
		}},
		{Name: "content", Module: true, Methods: map[string]service.Method{
			"load":           owner(contentLoad),
			"store":          owner(contentStore),
			"flush":          owner(func(r *request) { r.OK() }),
			"dropcache":      owner(func(r *request) { r.OK() }),
			"stats-get":      owner(contentStats),
			"checkpoint-get": owner(checkpointGet),
			"checkpoint-put": owner(checkpointPut),
		}},
	}
}

// Waiting is the number of watches, and of requests that wait for a version. It
// is for tests.
func (s *Store) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.ranks {
		n += len(r.watchers)
		for _, v := range r.views {
			n += len(v.waiters)
		}
	}
	return n
}

// request is one request at work.
type request struct {
	*service.Request
	s    *Store
	at   int
	rank *rank // number at
	args fields
	user user
}

// method makes a method of a service. It holds the lock and applies the faults.
func (s *Store) method(serve func(*request)) func(*service.Request) {
	return func(r *service.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if errno, ok := s.faults.Refuse[r.Topic()]; ok {
			r.Fail(errno, "")
			return
		}
		serve(&request{
			Request: r, s: s, at: int(r.Rank()), rank: s.ranks[r.Rank()],
			args: parseFields(bytes.TrimSuffix(r.Payload(), []byte{0})),
			user: user{id: r.UserID(), owner: r.Owner()},
		})
	}
}

// user is the sender of a request.
type user struct {
	id    uint32
	owner bool
}

// may reports whether the user may use what belongs to another.
func (u user) may(owner uint32) bool { return u.owner || u.id == owner }

// publish publishes a private event of the instance owner.
func (s *Store) publish(topic string, payload any) {
	m := codec.NewEvent(topic)
	m.Flags |= codec.FlagPrivate
	m.SetPayload(jansson.Payload(payload))
	s.broker.Publish(m)
}

func primaryName(name string) bool { return strings.EqualFold(name, "primary") }
