package kvs

import (
	"encoding/json"
	"fmt"

	"github.com/flux-sdk/flux"
)

// lookupArgs are those of a lookup.
type lookupArgs struct {
	key          string
	flags        int
	namespace    string
	hasNamespace bool
	root         string // "" without a rootdir
	seq          int64
}

// lookupArgs decodes a request.
func (r *request) lookupArgs() (a lookupArgs, errno flux.Errno) {
	var okKey, okFlags bool
	a.key, okKey = r.args.text("key")
	flags, okFlags := r.args.integer("flags")
	a.flags = int(flags)
	if raw, has := r.args["namespace"]; has {
		if a.namespace, a.hasNamespace = parseText(raw); !a.hasNamespace {
			return a, flux.EPROTO
		}
	}
	a.seq = -1
	if _, has := r.args["rootseq"]; has {
		var isInt bool
		if a.seq, isInt = r.args.integer("rootseq"); !isInt {
			return a, flux.EPROTO
		}
	}
	rootdir, hasRoot := r.args["rootdir"]
	if !okKey || !okFlags || !a.hasNamespace && !hasRoot {
		return a, flux.EPROTO
	}
	if hasRoot {
		o := parseObject(rootdir, 0)
		if o == nil || o.kind != typeDirref {
			return a, flux.EINVAL
		}
		a.root = o.refs[0]
	}
	return a, 0
}

// lookupFor answers a lookup, or says why not. An object of nil is no entry.
func (r *request) lookupFor() (o *object, at root, errno flux.Errno) {
	a, errno := r.lookupArgs()
	if errno != 0 {
		return nil, at, errno
	}
	at = root{ref: a.root, seq: a.seq}
	if a.root == "" {
		current, errno := r.s.rootAt(r.at, a.namespace, r.user)
		if errno != 0 {
			return nil, at, errno
		}
		at = *current
	}
	rd := &reader{r.s, r.at, r.user}
	o, errno = rd.find(at.ref, a.key, a.flags)
	return o, at, errno
}

func lookup(r *request) {
	o, _, errno := r.lookupFor()
	if o == nil && errno == 0 {
		errno = flux.ENOENT
	}
	if errno != 0 {
		r.Fail(errno, "")
		return
	}
	r.Respond(struct {
		Val *object `json:"val"`
	}{o})
}

// lookupPlus says at which root it looked. A real instance dies of a request that has a rootdir and no rootseq; here it
// is invalid.
func lookupPlus(r *request) {
	o, at, errno := r.lookupFor()
	if errno == 0 && at.seq < 0 {
		errno = flux.EINVAL
	}
	if errno != 0 {
		r.Fail(errno, "")
		return
	}
	errnum := 0
	if o == nil {
		errnum = int(flux.ENOENT)
	}
	r.Respond(struct {
		Val     *object `json:"val,omitempty"`
		Errnum  int     `json:"errno,omitempty"`
		RootSeq int64   `json:"rootseq"`
		RootRef string  `json:"rootref"`
	}{o, errnum, at.seq, at.ref})
}

// version is how an answer names a root.
type version struct {
	RootRef string `json:"rootref"`
	RootSeq int64  `json:"rootseq"`
}

func commit(r *request) {
	namespace, okNamespace := r.args.text("namespace")
	flags, okFlags := r.args.integer("flags")
	rawOps, okOps := r.args["ops"]
	if !okNamespace || !okFlags || !okOps {
		r.Fail(flux.EPROTO, "")
		return
	}
	var ops []json.RawMessage
	_ = json.Unmarshal(rawOps, &ops) // what is no array has no operations
	if !r.user.owner {
		if text, errno := guestMay(ops); errno != 0 {
			r.Fail(errno, text)
			return
		}
	}
	if _, errno := r.s.rootAt(r.at, namespace, r.user); errno != 0 {
		r.Fail(errno, "")
		return
	}
	name := fmt.Sprintf("transaction_req.%d.%d", r.at, r.s.seq)
	r.s.seq++
	current := r.s.namespaces[namespace]
	ref, errno := "", flux.EINVAL
	if flags&commitSync == 0 || namespace == "primary" {
		ref, errno = r.s.apply(namespace, current.ref, ops)
	}
	if errno != 0 {
		r.s.publish("kvs.namespace-"+namespace+"-error", struct {
			Namespace string   `json:"namespace"`
			Names     []string `json:"names"`
			Errnum    int32    `json:"errnum"`
		}{namespace, []string{name}, int32(errno)})
		r.Fail(errno, "")
		return
	}
	if flags&commitSync != 0 {
		r.s.noteCheckpoint(ref, current.seq+1)
	}
	r.s.setRoot(&setroot{current, ref, current.seq + 1, keysOf(ops), name, r.KeepHeader()})
}

// guestMay checks what a guest wants to commit.
func guestMay(ops []json.RawMessage) (text string, errno flux.Errno) {
	for _, raw := range ops {
		_, _, entry, ok := parseOp(raw)
		if !ok {
			return "could not decode commit operation", flux.EPROTO
		}
		if string(entry) == "null" {
			continue
		}
		f := parseFields(entry)
		kind, isText := f.text("type")
		data := parseFields(f["data"])
		switch {
		case kind == typeVal, kind == typeDir && data != nil && len(data) == 0:
			continue
		case !isText:
			kind = "???"
		case kind == typeDir:
			kind = "non-empty dir"
		}
		return "guests may not commit " + kind + " objects", flux.EPERM
	}
	return "", 0
}

// keysOf returns the keys that operations name.
func keysOf(ops []json.RawMessage) map[string]any {
	keys := make(map[string]any, len(ops))
	for _, raw := range ops {
		key, _, _, _ := parseOp(raw)
		keys[normalize(key)] = nil
	}
	return keys
}

func getRoot(r *request) {
	namespace, ok := r.args.text("namespace")
	if !ok {
		r.Fail(flux.EPROTO, "")
		return
	}
	at, errno := r.s.rootAt(r.at, namespace, r.user)
	if errno != 0 {
		r.Fail(errno, "")
		return
	}
	r.Respond(struct {
		Owner     int32  `json:"owner"` // signed, as the service writes it
		RootSeq   int64  `json:"rootseq"`
		RootRef   string `json:"rootref"`
		Flags     int64  `json:"flags"`
		Namespace string `json:"namespace"`
	}{int32(at.owner), at.seq, at.ref, at.flags, at.name})
}

func waitVersion(r *request) {
	seq, okSeq := r.args.integer("rootseq")
	namespace, okNamespace := r.args.text("namespace")
	if !okSeq || !okNamespace {
		r.Fail(flux.EPROTO, "")
		return
	}
	at, errno := r.s.rootAt(r.at, namespace, r.user)
	switch {
	case errno != 0:
		r.Fail(errno, "")
	case at.seq < seq:
		view := r.rank.views[namespace]
		view.waiters = append(view.waiters, waiter{r.KeepHeader(), seq})
	default:
		r.Respond(version{at.ref, at.seq})
	}
}
