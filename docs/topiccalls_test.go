package docs_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/job"
	"github.com/flux-sdk/flux/jobspec"
)

// topicCall is a call that does no harm to a throw-away instance.
type topicCall struct {
	stream  bool
	rank    flux.RequestOption // nil: the nearest
	payload func(*playground) any
	want    flux.Errno // 0: an answer
}

// playground is what the payloads refer to.
type playground struct {
	done, running job.ID
}

// object is a payload that refers to nothing.
func object(text string) func(*playground) any {
	return func(*playground) any { return json.RawMessage(text) }
}

func nothing(*playground) any { return nil }

// ofJob is a payload with a job's id and other members.
func ofJob(id func(*playground) job.ID, members map[string]any) func(*playground) any {
	return func(p *playground) any {
		payload := map[string]any{"id": id(p)}
		maps.Copy(payload, members)
		return payload
	}
}

func done(p *playground) job.ID    { return p.done }
func running(p *playground) job.ID { return p.running }

// submission is the payload that submits a job as this user.
func submission(argv ...string) any {
	text, err := json.Marshal(jobspec.Command(argv...))
	if err != nil {
		panic(err)
	}
	header := fmt.Sprintf("version\x00i1\x00userid\x00i%d\x00mechanism\x00snone\x00", os.Getuid())
	encode := base64.StdEncoding.EncodeToString
	return map[string]any{
		"J": encode([]byte(header)) + "." + encode(text) + ".none", "urgency": 16, "flags": 0,
	}
}

// calls has the topics of Flux that the pages name.
var calls = map[string]topicCall{
	"attr.get":                {payload: object(`{"name":"rank"}`)},
	"attr.set":                {payload: object(`{"name":"test.docs","value":"1","force":true}`)},
	"attr.rm":                 {payload: object(`{"name":"test.removable"}`)},
	"broker.ping":             {payload: object(`{"seq":1}`)},
	"config.get":              {payload: nothing},
	"event.unsubscribe":       {payload: object(`{"topic":"docs"}`), want: flux.ENOENT},
	"job-info.eventlog-watch": {stream: true, payload: ofJob(done, map[string]any{"path": "eventlog", "flags": 0})},
	"job-info.lookup":         {payload: ofJob(done, map[string]any{"keys": []string{"jobspec"}, "flags": 0})},
	"job-ingest.submit":       {payload: func(*playground) any { return submission("true") }},
	"job-list.list":           {stream: true, payload: object(`{"max_entries":0,"attrs":["all"],"constraint":{}}`)},
	"job-list.list-id":        {payload: ofJob(done, map[string]any{"attrs": []string{"annotations"}})},
	"job-manager.kill":        {payload: ofJob(running, map[string]any{"signum": 18})}, // SIGCONT
	"job-manager.raise":       {payload: ofJob(running, map[string]any{"severity": 7, "type": "docs"})},
	// The pages say that this one is internal.
	"job-manager.submit":    {payload: func(*playground) any { return submission("true") }, want: flux.EPROTO},
	"kvs.commit":            {payload: object(`{"namespace":"primary","flags":0,"ops":[]}`)},
	"kvs.lookup":            {payload: object(`{"key":".","namespace":"primary","flags":1}`)},
	"log.dmesg":             {stream: true, payload: object(`{"follow":true}`)},
	"module.list":           {payload: nothing},
	"resource.sched-status": {rank: flux.Rank(0), payload: nothing},
	"rexec.exec": {stream: true, rank: flux.Rank(1), payload: object(
		`{"cmd":{"cmdline":["true"],"cwd":"/","env":{},"opts":{},"channels":[]},"flags":3}`)},
	"service.remove":        {payload: object(`{"service":"docs"}`), want: flux.ENOENT},
	"state-machine.monitor": {stream: true, payload: nothing},
}

// notCalled has words that look like topics, or are such that are not called,
// and why.
var notCalled = map[string]string{
	"heartbeat.pulse":         "an event",
	"my.event":                "an event of an example",
	"demo.after":              "an event of an example",
	"weather.report":          "an event of an example",
	"access.allow-guest-user": "a member of the configuration",
	"access.allow-root-owner": "a member of the configuration",
	"access.roles":            "a member of the configuration",
	"broker.starttime":        "an attribute",
	"security.owner":          "an attribute",
	"test.color":              "an attribute of an example",
	"no.such.attribute":       "an attribute that does not exist",
	"guest.output":            "the path of an eventlog",
	"page.color":              "a key of the KVS",
	"page.shape":              "a key of the KVS",
	"kvz.lookup":              "misspelled, to show the error",
	"nobody.home":             "does not exist, to show the error",
}

// notServices has the services that the examples serve themselves.
var notServices = map[string]bool{
	"calc": true, "cache": true, "clock": true, "mykvs": true, "node": true, "slow": true, "store": true, "upper": true,
}

// TestTopics calls every topic of the table on a real instance.
func TestTopics(t *testing.T) {
	client := fluxtest.Real(t, 2).Client()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	p := &playground{done: submitted(t, client, "true"), running: submitted(t, client, "sleep", "60")}
	await(t, client, p.done, "clean")
	await(t, client, p.running, "start")
	if err := client.SetAttr(ctx, "test.removable", "1"); err != nil {
		t.Fatal(err)
	}
	for topic, call := range calls {
		t.Run(topic, func(t *testing.T) {
			err := call.run(ctx, client, topic, p)
			if call.want == 0 && err != nil || call.want != 0 && !errors.Is(err, call.want) {
				t.Errorf("got %v, want %v", err, call.want)
			}
		})
	}
}

// run makes the call; of a stream it wants the first response, or its end.
func (call topicCall) run(ctx context.Context, client *flux.Client, topic string, p *playground) error {
	if !call.stream {
		var opts []flux.CallOption
		if call.rank != nil {
			opts = append(opts, call.rank)
		}
		_, err := client.Call(ctx, topic, call.payload(p), opts...)
		return err
	}
	var opts []flux.StreamOption
	if call.rank != nil {
		opts = append(opts, call.rank)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.Stream(ctx, topic, call.payload(p), opts...)
	if err != nil {
		return err
	}
	r, more := <-stream
	if !more {
		return nil
	}
	return r.Err()
}

// submitted is a new job.
func submitted(t *testing.T, client *flux.Client, argv ...string) job.ID {
	t.Helper()
	v, err := flux.CallAs[struct{ ID job.ID }](t.Context(), client, "job-ingest.submit", submission(argv...))
	if err != nil {
		t.Fatal(err)
	}
	return v.ID
}

// await waits for an event of a job.
func await(t *testing.T, client *flux.Client, id job.ID, name string) {
	t.Helper()
	req := map[string]any{"id": id, "path": "eventlog", "flags": 0}
	for line, err := range flux.StreamAs[struct{ Event string }](t.Context(), client, "job-info.eventlog-watch", req) {
		if err != nil {
			t.Fatal(err)
		}
		event, err := job.ParseEvent(line.Event)
		if err != nil {
			t.Fatal(err)
		}
		if event.Name == name {
			return
		}
	}
	t.Fatalf("job %v ended without the event %q", id, name)
}
