package kvs

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// content keeps blobs by their references.
type content struct {
	sha256 bool
	blobs  map[string][]byte
	dirs   map[string]*object // what blobs decode to, where that was asked for
	bytes  int64
}

func newContent(hash string) *content {
	return &content{sha256: hash == "sha256", blobs: make(map[string][]byte), dirs: make(map[string]*object)}
}

// digest hashes a blob.
func (c *content) digest(blob []byte) []byte {
	if c.sha256 {
		sum := sha256.Sum256(blob)
		return sum[:]
	}
	sum := sha1.Sum(blob)
	return sum[:]
}

func (c *content) ref(digest []byte) string {
	if c.sha256 {
		return "sha256-" + hex.EncodeToString(digest)
	}
	return "sha1-" + hex.EncodeToString(digest)
}

// size is the length of a digest.
func (c *content) size() int {
	if c.sha256 {
		return sha256.Size
	}
	return sha1.Size
}

// store keeps a blob, which must not change, and returns its reference.
func (c *content) store(blob []byte) string {
	ref := c.ref(c.digest(blob))
	if _, ok := c.blobs[ref]; !ok {
		c.blobs[ref] = blob
		c.bytes += int64(len(blob))
	}
	return ref
}

// storeDir keeps a directory and returns its reference.
func (c *content) storeDir(dir *object) string {
	ref := c.store(dir.appendTo(nil))
	c.dirs[ref] = dir
	return ref
}

// loadDir returns the tree object that a blob holds. found says whether there is such a blob; the object is nil if that
// holds none.
func (c *content) loadDir(ref string) (dir *object, found bool) {
	blob, found := c.blobs[ref]
	if !found {
		return nil, false
	}
	dir, ok := c.dirs[ref]
	if !ok {
		dir = parseObject(blob, 0)
		c.dirs[ref] = dir
	}
	return dir, true
}

// digestOf returns the hash in a reference, if that is one.
func digestOf(ref string) ([]byte, bool) {
	hash, digits, _ := strings.Cut(ref, "-")
	size := map[string]int{"sha1": sha1.Size, "sha256": sha256.Size}[hash]
	digest, err := hex.DecodeString(digits)
	return digest, size > 0 && err == nil && len(digest) == size && strings.ToLower(digits) == digits
}

func encodeBase64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
