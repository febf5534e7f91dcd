package resource_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/flux-sdk/flux/hostlist"
	"github.com/flux-sdk/flux/idset"
	"github.com/flux-sdk/flux/resource"
)

func ExampleParse() {
	r, err := resource.Parse([]byte(`{"version":1,"execution":{
		"R_lite":[{"rank":"0-3","children":{"core":"0-3","gpu":"0-1"}}],
		"starttime":0.0,"expiration":1795893167.5,
		"nodelist":["node[0-3]"],"properties":{"debug":"0-1"}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r)
	fmt.Println(r.Nodes(), r.Cores(), r.GPUs(), r.Ranks(), r.Hosts())
	if t, ok := r.Expiration(); ok {
		fmt.Println(t.UTC().Format(time.RFC3339Nano))
	}
	fmt.Println(r.SelectProperty("debug").Hosts())
	// Output:
	// rank[0-3]/core[0-3],gpu[0-1]
	// 4 16 8 0-3 node[0-3]
	// 2026-11-28T19:12:47.5Z
	// node[0-1]
}

func ExampleR_Difference() {
	all := resource.New(hostlist.New("node[0-3]"), 4, 1)
	allocated, err := resource.Uniform{Ranks: idset.New(1), Cores: idset.Range(0, 3)}.R()
	if err != nil {
		fmt.Println(err)
		return
	}
	free := all.Difference(allocated)
	fmt.Println(free, free.Cores())
	// Output: rank[0,2-3]/core[0-3],gpu0 rank1/gpu0 12
}

func ExampleR_Append() {
	r, err := resource.New(hostlist.New("fat0"), 8, 2).Append(
		resource.New(hostlist.New("thin[1-3]"), 2, 0))
	fmt.Println(r, err)
	thin, err := resource.Uniform{
		Ranks: idset.Range(1, 3),
		Hosts: hostlist.New("thin[1-3]"),
		Cores: idset.Range(0, 1),
	}.R()
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err = resource.New(hostlist.New("fat0"), 8, 2).Append(thin)
	fmt.Println(r, err)
	// Output:
	//  resource: sets rank0/core[0-7],gpu[0-1] and rank[0-2]/core[0-1] overlap in rank0/core[0-1]: File exists
	// rank0/core[0-7],gpu[0-1] rank[1-3]/core[0-1] <nil>
}

func ExampleR_All() {
	r := resource.New(hostlist.New("node[0-1]"), 2, 0)
	for node := range r.All() {
		fmt.Println(node.Rank, node.Host, node.Cores)
	}
	// Output:
	// 0 node0 0-1
	// 1 node1 0-1
}

func ExampleR_SetProperty() {
	r, err := resource.New(hostlist.New("node[0-3]"), 1, 0).SetProperty("debug", idset.Range(0, 1))
	if err != nil {
		fmt.Println(err)
		return
	}
	queue := r.Queue("debug")
	fmt.Println(queue, queue.Hosts(), queue.Properties())
	// Output: rank[0-1]/core0 node[0-1] [debug]
}

func ExampleNew() {
	data, err := json.Marshal(resource.New(hostlist.New("n[0-1]"), 2, 0))
	if err != nil {
		fmt.Println(err)
		return
	}
	execution := data[len(`{"version":1,"execution":`) : len(data)-1]
	fmt.Println(string(execution))
	// Output:
	// {"R_lite":[{"rank":"0-1","children":{"core":"0-1"}}],"starttime":0.0,"expiration":0.0,"nodelist":["n[0-1]"]}
}
