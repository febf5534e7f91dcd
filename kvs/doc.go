// Package kvs reads, writes and watches the key-value store of a Flux instance.
//
// The store is a tree of keys whose words are joined by periods, such as "app.run.4.state". A [Store] is one namespace
// of it:
//
//	store := kvs.Open(client)
//	version, err := store.Put(ctx, "app.state", "ready")
//	data, err := store.Get(ctx, "app.state")
//
// # Values
//
// A value is bytes. [Store.Put] and [Txn.Put] take a []byte as it is, a string as text, without a NUL at the end, and
// encode any other Go value as JSON. [GetAs] is the way back. A value may be larger than memory: [Store.Reader] and
// [Store.Writer] move it in pieces.
//
// # Transactions and versions
//
// [Txn] collects changes that one Commit makes together or not at all. Each commit gives its namespace a new root, and
// a [Version] numbers the roots. What a commit wrote is seen at once by reads through the same broker rank; a reader at
// another rank calls [Store.WaitVersion] first. [Store.Snapshot] reads one root, whatever is committed meanwhile.
//
// # Watching
//
// [Store.Watch] is an iterator over the values that a key takes. A deletion is one of them, and not an error.
//
// # Who may do what
//
// The primary namespace is for the instance owner alone: a guest gets EPERM. What a guest may know of a job is read
// with the job services (job-info.lookup, job-info.eventlog-watch). A namespace may have another owner, see [Owner],
// who can then read and write it.
//
// # Errors
//
// An operation's error is an [*Error] with the key and the namespace. What the service said is in it:
// errors.Is(err, flux.ENOENT), and just so fs.ErrNotExist, is a missing key, flux.EISDIR and flux.ENOTDIR mean a
// directory where a value was wanted and the reverse, and [ErrNoNamespace] is a namespace that does not exist. Keys and
// values are checked before anything is sent, because the service would store an empty key: see [ErrKey].
//
// All functions may be called concurrently. The package describes tree objects by RFC 11, content by RFC 10, eventlogs
// by RFC 18; the calls are those of flux_kvs_lookup(3), flux_kvs_commit(3), flux_kvs_txn_create(3),
// flux_kvs_getroot(3) and flux_kvs_namespace_create(3).
package kvs
