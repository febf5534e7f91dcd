package transport

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux/codec"
)

func item(payload []byte) *codec.Message {
	m := codec.NewResponse(codec.NewRequest("svc.stream"))
	m.Flags |= codec.FlagStreaming
	m.Matchtag, m.Routes = 7, codec.MakeRoutes("one", "two")
	m.SetPayload(payload)
	return m
}

// What is made of a template is the message with the other payload.
func TestTemplate(t *testing.T) {
	a, b := Pipe(Config{})
	defer a.Close()
	defer b.Close()
	sizes := []int{1, 2, 253, 254, 255, 256, 5000, 65536, chunkSize, 300, 1}
	for _, first := range []int{1, 254, 255, 100_000} {
		tmpl, err := a.(Templater).NewTemplate(item(pattern(first)))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range sizes {
			want := item(pattern(n))
			if err := a.(Templater).QueueTemplate(tmpl, want.Payload); err != nil {
				t.Fatal(err)
			}
		}
		a.(Queuer).Flush()
		for _, n := range sizes {
			if got := recv(t, b); !reflect.DeepEqual(got, item(pattern(n))) {
				t.Fatalf("what was made for %d bytes has %d: %s %q", n, len(got.Payload), got.Type, got.Topic)
			}
		}
	}
}

func TestTemplateRefused(t *testing.T) {
	limit := codec.FrameSize(item(pattern(100))) - codec.PrefixSize
	a, b := Pipe(Config{MaxSize: limit})
	defer b.Close()
	from := a.(Templater)
	bad := item([]byte("x"))
	bad.Topic = "a\x00b"
	for _, m := range []*codec.Message{request("a.b", 1, []byte("x")), item(nil), item([]byte{}), bad} {
		if _, err := from.NewTemplate(m); !errors.Is(err, codec.ErrUnsendable) {
			t.Errorf("NewTemplate(%+v) = %v", *m, err)
		}
	}
	tmpl, err := from.NewTemplate(item([]byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range []int{100, 101} {
		got = append(got, fmt.Sprint(errors.Is(from.QueueTemplate(tmpl, pattern(n)), codec.ErrTooLarge)))
	}
	b.Close()
	a.Close()
	got = append(got, fmt.Sprint(from.QueueTemplate(tmpl, pattern(1))))
	if diff := cmp.Diff([]string{"false", "true", ErrClosed.Error()}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// Over loop:// what is made of a template is stamped as any message is.
func TestTemplateLoop(t *testing.T) {
	c := loop(t, Config{})
	defer c.Close()
	tmpl, err := c.(Templater).NewTemplate(item([]byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.(Templater).QueueTemplate(tmpl, []byte("other")); err != nil {
		t.Fatal(err)
	}
	c.(Queuer).Flush()
	stamped := item([]byte("other"))
	stamped.UserID, stamped.Rolemask = uint32(os.Getuid()), roleOwner
	want(t, c, stamped)
}
