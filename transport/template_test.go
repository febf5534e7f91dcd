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
	var tmpl Template
	sizes := []int{1, 2, 253, 254, 255, 256, 5000, 65536, chunkSize, 300, 1}
	for _, first := range []int{1, 254, 255, 100_000} {
		if err := tmpl.Set(item(pattern(first))); err != nil {
			t.Fatal(err)
		}
		for _, n := range sizes {
			want := item(pattern(n))
			if got := tmpl.Size(n); got != codec.FrameSize(want) {
				t.Errorf("Size(%d) = %d, want %d", n, got, codec.FrameSize(want))
			}
			if err := a.(Templater).QueueTemplate(&tmpl, want.Payload); err != nil {
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
	var tmpl Template
	bad := item([]byte("x"))
	bad.Topic = "a\x00b"
	for _, m := range []*codec.Message{request("a.b", 1, []byte("x")), item(nil), item([]byte{}), bad} {
		if err := tmpl.Set(m); !errors.Is(err, codec.ErrUnsendable) {
			t.Errorf("Set(%+v) = %v", *m, err)
		}
	}
	if err := tmpl.Set(item([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	limit := codec.FrameSize(item(pattern(100))) - codec.PrefixSize
	a, b := Pipe(Config{MaxSize: limit})
	defer b.Close()
	var got []string
	for _, n := range []int{100, 101} {
		got = append(got, fmt.Sprint(errors.Is(a.(Templater).QueueTemplate(&tmpl, pattern(n)), codec.ErrTooLarge)))
	}
	b.Close()
	a.Close()
	got = append(got, fmt.Sprint(a.(Templater).QueueTemplate(&tmpl, pattern(1))))
	if diff := cmp.Diff([]string{"false", "true", ErrClosed.Error()}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// Over loop:// what is made of a template is stamped as any message is.
func TestTemplateLoop(t *testing.T) {
	c := loop(t, Config{})
	defer c.Close()
	var tmpl Template
	if err := tmpl.Set(item([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	if err := c.(Templater).QueueTemplate(&tmpl, []byte("other")); err != nil {
		t.Fatal(err)
	}
	c.(Queuer).Flush()
	stamped := item([]byte("other"))
	stamped.UserID, stamped.Rolemask = uint32(os.Getuid()), roleOwner
	want(t, c, stamped)
}
