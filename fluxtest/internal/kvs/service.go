// Package kvs is the key-value store and the content store of an embedded broker: the services kvs, kvs-watch and
// content of all its ranks. It is a state machine: it starts no goroutines, knows no clock but for checkpoints, and
// says what it says through an [Out] while it handles a request. Tree objects are those of RFC 11.
package kvs

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"

	"github.com/flux-sdk/flux/codec"
)

// Roles of RFC 12.
const (
	roleOwner = 1
	roleUser  = 2
)

// Out is where a Service sends what it says. Its methods are called while the Service handles a request, in the order
// in which clients must see the messages, and must not call the Service.
type Out interface {
	// Respond answers a request that rank received. A payload is ready to be sent.
	Respond(rank int, req *codec.Message, errnum uint32, payload []byte)
	// Publish publishes a private event of the instance owner from rank 0.
	Publish(topic string, payload []byte)
}

// Service is the store of one instance. Its methods may be called concurrently.
type Service struct {
	mu         sync.Mutex
	owner      uint32
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

// New returns the store of an instance of that many ranks. hash is "sha1" or "sha256".
func New(owner uint32, ranks int, hash string) *Service {
	s := &Service{owner: owner, content: newContent(hash), namespaces: make(map[string]*root)}
	for range ranks {
		s.ranks = append(s.ranks, newRank())
	}
	empty := s.content.storeDir(newDir(map[string]*object{}))
	s.namespaces["primary"] = &root{name: "primary", ref: empty, owner: owner}
	return s
}

// Method is a topic that the Service answers.
type Method struct {
	Topic string
	Roles uint32 // that are let in besides the owner
}

// Methods lists the topics.
func Methods() []Method {
	list := make([]Method, 0, len(methods))
	for topic, m := range methods {
		list = append(list, Method{topic, m.roles})
	}
	return list
}

type method struct {
	roles uint32
	serve func(*request)
}

// methods is filled in init because the handlers refer to it through the Service.
var methods map[string]method

func init() {
	methods = map[string]method{
		"kvs.lookup":           {roleUser, lookup},
		"kvs.lookup-plus":      {roleUser, lookupPlus},
		"kvs.commit":           {roleUser, commit},
		"kvs.getroot":          {roleUser, getRoot},
		"kvs.wait-version":     {roleUser, waitVersion},
		"kvs.namespace-create": {0, namespaceCreate},
		"kvs.namespace-remove": {0, namespaceRemove},
		"kvs.namespace-list":   {0, namespaceList},
		"kvs.setroot-pause":    {roleUser, setrootPause},
		"kvs.setroot-unpause":  {roleUser, setrootUnpause},
		"kvs.stats-get":        {roleUser, kvsStats},
		"kvs.disconnect":       {0, disconnect},

		"kvs-watch.lookup":     {roleUser, watch},
		"kvs-watch.cancel":     {roleUser, watchCancel},
		"kvs-watch.disconnect": {roleUser, watchDisconnect},
		"kvs-watch.stats-get":  {roleUser, watchStats},

		"content.load":           {0, contentLoad},
		"content.store":          {0, contentStore},
		"content.flush":          {0, (*request).ok},
		"content.dropcache":      {0, (*request).ok},
		"content.stats-get":      {0, contentStats},
		"content.checkpoint-get": {0, checkpointGet},
		"content.checkpoint-put": {0, checkpointPut},
	}
}

// Serve handles a request at a rank; its topic is one of [Methods], and its roles have been let in. The Service keeps
// m, which must not change.
func (s *Service) Serve(at int, m *codec.Message, out Out) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &request{s: s, rank: s.ranks[at], at: at, m: m, out: out, user: userOf(m)}
	if errnum, ok := s.faults.Refuse[m.Topic]; ok {
		r.fail(errnum, "")
		return
	}
	r.args = parseFields(bytes.TrimSuffix(m.Payload, []byte{0}))
	methods[m.Topic].serve(r)
}

// user is whom a request is from.
type user struct {
	id    uint32
	owner bool
}

func userOf(m *codec.Message) user { return user{m.UserID, m.Rolemask&roleOwner != 0} }

// may says whether a user is let into what belongs to another.
func (u user) may(owner uint32) bool { return u.owner || u.id == owner }

// request is one request at work.
type request struct {
	s    *Service
	rank *rank
	at   int
	m    *codec.Message
	args fields
	user user
	out  Out
}

func (r *request) fail(errnum uint32, text string) { fail(r.out, r.at, r.m, errnum, text) }

func (r *request) ok() { r.out.Respond(r.at, r.m, 0, nil) }

func (r *request) respond(v any) { r.out.Respond(r.at, r.m, 0, encode(v)) }

func fail(out Out, at int, m *codec.Message, errnum uint32, text string) {
	var payload []byte
	if text != "" {
		payload = append([]byte(text), 0)
	}
	out.Respond(at, m, errnum, payload)
}

// encode returns the payload of an answer.
func encode(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("fluxtest: " + err.Error()) // all that is encoded here can be
	}
	b := buf.Bytes()
	b[len(b)-1] = 0 // the encoder's newline
	return b
}

// kept is a request without its payload, to be answered later.
func kept(m *codec.Message) *codec.Message {
	k := *m
	k.Payload = nil
	k.Flags &^= codec.FlagPayload
	return &k
}

// sameClient says whether m may act on an earlier request: it comes from the same client, or the owner's behalf.
func sameClient(m, req *codec.Message) bool {
	return m.Routes.Origin() == req.Routes.Origin() && userOf(m).may(req.UserID)
}

func primaryName(name string) bool { return strings.EqualFold(name, "primary") }
