package kvs

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/jansson"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
)

// notes is a broker of size ranks that notes what it is given to send.
type notes struct {
	size int
	list []string
}

func (n *notes) Size() int                         { return n.size }
func (n *notes) Owner() uint32                     { return 0 }
func (n *notes) Online(uint32) bool                { return true }
func (n *notes) Config() jansson.Object            { return jansson.Object{} }
func (n *notes) Go(func(ctx context.Context)) bool { return false }
func (n *notes) Later() service.Responder          { return n }
func (n *notes) FlushSent()                        {}
func (n *notes) SendEvent(m *codec.Message) uint32 { return n.Publish(m) }
func (n *notes) SendResponse(m *codec.Message)     { n.add(m, m.Errnum) }
func (n *notes) Publish(m *codec.Message) uint32   { n.list = append(n.list, "event "+m.Topic); return 1 }
func (n *notes) add(m *codec.Message, errnum uint32) {
	n.list = append(n.list, fmt.Sprintf("%s %d %s", m.Topic, errnum, strings.TrimSuffix(string(m.Payload), "\x00")))
}

// take returns what was sent since the last time.
func (n *notes) take() []string {
	list := n.list
	n.list = nil
	return list
}

// ask sends a streaming request of the owner at a rank and returns what is sent.
func ask(t *testing.T, s *Store, n *notes, rank uint32, topic, payload string) []string {
	t.Helper()
	m := codec.NewRequest(topic)
	m.Flags |= codec.FlagStreaming
	m.Matchtag, m.UserID, m.Rolemask, m.Routes = 1, 0, uint32(flux.RoleOwner), codec.MakeRoutes("client")
	m.SetPayload([]byte(payload + "\x00"))
	name, method, _ := strings.Cut(topic, ".")
	for _, svc := range s.Services() {
		if svc.Name == name {
			r := service.MakeRequest(*m, rank, n)
			svc.Methods[method].Serve(&r)
			return n.take()
		}
	}
	t.Fatalf("no service %q", name)
	return nil
}

// Other services of the broker commit and read as clients do, and are seen by their watches.
func TestServiceItself(t *testing.T) {
	n := &notes{size: 2}
	s := New(n, "sha1")
	if got := ask(t, s, n, 1, "kvs-watch.lookup", `{"namespace":"primary","key":"a.log","flags":268}`); len(got) != 0 {
		t.Errorf("%q", got)
	}
	changes := []Change{{Key: "a.log", Value: []byte("x"), Append: true}, {Key: "b", Value: []byte{}}}
	seq, errno := s.Commit("primary", changes)
	if seq != 1 || errno != 0 {
		t.Errorf("%d, %d", seq, errno)
	}
	want := []string{"event kvs.namespace-primary-setroot",
		`kvs-watch.lookup 0 {"val":{"data":"eA==","type":"val","ver":1}}`}
	if got := n.take(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if data, errno := s.Get("primary", "a.log"); string(data) != "x" || errno != 0 {
		t.Errorf("%q, %d", data, errno)
	}
	if seq, errno := s.Commit("primary", []Change{{Key: "b"}}); seq != 2 || errno != 0 {
		t.Errorf("%d, %d", seq, errno)
	}
	for key, want := range map[string]flux.Errno{"b": flux.ENOENT, "a": flux.EISDIR, "a.log.x": flux.ENOENT} {
		if _, errno := s.Get("primary", key); errno != want {
			t.Errorf("%s: %d, want %d", key, errno, want)
		}
	}
	if _, errno := s.Get("nosuch", "a"); errno != flux.EOPNOTSUPP {
		t.Errorf("%d", errno)
	}
	if _, errno := s.Commit("nosuch", nil); errno != flux.EOPNOTSUPP {
		t.Errorf("%d", errno)
	}
	if _, errno := s.Commit("primary", []Change{{Key: ".", Value: []byte("1")}}); errno != flux.EINVAL {
		t.Errorf("%d", errno)
	}
}

// A hash other than sha1 shows in all references.
func TestSHA256(t *testing.T) {
	n := &notes{size: 1}
	s := New(n, "sha256")
	got := ask(t, s, n, 0, "kvs.getroot", `{"namespace":"primary"}`)
	sum := sha256.Sum256([]byte(`{"data":{},"type":"dir","ver":1}`))
	if len(got) != 1 || !strings.Contains(got[0], fmt.Sprintf(`"rootref":"sha256-%x"`, sum)) {
		t.Errorf("%q", got)
	}
	if got := ask(t, s, n, 0, "content.load", "short"); !slices.Equal(got, []string{"content.load 71 "}) {
		t.Errorf("%q", got)
	}
}
