package flux

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
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
	if r.c == nil {
		return errNoResponse
	}
	return r.c.decodeBy(json.Unmarshal, v)
}

// content is what a Response, an Event and a Request are made of: a received
// message, or the local error that stands in its place. Each road to the payload
// passes err first.
type content struct {
	err   error // what the message says went wrong, or what went wrong here
	codec PayloadCodec
	msg   codec.Message   // zero for a local error
	mem   *framing.Memory // what msg refers to, if it can be used again; released
}

func (c *content) bytes() ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	if c.mem == released {
		return nil, ErrReleased
	}
	return c.msg.Payload, nil
}

func (c *content) text() (string, error) {
	switch {
	case c.err != nil:
		return "", c.err
	case c.mem == released:
		return "", ErrReleased
	case !c.msg.HasPayload():
		return "", ErrNoPayload
	}
	return codec.TextPayload(c.msg.Payload)
}

func (c *content) decodeBy(unmarshal func([]byte, any) error, into any) error {
	switch {
	case c.err != nil:
		return c.err
	case c.mem == released:
		return fmt.Errorf("decode into %T: %w", into, ErrReleased)
	case !c.msg.HasPayload():
		return fmt.Errorf("decode into %T: %w", into, ErrNoPayload)
	}
	b, err := codec.JSONPayload(c.msg.Payload)
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

func (c *content) decode(into any) error {
	if c.err != nil {
		return c.err // an item without a message has no codec either
	}
	return c.decodeBy(c.codec.Unmarshal, into)
}

// decodeStrict refuses members that there is no place for, as an unpack format
// that ends in "!" does in libflux.
func (c *content) decodeStrict(into any) error {
	return c.decodeBy(func(b []byte, into any) error {
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
