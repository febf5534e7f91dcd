package flux

import (
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/transport"
)

// What the harness does not notice is not tested by it.
func TestReplayNotices(t *testing.T) {
	recs, err := replay{file: "noresponse"}.records()
	if err != nil {
		t.Fatal(err)
	}
	script := recs[:2] // a notification and a request
	for _, tt := range []struct {
		name string
		edit func(sent []*codec.Message) []*codec.Message
		want string // "" if it is a good conversation
	}{
		{"as recorded", func(m []*codec.Message) []*codec.Message { return m }, ""},
		{"other tag and JSON spacing", func(m []*codec.Message) []*codec.Message {
			m[1].Matchtag = 77
			m[1].Payload = []byte("{ \"name\" :\t\"rank\" }\x00")
			return m
		}, ""},
		{"topic", func(m []*codec.Message) []*codec.Message { m[0].Topic = "broker.pong"; return m }, "topic"},
		{"value in the JSON", func(m []*codec.Message) []*codec.Message {
			m[1].Payload = []byte("{\"name\":\"size\"}\x00")
			return m
		}, "payload"},
		{"JSON without its NUL", func(m []*codec.Message) []*codec.Message {
			m[1].Payload = m[1].Payload[:len(m[1].Payload)-1]
			return m
		}, "payload"},
		{"tag where none was", func(m []*codec.Message) []*codec.Message { m[0].Matchtag = 1; return m }, "matchtag"},
		{"no tag where one was", func(m []*codec.Message) []*codec.Message { m[1].Matchtag = 0; return m }, "matchtag"},
		{"tag that C cannot hold", func(m []*codec.Message) []*codec.Message { m[1].Matchtag = 1 << 31; return m }, "matchtag"},
		{"flag", func(m []*codec.Message) []*codec.Message { m[1].Flags |= codec.FlagStreaming; return m }, "flags"},
		{"nodeid", func(m []*codec.Message) []*codec.Message { m[1].NodeID = 0; return m }, "nodeid"},
		{"userid", func(m []*codec.Message) []*codec.Message { m[1].UserID = 0; return m }, "userid"},
		{"route delimiter", func(m []*codec.Message) []*codec.Message { m[1].Flags &^= codec.FlagRoute; return m }, "flags"},
		{"order", func(m []*codec.Message) []*codec.Message { m[0], m[1] = m[1], m[0]; return m }, "line 2"},
		{"one missing", func(m []*codec.Message) []*codec.Message { return m[:1] }, "EOF"},
		{"one too many", func(m []*codec.Message) []*codec.Message { return append(m, m[0]) }, "nothing more"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			near, far := transport.Pipe(transport.Config{})
			defer far.Close()
			var sent []*codec.Message
			for i := range script {
				m, err := message(&script[i].Record)
				if err != nil {
					t.Fatal(err)
				}
				sent = append(sent, m)
			}
			for _, m := range tt.edit(sent) {
				if err := near.Send(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			near.Close()
			pl := &player{conn: far, tags: make(map[uint32]uint32)}
			end := numbered{0, capture.Record{Conn: 1, Dir: capture.ClientToServer, EOF: true}}
			err := pl.play(append(script[:2:2], end))
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error is %v, want one that tells of %q", err, tt.want)
			}
		})
	}
}
