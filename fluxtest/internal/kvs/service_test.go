package kvs

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// notes is an Out that keeps what it is given.
type notes []string

func (n *notes) Respond(rank int, req *codec.Message, errnum uint32, payload []byte) {
	*n = append(*n, fmt.Sprintf("%d %s %d %s", rank, req.Topic, errnum, strings.TrimSuffix(string(payload), "\x00")))
}

func (n *notes) Publish(topic string, payload []byte) { *n = append(*n, "event "+topic) }

// take returns what was said since the last time.
func (n *notes) take() []string {
	list := *n
	*n = nil
	return list
}

func ask(s *Service, n *notes, rank int, topic, payload string) []string {
	m := codec.NewRequest(topic)
	m.Flags |= codec.FlagStreaming
	m.Matchtag, m.UserID, m.Rolemask, m.Routes = 1, 0, roleOwner, codec.MakeRoutes("client")
	m.SetPayload([]byte(payload + "\x00"))
	s.Serve(rank, m, n)
	return n.take()
}

// Other services of the broker commit and read as clients do, and are seen by their watches.
func TestServiceItself(t *testing.T) {
	var n notes
	s := New(0, 2, "sha1")
	if got := ask(s, &n, 1, "kvs-watch.lookup", `{"namespace":"primary","key":"a.log","flags":268}`); len(got) != 0 {
		t.Errorf("%q", got)
	}
	seq, errno := s.Commit("primary", []Change{{Key: "a.log", Value: []byte("x"), Append: true}, {Key: "b", Value: []byte{}}}, &n)
	if seq != 1 || errno != 0 {
		t.Errorf("%d, %d", seq, errno)
	}
	want := []string{"event kvs.namespace-primary-setroot", `1 kvs-watch.lookup 0 {"val":{"data":"eA==","type":"val","ver":1}}`}
	if got := n.take(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if data, errno := s.Get("primary", "a.log"); string(data) != "x" || errno != 0 {
		t.Errorf("%q, %d", data, errno)
	}
	if seq, errno := s.Commit("primary", []Change{{Key: "b"}}, &n); seq != 2 || errno != 0 {
		t.Errorf("%d, %d", seq, errno)
	}
	for key, want := range map[string]uint32{"b": eNOENT, "a": eISDIR, "a.log.x": eNOENT} {
		if _, errno := s.Get("primary", key); errno != want {
			t.Errorf("%s: %d, want %d", key, errno, want)
		}
	}
	if _, errno := s.Get("nosuch", "a"); errno != eOPNOTSUPP {
		t.Errorf("%d", errno)
	}
	if _, errno := s.Commit("nosuch", nil, &n); errno != eOPNOTSUPP {
		t.Errorf("%d", errno)
	}
	if _, errno := s.Commit("primary", []Change{{Key: ".", Value: []byte("1")}}, &n); errno != eINVAL {
		t.Errorf("%d", errno)
	}
}

// A hash other than sha1 shows in all references.
func TestSHA256(t *testing.T) {
	var n notes
	s := New(0, 1, "sha256")
	got := ask(s, &n, 0, "kvs.getroot", `{"namespace":"primary"}`)
	sum := sha256.Sum256([]byte(`{"data":{},"type":"dir","ver":1}`))
	if len(got) != 1 || !strings.Contains(got[0], fmt.Sprintf(`"rootref":"sha256-%x"`, sum)) {
		t.Errorf("%q", got)
	}
	if got := ask(s, &n, 0, "content.load", "short"); !slices.Equal(got, []string{"0 content.load 71 "}) {
		t.Errorf("%q", got)
	}
}

// The methods are those of three services.
func TestMethods(t *testing.T) {
	services := make(map[string]int)
	for _, m := range Methods() {
		name, _, _ := strings.Cut(m.Topic, ".")
		services[name]++
	}
	if len(services) != 3 || services["kvs"] == 0 || services["kvs-watch"] == 0 || services["content"] == 0 {
		t.Errorf("%v", services)
	}
}
