package capture_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
)

// TestRewriteIsIdentical reads each golden file and writes it again, once from
// the records and once from the bytes of the frames.
func TestRewriteIsIdentical(t *testing.T) {
	for _, name := range golden.Names() {
		t.Run(name, func(t *testing.T) {
			want, err := golden.Bytes(name)
			if err != nil {
				t.Fatal(err)
			}
			recs, err := capture.Read(bytes.NewReader(want))
			if err != nil {
				t.Fatal(err)
			}
			var fromRecords, fromRaw bytes.Buffer
			a, b := capture.NewWriter(&fromRecords), capture.NewWriter(&fromRaw)
			for _, r := range recs {
				if err := a.Record(r); err != nil {
					t.Fatal(err)
				}
				switch {
				case r.EOF:
					err = b.EOF(r.Conn, r.Dir)
				case r.Digested():
					err = b.Frame(r.Conn, r.Dir, rebuild(t, &r))
				default:
					err = b.Frame(r.Conn, r.Dir, r.Frame())
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			sameLines(t, "from records", fromRecords.Bytes(), want)
			sameLines(t, "from frames", fromRaw.Bytes(), want)
		})
	}
}

// rebuild makes a digested frame of an echo from the documented pattern.
func rebuild(t *testing.T, r *capture.Record) []byte {
	t.Helper()
	m := r.Msg.Message()
	p := make([]byte, r.Msg.PayloadSize)
	for i := range p {
		p[i] = byte(31*i + 7)
	}
	m.SetPayload(p)
	return frame(t, m)
}

func sameLines(t *testing.T, what string, got, want []byte) {
	t.Helper()
	g, w := strings.SplitAfter(string(got), "\n"), strings.SplitAfter(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("%s, line %d: wrote\n%.1000swant\n%.1000s", what, i+1, g[i], w[i])
		}
	}
	if len(g) != len(w) {
		t.Errorf("%s: wrote %d lines, want %d", what, len(g), len(w))
	}
}

func TestReadErrors(t *testing.T) {
	const msg = `"msg":{"type":"request","flags":["topic"],"userid":1,"rolemask":0,"nodeid":1,"matchtag":1,"routes":null,"topic":"a"}`
	const head = `{"conn":1,"dir":"c2s",`
	tests := []struct{ name, line, want string }{
		{"not JSON", `hello`, "invalid character"},
		{"empty", ``, "empty line"},
		{"two values", `{"conn":1,"dir":"c2s","eof":true} {}`, "more than one"},
		{"unknown key", head + `"rwa":"00"}`, `"rwa"`},
		{"no conn", `{"dir":"c2s","eof":true}`, "conn is 0"},
		{"no dir", `{"conn":1,"eof":true}`, `dir is ""`},
		{"bad dir", `{"conn":1,"dir":"up","eof":true}`, `dir is "up"`},
		{"neither", head[:len(head)-1] + `}`, "neither msg nor eof"},
		{"both", head + `"eof":true,` + msg + `}`, "eof beside"},
		{"msg alone", head + msg + `}`, "raw"},
		{"odd hex", head + `"raw":"0",` + msg + `}`, "odd length"},
		{"digest alone", head + `"raw_sha256":"00",` + msg + `}`, "raw_size"},
		{"type", head + `"raw":"00",` + strings.Replace(msg, "request", "demand", 1) + `}`, `unknown type "demand"`},
		{"flag", head + `"raw":"00",` + strings.Replace(msg, `"topic"]`, `"topics"]`, 1) + `}`, `unknown flag "topics"`},
		{"no flags", head + `"raw":"00","msg":{"type":"request"}}`, "no flags"},
		{"flag without payload", head + `"raw":"00",` + strings.Replace(msg, `"topic"]`, `"payload"]`, 1) + `}`, "payload"},
		{"payload without flag", head + `"raw":"00",` + strings.Replace(msg, `"a"}`, `"a","payload_size":1,"payload":"","payload_nul":true}`, 1) + `}`, "payload"},
		{"payload of another size", head + `"raw":"00",` + strings.NewReplacer(`"topic"]`, `"payload"]`, `"a"}`, `"a","payload_size":2,"payload_hex":"00"}`).Replace(msg) + `}`, "payload_size is 2"},
		{"topic no string", head + `"raw":"00",` + strings.Replace(msg, `"a"}`, `7}`, 1) + `}`, "not a string"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := `{"conn":1,"dir":"s2c","eof":true}` + "\n" + tt.line + "\n"
			recs, err := capture.Read(strings.NewReader(in))
			if err == nil {
				t.Fatalf("Read = %+v, want an error", recs)
			}
			if s := err.Error(); !strings.Contains(s, "line 2: ") || !strings.Contains(s, tt.want) {
				t.Errorf("error %q, want line 2 and %q in it", s, tt.want)
			}
		})
	}
}

func TestReadPassesErrorsOn(t *testing.T) {
	broken := errors.New("disk gone")
	if _, err := capture.Read(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("Read = %v, want %v", err, broken)
	}
}

func TestReadLastLineWithoutNewline(t *testing.T) {
	recs, err := capture.Read(strings.NewReader(`{"conn":2,"dir":"c2s","eof":true}`))
	if err != nil || len(recs) != 1 || recs[0].Conn != 2 || !recs[0].EOF {
		t.Errorf("Read = %+v, %v, want one end of connection 2", recs, err)
	}
}

// TestTextSpelling passes texts through a file, whatever bytes they have.
func TestTextSpelling(t *testing.T) {
	tests := []struct{ topic, spelled string }{
		{"plain", `"plain"`},
		{"a\"b\\c/d", `"a\"b\\c/d"`},
		{"\n\r\t\b\f\x01\x7f", `"\n\r\t\b\f\u0001\u007f"`},
		{"<&>\u2028", `"<&>\u2028"`},
		{"ƒ∑", `"\u0192\u2211"`},
		{"😀", `"\ud83d\ude00"`},
		{"attr.\xff\xfe", `"attr.\udcff\udcfe"`},
		{"\x80😀\xc3", `"\udc80\ud83d\ude00\udcc3"`},
		{"\uFFFD", `"\ufffd"`},
		{`\udcff`, `"\\udcff"`},
	}
	for _, tt := range tests {
		m := codec.NewRequest(tt.topic)
		m.Routes = codec.MakeRoutes(tt.topic)
		var b bytes.Buffer
		if err := capture.NewWriter(&b).Frame(1, capture.ClientToServer, frame(t, m)); err != nil {
			t.Fatal(err)
		}
		if want := `"routes":[` + tt.spelled + `],"topic":` + tt.spelled + `}`; !strings.Contains(b.String(), want) {
			t.Errorf("topic %q: wrote %s, want %s in it", tt.topic, b.String(), want)
		}
		recs, err := capture.Read(&b)
		if err != nil {
			t.Errorf("topic %q: %v", tt.topic, err)
			continue
		}
		if err := recs[0].Msg.Check(m); err != nil {
			t.Errorf("topic %q: read back: %v", tt.topic, err)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	var b bytes.Buffer
	w := capture.NewWriter(&b)
	if err := w.Frame(1, capture.ClientToServer, []byte("not a frame")); !errors.Is(err, codec.ErrMalformed) {
		t.Errorf("Frame = %v, want %v", err, codec.ErrMalformed)
	}
	if err := w.Record(capture.Record{Conn: 1, Dir: capture.ClientToServer}); err == nil {
		t.Error("Record without a message succeeded")
	}
	if b.Len() > 0 {
		t.Errorf("wrote %q in spite of errors", b.String())
	}
}

func TestReadMalformed(t *testing.T) {
	const good = `{"case":"c","desc":"d","sent":"00ff","replies":[{"type":"response","flags":["topic","payload"],"userid":0,"rolemask":5,"errnum":38,"matchtag":7,"topic":"attr.\udcff\udcfe","payload":"no","routes":[]}],"outcome":"open; next request answered"}`
	cases, err := capture.ReadMalformed(strings.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	c := cases[0]
	if len(c.Replies) != 1 {
		t.Fatalf("%d replies, want 1", len(c.Replies))
	}
	r := c.Replies[0]
	if c.Name != "c" || c.Desc != "d" || string(c.Sent) != "\x00\xff" || c.Outcome != capture.Answering {
		t.Errorf("case = %+v", c)
	}
	if r.Topic != "attr.\xff\xfe" || string(r.Payload) != "no\x00" || r.Errnum != 38 || r.Matchtag != 7 || r.Rolemask != 5 {
		t.Errorf("reply = %+v", r)
	}
	for name, bad := range map[string]string{
		"outcome": strings.Replace(good, "answered", "lost", 1),
		"type":    strings.Replace(good, `"response"`, `"answer"`, 1),
		"hex":     strings.Replace(good, "00ff", "0g", 1),
	} {
		if _, err := capture.ReadMalformed(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("bad %s: %v, want an error with the line", name, err)
		}
	}
}
