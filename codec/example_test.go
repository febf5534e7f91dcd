package codec_test

import (
	"fmt"
	"slices"

	"github.com/flux-sdk/flux/codec"
)

// A request becomes a frame and is read back from it.
func Example() {
	m := codec.NewRequest("attr.get")
	m.Matchtag = 1
	payload, err := codec.EncodePayload(map[string]string{"name": "rank"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	m.SetPayload(payload)
	frame, err := codec.Append(nil, m)
	if err != nil {
		fmt.Println(err)
		return
	}

	n, err := codec.ParsePrefix(frame, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	got, err := codec.Decode(frame[codec.PrefixSize : codec.PrefixSize+n])
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := codec.TextPayload(got.Payload)
	fmt.Println(n, "bytes after the prefix")
	fmt.Println(got.Type, got.Topic, got.Matchtag, got.Flags)
	fmt.Println(text, err)
	// Output:
	// 48 bytes after the prefix
	// request attr.get 1 topic,payload,route
	// {"name":"rank"} <nil>
}

// What brokers drop without a word is an error before it is sent.
func ExampleAppend_unsendable() {
	_, err := codec.Append(nil, &codec.Message{Type: codec.TypeRequest})
	fmt.Println(err)
	// Output:
	// Flux message cannot be sent: request without a topic: brokers drop it in silence
}

func ExampleNewResponse() {
	req := codec.NewRequest("calc.add")
	req.Matchtag = 5
	req.Routes = codec.MakeRoutes("broker", "requester")
	resp := codec.NewResponse(req)
	fmt.Println(resp.Type, resp.Topic, resp.Matchtag, slices.Collect(resp.Routes.All()))
	// Output:
	// response calc.add 5 [broker requester]
}

func ExampleMatch() {
	fmt.Println(codec.Match("calc.*", "calc.add"))
	fmt.Println(codec.Match("calc", "calc.add"))
	fmt.Println(codec.Match("calc.[a-c]*", "calc.add"))
	// Output:
	// true
	// false
	// true
}
