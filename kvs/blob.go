package kvs

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/flux-sdk/flux"
)

// BlobRef names a blob of the content store by its hash, RFC 10: "sha1-" or "sha256-" and the digest in lower case
// hexadecimal digits.
type BlobRef string

// digestSizes are the hashes that content.hash may name.
var digestSizes = map[string]int{"sha1": sha1.Size, "sha256": sha256.Size}

// RefOf returns the reference of a blob. hash is "sha1" or "sha256", the broker attribute content.hash.
func RefOf(hash string, data []byte) (BlobRef, error) {
	switch hash {
	case "sha1":
		sum := sha1.Sum(data)
		return refOf(hash, sum[:]), nil
	case "sha256":
		sum := sha256.Sum256(data)
		return refOf(hash, sum[:]), nil
	}
	return "", fmt.Errorf("kvs: hash %q: expected sha1 or sha256", hash)
}

func refOf(hash string, digest []byte) BlobRef {
	return BlobRef(hash + "-" + hex.EncodeToString(digest))
}

// ParseBlobRef checks a reference.
func ParseBlobRef(s string) (BlobRef, error) {
	ref := BlobRef(s)
	if err := ref.check(); err != nil {
		return "", fmt.Errorf("kvs: %w", err)
	}
	return ref, nil
}

func (r BlobRef) check() error {
	_, err := r.digest()
	return err
}

// digest returns the hash itself.
func (r BlobRef) digest() ([]byte, error) {
	hash, digits, _ := strings.Cut(string(r), "-")
	size, ok := digestSizes[hash]
	if !ok {
		return nil, fmt.Errorf("blob reference %.80q: expected sha1- or sha256- and hexadecimal digits", string(r))
	}
	if len(digits) != 2*size || strings.ToLower(digits) != digits {
		return nil, fmt.Errorf("blob reference %.80q: expected %d hexadecimal digits in lower case", string(r), 2*size)
	}
	digest, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("blob reference %.80q: %w", string(r), err)
	}
	return digest, nil
}

// matches reports whether a blob has this reference.
func (r BlobRef) matches(blob []byte) bool {
	hash, _, _ := strings.Cut(string(r), "-")
	ref, err := RefOf(hash, blob)
	return err == nil && ref == r
}

// StoreBlob puts a blob in the content store and returns its reference, which is the same for the same bytes. Only the
// instance owner may. A blob that no key refers to may be dropped when the instance collects garbage.
func StoreBlob(ctx context.Context, c flux.Caller, data []byte) (BlobRef, error) {
	r, err := c.Call(ctx, "content.store", data)
	var digest []byte
	if err == nil {
		digest, err = r.Bytes()
	}
	if err != nil {
		return "", &Error{Op: "store blob", Err: err}
	}
	for hash, size := range digestSizes {
		if len(digest) == size {
			return refOf(hash, digest), nil
		}
	}
	return "", &Error{Op: "store blob", Err: fmt.Errorf("the answer has %d bytes, which is no known hash", len(digest))}
}

// LoadBlob returns a blob of the content store. The error matches flux.ENOENT if it has none with this reference.
// Only the instance owner may. The bytes are checked against the reference.
func LoadBlob(ctx context.Context, c flux.Caller, ref BlobRef) ([]byte, error) {
	data, err := loadBlob(ctx, c, ref)
	if err != nil {
		return nil, &Error{Op: "load blob", Key: string(ref), Err: err}
	}
	return data, nil
}

func loadBlob(ctx context.Context, c flux.Caller, ref BlobRef) ([]byte, error) {
	digest, err := ref.digest()
	if err != nil {
		return nil, err
	}
	r, err := c.Call(ctx, "content.load", digest)
	if err != nil {
		return nil, err
	}
	payload, err := r.Bytes()
	if err != nil {
		return nil, err
	}
	if !ref.matches(payload) {
		return nil, fmt.Errorf("the content store answered with %d bytes of another blob", len(payload))
	}
	data := bytes.Clone(payload)
	r.Release()
	return data, nil
}

// emptyDir is the content of a directory without entries.
var emptyDir = func() []byte {
	b, err := json.Marshal(object{kind: typeDir})
	if err != nil {
		panic(err)
	}
	return b
}()
