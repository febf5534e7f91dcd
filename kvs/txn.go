package kvs

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/flux-sdk/flux"
)

// Txn is a transaction: changes that are made in their order, together, by one Commit. It is made by [Store.Txn].
//
//	version, err := store.Txn().Put("app.state", "done").Delete("app.lock").Commit(ctx)
//
// Its methods return the Txn itself. What is wrong with an argument is kept and returned by Commit, which then sends
// nothing. A Txn must not be used by several goroutines at once. It may be committed again, which makes the same
// changes once more.
type Txn struct {
	s       *Store
	ops     []txnOp
	appends bool // to tell apart what EOPNOTSUPP means
	err     error
	op, key string // for the error
}

// txnOp is one operation in the payload of kvs.commit.
type txnOp struct {
	key   string
	flags int
	entry *object // nil removes the key
}

// Txn returns an empty transaction.
func (s *Store) Txn() *Txn { return &Txn{s: s, op: "commit"} }

// Put gives a key a value, whatever it was before: a directory goes with all that is in it. A []byte is stored as it
// is, a string as text, without a NUL, and any other value as JSON. Missing directories on the way are made, and a
// value on the way becomes a directory.
func (t *Txn) Put(key string, v any) *Txn {
	data, err := encodeValue(v)
	if err != nil {
		return t.refuse(key, err)
	}
	return t.add(key, 0, &object{kind: typeVal, data: data})
}

// PutText gives a key a text, without a NUL.
func (t *Txn) PutText(key, text string) *Txn { return t.Put(key, text) }

// PutBytes gives a key these bytes. They must not be changed before the commit.
func (t *Txn) PutBytes(key string, data []byte) *Txn { return t.Put(key, data) }

// Append adds to the end of a value, which is made if there is none. v is as for Put. A directory or a link cannot be
// appended to: Commit returns EISDIR or EOPNOTSUPP then.
func (t *Txn) Append(key string, v any) *Txn {
	data, err := encodeValue(v)
	if err != nil {
		return t.refuse(key, err)
	}
	t.appends = true
	return t.add(key, flagAppend, &object{kind: typeVal, data: data})
}

// Mkdir makes an empty directory. What was there goes, a directory with all that is in it.
func (t *Txn) Mkdir(key string) *Txn { return t.add(key, 0, &object{kind: typeDir}) }

// Symlink makes key a link to the key target, which is counted from the root of the namespace and need not exist.
func (t *Txn) Symlink(key, target string) *Txn { return t.link(key, "", target) }

// SymlinkTo makes key a link to a key in another namespace. It can be read through; writing through it is refused with
// EINVAL.
func (t *Txn) SymlinkTo(key, namespace, target string) *Txn {
	if err := checkNamespace(namespace); err != nil {
		return t.refuse(key, err)
	}
	return t.link(key, namespace, target)
}

func (t *Txn) link(key, namespace, target string) *Txn {
	target, err := cleanKey(target)
	if err != nil {
		return t.refuse(key, fmt.Errorf("target of the link: %w", err))
	}
	return t.add(key, 0, &object{kind: typeSymlink, target: target, namespace: namespace})
}

// Delete removes a key, with all that is below it. It is no error if there is no such key.
func (t *Txn) Delete(key string) *Txn { return t.add(key, 0, nil) }

// Len returns the number of changes.
func (t *Txn) Len() int { return len(t.ops) }

func (t *Txn) add(key string, flags int, o *object) *Txn {
	clean, err := cleanWriteKey(key)
	if err != nil {
		return t.refuse(key, err)
	}
	t.ops = append(t.ops, txnOp{clean, flags, o})
	return t
}

// refuse keeps the first error.
func (t *Txn) refuse(key string, err error) *Txn {
	if t.err == nil {
		t.err, t.key = err, key
	}
	return t
}

// encodeValue returns the bytes of a value.
func encodeValue(v any) ([]byte, error) {
	switch v := v.(type) {
	case []byte:
		return v, nil
	case string:
		if !utf8.ValidString(v) {
			return nil, fmt.Errorf("the text is not UTF-8: %.40q; pass bytes as a []byte", v)
		}
		return []byte(v), nil
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("a %T cannot be encoded: %w", v, err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// CommitOption changes how a transaction is committed.
type CommitOption func(*commitRequest)

// Commit flags of flux_kvs_commit(3).
const (
	commitNoMerge = 1
	commitCompact = 2
	commitSync    = 4
)

// NoMerge gives the commit a version of its own. Without it the service may make several commits one root.
func NoMerge() CommitOption { return func(r *commitRequest) { r.flags |= commitNoMerge } }

// Compact lets the service join several appends to one key in the transaction.
func Compact() CommitOption { return func(r *commitRequest) { r.flags |= commitCompact } }

// Sync makes the commit return when its content is in the backing store and noted in a checkpoint. It is for the
// primary namespace; elsewhere the service answers EINVAL.
func Sync() CommitOption { return func(r *commitRequest) { r.flags |= commitSync } }

type commitRequest struct {
	namespace string
	flags     int
	ops       []txnOp
}

// payload encodes the request. A large value is copied once, where package json would pass over it several times.
func (r *commitRequest) payload() ([]byte, error) {
	size := 64
	for _, op := range r.ops {
		size += len(op.key) + 64
		if op.entry != nil {
			size += base64.StdEncoding.EncodedLen(len(op.entry.data))
		}
	}
	b := append(make([]byte, 0, size), `{"namespace":`...)
	b, err := appendText(b, r.namespace)
	if err != nil {
		return nil, err
	}
	b = append(b, `,"flags":`...)
	b = strconv.AppendInt(b, int64(r.flags), 10)
	b = append(b, `,"ops":[`...)
	for i := range r.ops {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = r.ops[i].appendTo(b); err != nil {
			return nil, err
		}
	}
	return append(b, "]}\x00"...), nil
}

func (op *txnOp) appendTo(b []byte) ([]byte, error) {
	b, err := appendText(append(b, `{"key":`...), op.key)
	if err != nil {
		return nil, err
	}
	b = append(b, `,"flags":`...)
	b = strconv.AppendInt(b, int64(op.flags), 10)
	b = append(b, `,"dirent":`...)
	if op.entry == nil {
		b = append(b, "null"...)
	} else if b, err = op.entry.appendTo(b); err != nil {
		return nil, err
	}
	return append(b, '}'), nil
}

// appendText appends a JSON string.
func appendText(b []byte, s string) ([]byte, error) {
	text, err := json.Marshal(s)
	return append(b, text...), err
}

type commitAnswer struct {
	RootRef BlobRef `json:"rootref"`
	RootSeq Version `json:"rootseq"`
}

// Commit makes the changes, all or none, and returns the version that has them. A transaction without changes is
// committed as well and gets a version. If the error is of this side and flux.SafeToRetry is not true for it, the
// changes may have been made; they have been if the version is not 0.
//
// Through a rank other than 0 a commit takes two requests, because that rank's own answer would not tell the version.
func (t *Txn) Commit(ctx context.Context, opts ...CommitOption) (Version, error) {
	answer, err := t.commit(ctx, opts)
	return answer.RootSeq, t.s.fail(t.op, t.key, err)
}

func (t *Txn) commit(ctx context.Context, opts []CommitOption) (answer commitAnswer, err error) {
	switch {
	case t.err != nil:
		return answer, t.err
	case t.s.err != nil:
		return answer, t.s.err
	case t.s.root != "":
		return answer, ErrSnapshot
	}
	req := commitRequest{namespace: t.s.namespace, ops: t.ops}
	for _, opt := range opts {
		opt(&req)
	}
	payload, err := req.payload()
	if err != nil {
		return answer, err
	}
	answer, err = t.s.sendCommit(ctx, payload)
	if remoteErrno(err) == flux.EOPNOTSUPP && t.appends {
		// It is the answer to appending to a link as well as to an unknown namespace.
		if _, rootErr := t.s.Root(ctx); rootErr == nil {
			err = &meaning{text: errAppendToLink.Error(), means: errAppendToLink, err: err}
		}
	}
	return answer, err
}

var errAppendToLink = errors.New("a link cannot be appended to")
