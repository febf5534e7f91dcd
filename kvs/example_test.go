package kvs_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log"
	"strings"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/kvs"
)

// start starts an embedded broker, so that the examples need no Flux, and returns its store.
func start() (ctx context.Context, client *flux.Client, store *kvs.Store, stop func()) {
	broker, err := fluxtest.Start()
	if err != nil {
		log.Fatal(err)
	}
	ctx = context.Background()
	client, err = flux.Dial(ctx, broker.URI())
	if err != nil {
		log.Fatal(err)
	}
	return ctx, client, kvs.Open(client, kvs.Namespace("primary")), func() {
		client.Close()
		broker.Close()
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func Example() {
	ctx, _, store, stop := start()
	defer stop()
	_, err := store.Put(ctx, "app.workers", 4)
	check(err)
	workers, err := kvs.GetAs[int](ctx, store, "app.workers")
	check(err)
	fmt.Println(workers)
	_, err = store.Get(ctx, "app.nosuch")
	fmt.Println(err)
	// Output:
	// 4
	// kvs: get "app.nosuch" in namespace "primary": kvs.lookup: No such file or directory (ENOENT)
}

func ExampleTxn() {
	ctx, _, store, stop := start()
	defer stop()
	version, err := store.Txn().
		Put("app.config", map[string]bool{"debug": true}).
		PutText("app.state", "ready").
		Symlink("latest", "app").
		Commit(ctx)
	check(err)
	state, err := kvs.GetAs[string](ctx, store, "latest.state")
	check(err)
	fmt.Println(version, state)
	// Output: 1 ready
}

func ExampleStore_Watch() {
	ctx, _, store, stop := start()
	defer stop()
	_, err := store.Put(ctx, "app.state", "starting")
	check(err)
	for value, err := range store.Watch(ctx, "app.state") {
		check(err)
		if value.Deleted {
			fmt.Println("gone")
			break
		}
		fmt.Printf("%s\n", value.Data)
		if string(value.Data) == "starting" {
			_, err = store.Put(ctx, "app.state", "ready")
		} else {
			_, err = store.Delete(ctx, "app.state")
		}
		check(err)
	}
	// Output:
	// starting
	// ready
	// gone
}

func ExampleStore_Walk() {
	ctx, _, store, stop := start()
	defer stop()
	_, err := store.Txn().Put("a.b.c", 1).Put("a.d", 2).Symlink("a.l", "a.d").Commit(ctx)
	check(err)
	for entry, err := range store.Walk(ctx, "a") {
		check(err)
		fmt.Println(entry.Key, entry.Type)
	}
	// Output:
	// a directory
	// a.b directory
	// a.b.c value
	// a.d value
	// a.l link
}

func ExampleStore_Snapshot() {
	ctx, _, store, stop := start()
	defer stop()
	_, err := store.Put(ctx, "n", 1)
	check(err)
	before, err := store.Snapshot(ctx)
	check(err)
	_, err = store.Put(ctx, "n", 2)
	check(err)
	was, err := kvs.GetAs[int](ctx, before, "n")
	check(err)
	is, err := kvs.GetAs[int](ctx, store, "n")
	check(err)
	fmt.Println(was, is)
	// Output: 1 2
}

func ExampleStore_FS() {
	ctx, _, store, stop := start()
	defer stop()
	_, err := store.Txn().Put("conf.web.port", 80).Put("conf.name", "demo").Commit(ctx)
	check(err)
	matches, err := fs.Glob(store.FS(ctx), "conf/*/*")
	check(err)
	name, err := fs.ReadFile(store.FS(ctx), "conf/name")
	check(err)
	fmt.Println(matches, string(name))
	// Output: [conf/web/port] demo
}

func ExampleStore_Writer() {
	ctx, _, store, stop := start()
	defer stop()
	w := store.Writer(ctx, "report")
	_, err := io.Copy(w, strings.NewReader(strings.Repeat("line of a long report\n", 100000)))
	check(err)
	check(w.Close())
	r := store.Reader(ctx, "report")
	defer r.Close()
	n, err := io.Copy(io.Discard, r)
	check(err)
	fmt.Println(n, "bytes")
	// Output: 2200000 bytes
}

func ExampleStore_WaitEvent() {
	ctx, _, store, stop := start()
	defer stop()
	event, err := kvs.NewEvent("finish", map[string]int{"status": 256})
	check(err)
	_, err = store.AppendEvent(ctx, "run.eventlog", event)
	check(err)
	event, err = store.WaitEvent(ctx, "run.eventlog", "finish")
	check(err)
	var finish struct{ Status int }
	check(event.Decode(&finish))
	fmt.Println(event.Name, finish.Status)
	// Output: finish 256
}

func ExampleCreateNamespace() {
	ctx, client, _, stop := start()
	defer stop()
	check(kvs.CreateNamespace(ctx, client, "run7"))
	run := kvs.Open(client, kvs.Namespace("run7"))
	_, err := run.Put(ctx, "state", "ready")
	check(err)
	check(kvs.RemoveNamespace(ctx, client, "run7"))
	_, err = run.Get(ctx, "state")
	fmt.Println(err)
	// Output: kvs: get "state" in namespace "run7": no such namespace: kvs.lookup: Operation not supported (EOPNOTSUPP)
}
