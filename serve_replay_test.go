package flux

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/transport"
)

// replayServe serves until nothing moves any more, which is when the recorded
// service was taken down. It is for a replay's bubble.
func replayServe(t *testing.T, c *Client, name string, h Handler) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Serve(ctx, name, h) }()
	synctest.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

type object1 = map[string]int

func TestServeReplayServiceBasic(t *testing.T) {
	replay{file: "service-basic"}.run(t, func(t *testing.T, c *Client) {
		mux := NewServeMux()
		mux.Handle("scnsvc.hello", Unary(func(ctx context.Context, req object1) (object1, error) {
			if req["x"] != 1 {
				t.Errorf("request is %v, want x 1", req)
			}
			r := RequestFrom(ctx)
			if r.Topic() != "scnsvc.hello" || r.UserID() != 0 || r.Roles() != RoleOwner|RoleLocal ||
				r.Sender() != "7b7126b5-6888-4bfa-86c6-626f61ada8f2" || r.Streaming() || r.NoResponse() {
				t.Errorf("request is of %s from %s, %d, %v, streaming %v, no response %v",
					r.Topic(), r.Sender(), r.UserID(), r.Roles(), r.Streaming(), r.NoResponse())
			}
			return object1{"y": 2}, nil
		}))
		mux.Handle("scnsvc.nopayload", Unary(func(context.Context, struct{}) (struct{}, error) {
			return struct{}{}, nil
		}))
		mux.HandleFunc("scnsvc.fail", func(context.Context, Responder, *Request) error {
			return &Error{Errno: ENOENT, Message: "no such thing"}
		})
		mux.HandleFunc("scnsvc.fail2", func(context.Context, Responder, *Request) error { return EINVAL })
		replayServe(t, c, "scnsvc", mux)
	})
}

func TestServeReplayServiceStreaming(t *testing.T) {
	replay{file: "service-streaming"}.run(t, func(t *testing.T, c *Client) {
		mux := NewServeMux()
		mux.Handle("scnstr.watch", ServerStream(func(_ context.Context, req object1) iter.Seq2[object1, error] {
			return func(yield func(object1, error) bool) {
				for i := range req["n"] {
					if !yield(object1{"i": i}, nil) {
						return
					}
				}
			}
		}), Streaming())
		replayServe(t, c, "scnstr", mux)
	})
}

func TestServeReplayServiceCancel(t *testing.T) {
	replay{file: "service-cancel"}.run(t, func(t *testing.T, c *Client) {
		mux := NewServeMux()
		mux.HandleFunc("scncan.watch", func(ctx context.Context, w Responder, _ *Request) error {
			if err := w.Send(object1{"first": 1}); err != nil {
				return err
			}
			<-ctx.Done()
			if err := context.Cause(ctx); err != ErrPeerCanceled {
				t.Errorf("cause is %v, want %v", err, ErrPeerCanceled)
			}
			return ctx.Err()
		}, Streaming())
		replayServe(t, c, "scncan", mux)
	})
}

func TestServeReplayServiceDisconnect(t *testing.T) {
	late := func(r *capture.Record) bool {
		// The C service of the recording responded after the disconnect, to
		// show that it makes no difference. This one does not.
		return string(r.Msg.Payload) == "{\"late\":1}\x00"
	}
	replay{file: "service-disconnect", skip: late}.run(t, func(t *testing.T, c *Client) {
		var mu sync.Mutex
		var ended []string
		mux := NewServeMux()
		wait := func(ctx context.Context, w Responder, r *Request) error {
			<-ctx.Done()
			if err := context.Cause(ctx); err != ErrPeerDisconnected {
				t.Errorf("cause is %v, want %v", err, ErrPeerDisconnected)
			}
			if err := w.Respond(object1{"late": 1}); err != ErrPeerDisconnected {
				t.Errorf("responding is %v, want %v", err, ErrPeerDisconnected)
			}
			mu.Lock()
			ended = append(ended, r.Topic())
			mu.Unlock()
			return ctx.Err()
		}
		mux.HandleFunc("scndis.*", wait, Sequential())
		mux.HandleFunc("scndis.watch", func(ctx context.Context, w Responder, r *Request) error {
			if err := w.Send(object1{"first": 1}); err != nil {
				t.Error(err)
			}
			return wait(ctx, w, r)
		}, Streaming())
		replayServe(t, c, "scndis", mux)
		// Those behind the first of the sequential route, and that one too if
		// it was not quick, are over without having been handled.
		if !slices.Contains(ended, "scndis.watch") || len(ended) > 2 ||
			len(ended) == 2 && !slices.Contains(ended, "scndis.sub.method") {
			t.Errorf("handled and ended were %q", ended)
		}
	})
}

func TestServeReplayServiceErrors(t *testing.T) {
	call := func(t *testing.T, c *Client, topic string, req any, want Errno) {
		t.Helper()
		_, err := c.Call(t.Context(), topic, req)
		wantRemote(t, err, Error{Topic: topic, Errno: want})
	}
	refused := func(t *testing.T, c *Client, name string, want error) {
		t.Helper()
		wantErr(t, c.Serve(t.Context(), name, HandlerFunc(block)), want)
	}
	replay{file: "service-errors", conn: 1}.run(t, func(t *testing.T, c *Client) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Serve(ctx, "scndup", HandlerFunc(block)) }()
		synctest.Wait()
		refused(t, c, "scndup", EEXIST) // without asking
		call(t, c, "service.add", serviceRequest{"scndup"}, EEXIST)
		refused(t, c, "kvs", EEXIST)
		refused(t, c, "attr", EEXIST)
		refused(t, c, "a.b", EINVAL) // without asking
		call(t, c, "service.add", serviceRequest{"a.b"}, EINVAL)
		call(t, c, "service.remove", serviceRequest{"scnnone"}, ENOENT)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		call(t, c, "service.add", nil, EPROTO)
		call(t, c, "service.add", map[string]string{"name": "x"}, EPROTO)
	})
	replay{file: "service-errors", conn: 2}.run(t, func(t *testing.T, c *Client) {
		refused(t, c, "scndup", EEXIST)
		call(t, c, "service.remove", serviceRequest{"scndup"}, ENOENT)
	})
}

func TestServeReplayServiceCrossrank(t *testing.T) {
	replay{file: "service-crossrank-service"}.run(t, func(t *testing.T, c *Client) {
		replayServe(t, c, "scnxr", HandlerFunc(func(_ context.Context, w Responder, r *Request) error {
			if r.Roles() != RoleOwner {
				t.Errorf("roles are %v, want owner without local", r.Roles())
			}
			return w.Respond(map[string]string{"from": "service"})
		}))
	})
}

// The recorded service went away with a request pending, which nobody ever
// answered. This one answers before it goes.
func TestServeReplayServiceGone(t *testing.T) {
	recs, err := replay{file: "service-gone"}.records()
	if err != nil {
		t.Fatal(err)
	}
	n := slices.IndexFunc(recs, func(r numbered) bool { return r.EOF })
	synctest.Test(t, func(t *testing.T) {
		near, far := transport.Pipe(transport.Config{})
		c := NewClient(near)
		done := make(chan error, 1)
		go func() { done <- c.Serve(t.Context(), "scngone", HandlerFunc(block)) }()
		pl := &player{conn: far, tags: make(map[uint32]uint32)}
		if err := pl.play(recs[:n]); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		c.Close()
		wantErr(t, <-done, ErrClosed)
		var m codec.Message
		if err := far.Recv(&m); err != nil || show(&m) != `ECANCELED "service scngone ended"` {
			t.Errorf("received %s, %v", show(&m), err)
		}
		if err := far.Recv(&m); !errors.Is(err, io.EOF) {
			t.Errorf("received %v, want the end", err)
		}
		far.Close()
	})
}

func TestServeReplayGuest(t *testing.T) {
	opts := []DialOption{WithUserID(1234), WithRoles(RoleUser)}
	replay{file: "guest", opts: opts}.run(t, func(t *testing.T, c *Client) {
		guestRefused(t, c.SetAttr(t.Context(), "log-level", "6"), "attr.set")
		wantAttr(t, c, "rank", "0")
		_, err := c.Call(t.Context(), "broker.getenv", map[string]any{"names": []string{"X"}})
		guestRefused(t, err, "broker.getenv")
		guestServes(t, c)
		if err := c.Notify(t.Context(), "attr.set", map[string]string{"name": "a", "value": "b"}); err != nil {
			t.Error(err)
		}
		guestPing(t, c, nil, RoleUser)
		guestEvent(t, c, "scn.gpriv", "scn.gpriv", RoleUser)
	})
}

func TestServeReplayGuestReal(t *testing.T) {
	replay{file: "guest-real"}.run(t, func(t *testing.T, c *Client) {
		guestPing(t, c, nil, RoleUser|RoleLocal)
		guestRefused(t, c.SetAttr(t.Context(), "log-stderr-level", "3"), "attr.set")
		for _, err := range StreamAs[string](t.Context(), c, "log.dmesg", map[string]any{"follow": false}) {
			guestRefused(t, err, "log.dmesg")
		}
		guestServes(t, c)
		events := guestEvent(t, c, "scn.gp", "scn.gp.mine", RoleUser|RoleLocal)
		if e := <-events; e.Topic() != "scn.gp.end" || e.UserID() != 0 || e.Roles() != RoleOwner|RoleLocal {
			t.Errorf("event %s of %d, %v, want scn.gp.end of the owner", e.Topic(), e.UserID(), e.Roles())
		}
		guestPing(t, c, func(m *codec.Message) {
			m.UserID, m.Rolemask = 0, uint32(RoleOwner)
			m.Payload = []byte("{\"spoof\":1}\x00")
		}, RoleUser|RoleLocal)
	})
}

func guestRefused(t *testing.T, err error, topic string) {
	t.Helper()
	wantErr(t, err, EPERM)
	wantRemote(t, err, Error{topic, EPERM, "Request requires owner credentials"})
}

// guestServes registers a name that is not for guests and one that is.
func guestServes(t *testing.T, c *Client) {
	t.Helper()
	wantErr(t, c.Serve(t.Context(), "scnguest", HandlerFunc(block)), EPERM)
	replayServe(t, c, "1234-svc", HandlerFunc(block))
}

// guestPing sends a prepared ping and checks what the broker sees of its sender.
func guestPing(t *testing.T, c *Client, mod func(*codec.Message), want Role) {
	t.Helper()
	m := codec.NewRequest("broker.ping")
	m.Payload = []byte("{\"seq\":0}\x00")
	if mod != nil {
		mod(m)
	}
	r, err := c.Do(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	var got ping
	if err := r.Decode(&got); err != nil || got.UserID != 1234 || got.Rolemask != want {
		t.Errorf("broker sees %d, %v, %v, want 1234, %v", got.UserID, got.Rolemask, err, want)
	}
}

// guestEvent subscribes and receives its own private event.
func guestEvent(t *testing.T, c *Client, prefix, topic string, roles Role) <-chan Event {
	t.Helper()
	events, err := c.Subscribe(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	seq, err := c.Publish(t.Context(), topic, json.RawMessage("{}"), Private())
	if err != nil {
		t.Fatal(err)
	}
	e := <-events
	if e.Topic() != topic || e.Seq() != seq || !e.Private() || e.UserID() != 1234 || e.Roles() != roles {
		t.Errorf("event %s %d, private %v, of %d, %v; want %s %d of 1234, %v",
			e.Topic(), e.Seq(), e.Private(), e.UserID(), e.Roles(), topic, seq, roles)
	}
	return events
}
