package job_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/idset"
	"github.com/flux-sdk/flux/job"
)

func ExampleParseID() {
	for _, text := range []string{"ƒ3gcqYbSP", "f3gcqYbSP", "0x56354000000", "job.0000.0563.5400.0000",
		"alamo-bandit-panel--gregory-academy-academy"} {
		id, err := job.ParseID(text)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(id, id.Dec())
	}
	_, err := job.ParseID("fzzzzzzzzzzz")
	fmt.Println(err, errors.Is(err, flux.ERANGE))
	// Output:
	// ƒ3gcqYbSP 5924169187328
	// ƒ3gcqYbSP 5924169187328
	// ƒ3gcqYbSP 5924169187328
	// ƒ3gcqYbSP 5924169187328
	// ƒ3gcqYbSP 5924169187328
	// job: invalid job id "fzzzzzzzzzzz": the value needs more than 64 bits (offset 11) true
}

func ExampleID() {
	id := job.ID(5924169187328)
	fmt.Println(id)
	fmt.Println(id.F58ASCII(), id.Dothex())
	fmt.Println(id.Offset())
	data, _ := json.Marshal(map[string]job.ID{"id": id})
	fmt.Println(string(data))
	// Output:
	// ƒ3gcqYbSP
	// f3gcqYbSP 0000.0563.5400.0000
	// 5m53.108s
	// {"id":5924169187328}
}

func ExampleParseDuration() {
	for _, text := range []string{"90", "1.5h", "250ms", "infinity", "soon"} {
		d, err := job.ParseDuration(text)
		switch {
		case err != nil:
			fmt.Println(err)
		case d == job.Forever:
			fmt.Println("no limit")
		default:
			fmt.Println(d)
		}
	}
	fmt.Println(job.FormatDuration(90 * time.Minute))
	// Output:
	// 1m30s
	// 1h30m0s
	// 250ms
	// no limit
	// job: invalid duration "soon": expected a decimal number such as 1.5h (offset 0)
	// 1.5h
}

func ExampleParseEventlog() {
	events, err := job.ParseEventlog(`{"timestamp":1795889567.25,"name":"start"}
{"timestamp":1795889569.5,"name":"finish","context":{"status":35072}}
`)
	if err != nil {
		fmt.Println(err)
		return
	}
	var finish struct{ Status job.Status }
	if err := events[1].Decode(&finish); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(events[1].Time.Sub(events[0].Time), finish.Status, finish.Status.ExitCode())
	// Output: 2.25s task(s) Killed 137
}

func ExampleParseTaskmap() {
	m, err := job.ParseTaskmap("0-1,4-5;2-3,6-7")
	if err != nil {
		fmt.Println(err)
		return
	}
	node, _ := m.NodeOf(6)
	fmt.Println(m, m.NumTasks(), node, m.TaskIDs(0))
	// Output: [[0,2,2,2]] 8 1 0-1,4-5
}

func ExampleDecodeOutput() {
	entry := `{"timestamp":1795889567.7,"name":"data","context":{"stream":"stdout","rank":"0-1","data":"hello\n"}}` + "\n"
	event, err := job.ParseEvent(entry)
	if err != nil {
		fmt.Println(err)
		return
	}
	output, err := job.DecodeOutput(event)
	if err != nil {
		fmt.Println(err)
		return
	}
	for chunk := range output.Chunks() {
		fmt.Printf("%d: %s", chunk.Task, chunk.Data)
	}
	// Output:
	// 0: hello
	// 1: hello
}

func ExampleOutputData_Payload() {
	d := job.OutputData{Stream: job.Stdin, Tasks: job.TaskSet{IDs: idset.Range(0, 3)}, Data: []byte("\xff\xfe")}
	payload, err := d.Payload()
	fmt.Println(string(payload), err)
	// Output: {"stream":"stdin","rank":"0-3","encoding":"base64","data":"//4="} <nil>
}

func ExampleParseState() {
	s, err := job.ParseState("pending")
	fmt.Println(s, s&job.StateSched != 0, err)
	// Output: DEPEND,PRIORITY,SCHED true <nil>
}
