package flux

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// PayloadCodec turns Go values into the JSON objects that Flux payloads are,
// and back; see [WithPayloadCodec]. Both methods may be called concurrently.
type PayloadCodec interface {
	// Marshal returns a JSON object, without the trailing NUL. The bytes are
	// the caller's from then on.
	Marshal(v any) ([]byte, error)
	// Unmarshal decodes a JSON object into v. It must not keep data.
	Unmarshal(data []byte, v any) error
}

type jsonCodec struct{}

func (jsonCodec) Marshal(v any) ([]byte, error)      { return json.Marshal(v) }
func (jsonCodec) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }

// ownJSON encodes one of the library's own requests, which is not for the
// user's codec. v must be something that can be encoded.
func ownJSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// decodeOwn decodes the response to one of the library's own requests.
func (r Response) decodeOwn(v any) error {
	if r.r == nil {
		return errNoResponse
	}
	return r.view().decodeBy(json.Unmarshal, v)
}

// content is a received message as a Request or an Event has it.
type content struct {
	err   error // what went wrong here
	codec PayloadCodec
	msg   codec.Message     // zero for a local error
	mem   *transport.Memory // what msg refers to, if it can be used again; released
}

func (c *content) view() view { return view{c.err, c.codec, c.msg.Payload, c.msg.HasPayload(), c.mem} }

// view is what the roads to the payload of a received message need. Each of them
// passes err first.
type view struct {
	err     error // what the message says went wrong, or what went wrong here
	codec   PayloadCodec
	payload []byte
	has     bool
	mem     *transport.Memory
}

func (v view) bytes() ([]byte, error) {
	if v.err != nil {
		return nil, v.err
	}
	if v.mem == released {
		return nil, ErrReleased
	}
	return v.payload, nil
}

func (v view) text() (string, error) {
	switch {
	case v.err != nil:
		return "", v.err
	case v.mem == released:
		return "", ErrReleased
	case !v.has:
		return "", ErrNoPayload
	}
	return codec.TextPayload(v.payload)
}

func (v view) decodeBy(unmarshal func([]byte, any) error, into any) error {
	switch {
	case v.err != nil:
		return v.err
	case v.mem == released:
		return fmt.Errorf("decode into %T: %w", into, ErrReleased)
	case !v.has:
		return fmt.Errorf("decode into %T: %w", into, ErrNoPayload)
	}
	b, err := codec.JSONPayload(v.payload)
	if err != nil {
		return fmt.Errorf("decode into %T: %w", into, err)
	}
	if _, ok := into.(*json.RawMessage); ok {
		unmarshal = json.Unmarshal // JSON as it is has no need of a codec
	}
	if err := unmarshal(b, into); err != nil {
		return fmt.Errorf("decode %.60q into %T: %w", b, into, err)
	}
	return nil
}

func (v view) decode(into any) error {
	if v.err != nil {
		return v.err // an item without a message has no codec either
	}
	return v.decodeBy(v.codec.Unmarshal, into)
}

// decodeStrict refuses members that there is no place for, as an unpack format
// that ends in "!" does in libflux.
func (v view) decodeStrict(into any) error {
	return v.decodeBy(func(b []byte, into any) error {
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil {
			return err
		}
		// Decoder.More does not see a closing bracket.
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return errors.New("data after the JSON object")
		}
		return nil
	}, into)
}
