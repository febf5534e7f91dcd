package kvs

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"sync"

	"github.com/flux-sdk/flux"
)

// errLoopLeft says that the consumer has left the loop.
var errLoopLeft = errors.New("loop left")

// maxUnsent is how many requests in a row may find no connection before the client is taken to have given up. While it
// makes a new one a request waits, so more than one means that a new connection was lost again at once.
const maxUnsent = 3

// watch is a watch at work. It belongs to the goroutine of the loop.
type watch struct {
	watchOptions
	s     *Store
	key   string
	yield func(Value, error) bool

	begun   bool              // something has been yielded
	there   bool              // the last of it was a value
	last    [sha256.Size]byte // what that was, with resume
	version Version           // the namespace had at least this when the current stream began
	lost    error             // what ended the stream before, if the connection was lost
	stuckAt Version           // where the service last gave up waiting
	stuck   int               // how often in a row
	unsent  int               // requests in a row that found no connection
	read    progress          // with Append
}

func (w *watch) appending() bool { return w.flags&flagWatchAppend != 0 }

// send yields an item.
func (w *watch) send(v Value, err error) error {
	w.begun = true
	if !w.yield(v, err) {
		return errLoopLeft
	}
	return nil
}

// run opens one stream after the other until there is an end. Nil is a clean one.
func (w *watch) run(ctx context.Context) error {
	for {
		err := w.once(ctx)
		switch {
		case errors.Is(err, errLinkMade):
		case remoteErrno(err) == flux.ENOENT && w.there:
			w.there, w.read = false, progress{marked: w.read.marked}
			if err := w.send(Value{Deleted: true}, nil); err != nil {
				return err
			}
		case remoteErrno(err) == flux.ENOENT && w.waiting() && w.goesOnWaiting():
		case w.resume && errors.Is(err, flux.ErrConnLost) && w.unsent < maxUnsent:
			w.lost = err
			if flux.SafeToRetry(err) {
				w.unsent++
			}
		case remoteErrno(err) == flux.EINVAL && w.appending() && w.there:
			return &meaning{text: ErrOverwritten.Error(), means: ErrOverwritten, err: err}
		default:
			return err
		}
	}
}

// maxStuck is how often in a row the service may give up waiting at one version. It may know of a commit a little
// before the version does; more often than that there is another reason, such as a value whose content is missing.
const maxStuck = 3

// goesOnWaiting says whether to wait again after the service gave up waiting for a missing key. It does that when a
// commit removes the missing key, and with Full at any commit.
func (w *watch) goesOnWaiting() bool {
	if w.version != w.stuckAt {
		w.stuckAt, w.stuck = w.version, 0
	}
	w.stuck++
	return w.stuck <= maxStuck
}

// waiting says whether the key may be missing.
func (w *watch) waiting() bool { return !w.there && (w.begun || w.flags&flagWaitCreate != 0) }

// once runs one stream to its end.
func (w *watch) once(ctx context.Context) error {
	var links sync.WaitGroup
	defer links.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	waiting := w.waiting()
	at, err := w.s.findWatched(ctx, w.key, w.flags, waiting)
	if err != nil {
		return err
	}
	w.unsent = 0
	repeats, err := w.resumed(at.version)
	if err != nil {
		return err
	}
	flags := w.flags &^ flagWaitCreate
	if waiting {
		flags |= flagWaitCreate
	}
	stream, err := at.store.watchStream(ctx, at.key, flags, w.stream)
	if err != nil {
		return err
	}
	made := at.watchForLinks(ctx, &links)
	for {
		select {
		case <-made:
			return errLinkMade
		case r, ok := <-stream:
			if !ok {
				return ctx.Err()
			}
			err := w.item(r, at.key, &repeats)
			r.Release()
			if err != nil {
				return err
			}
			made = nil
		}
	}
}

// resumed notes that a stream begins, at a version. If the stream before was lost and something may have been missed,
// it tells the consumer. It returns whether the first item may be what the consumer has already.
func (w *watch) resumed(version Version) (repeats bool, err error) {
	lost, before := w.lost, w.version
	w.lost, w.version = nil, version
	if lost == nil || !w.begun {
		return false, nil
	}
	if w.appending() {
		w.read.rewind()
		return false, nil
	}
	if version == before {
		return true, nil // nothing was committed
	}
	gap := &flux.GapError{Dropped: -1, Cause: fmt.Errorf(
		"the watch resumed at version %d, and was at version %d or later before: %w", version, before, lost)}
	return w.flags&(flagWatchUnique|flagWatchFull) != 0, w.send(Value{}, w.s.fail("watch", w.key, gap))
}

// item passes on one response.
func (w *watch) item(r flux.Response, key string, repeats *bool) error {
	payload, err := r.Bytes()
	if err != nil {
		return err
	}
	if len(payload) == 0 {
		return w.marker()
	}
	var answer lookupAnswer
	if err := decode(r, &answer); err != nil {
		return err
	}
	if answer.Val == nil {
		return fmt.Errorf("the answer has no tree object")
	}
	v, err := w.value(key, answer.Val)
	if err != nil {
		return err
	}
	if w.appending() {
		w.there = true
		data, err := w.read.next(v.Data)
		if err != nil || len(data) == 0 && len(v.Data) > 0 {
			return err
		}
		return w.send(Value{Data: data}, nil)
	}
	again := false
	if w.resume {
		sum, err := digestOf(answer.Val)
		if err != nil {
			return err
		}
		again = *repeats && w.there && sum == w.last
		w.last, *repeats = sum, false
	}
	w.there = true
	if again {
		return nil
	}
	return w.send(v, nil)
}

// marker passes on that the beginning has been delivered, once.
func (w *watch) marker() error {
	if w.read.marked {
		return nil
	}
	w.read.marked = true
	return w.send(Value{Marker: true}, nil)
}

// value returns what a tree object is to the consumer.
func (w *watch) value(key string, o *object) (Value, error) {
	switch {
	case o.kind == typeDir && w.flags&flagReadDir != 0:
		return Value{Entries: entriesOf(key, o)}, nil
	case o.kind == typeVal && w.flags&flagReadDir == 0:
		return Value{Data: o.data}, nil
	}
	return Value{}, fmt.Errorf("the answer is an unexpected %s", o.kind)
}

// digestOf tells values apart without keeping them.
func digestOf(o *object) (sum [sha256.Size]byte, err error) {
	data := o.data
	if o.kind == typeDir {
		if data, err = json.Marshal(o); err != nil {
			return sum, err
		}
	}
	return sha256.Sum256(data), nil
}

// progress is how much of a value that is appended to has been delivered. After a lost connection the service sends it
// from the beginning again.
type progress struct {
	bytes  int64
	sum    hash.Hash // of them
	marked bool

	skip    int64 // of what comes, so much has been delivered
	skipped hash.Hash
}

// rewind notes that the value will come from the beginning.
func (p *progress) rewind() { p.skip, p.skipped = p.bytes, sha256.New() }

// next takes a piece and returns what of it is new.
func (p *progress) next(data []byte) ([]byte, error) {
	if p.sum == nil {
		p.sum = sha256.New()
	}
	if p.skip > 0 {
		n := min(p.skip, int64(len(data)))
		p.skipped.Write(data[:n])
		data, p.skip = data[n:], p.skip-n
		if p.skip == 0 && string(p.skipped.Sum(nil)) != string(p.sum.Sum(nil)) {
			return nil, fmt.Errorf("%w while the connection was lost", ErrOverwritten)
		}
	}
	p.sum.Write(data)
	p.bytes += int64(len(data))
	return data, nil
}
