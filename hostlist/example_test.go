package hostlist_test

import (
	"errors"
	"fmt"

	"github.com/flux-sdk/flux/hostlist"
	"github.com/flux-sdk/flux/idset"
)

func Example() {
	hosts, err := hostlist.Parse("node[01-16,20],login")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(hosts.Len(), hosts.At(16), hosts.Index("node03"))
	if _, ok := hosts.Find("node17"); !ok {
		fmt.Println("node17 is not in the list")
	}
	for i, host := range hosts.Slice(15, 18).All() {
		fmt.Print(i, " ", host, "; ")
	}
	fmt.Println()
	// Output:
	// 18 node20 2
	// node17 is not in the list
	// 0 node16; 1 node20; 2 login;
}

func ExampleParse() {
	_, err := hostlist.Parse("rack[0-1]node[0-3]")
	fmt.Println(err)
	var parse *hostlist.ParseError
	if errors.As(err, &parse) {
		fmt.Println(parse.Offset, parse.Fragment, errors.Is(err, hostlist.ErrBrackets))
	}
	// Output:
	// hostlist: error parsing '[0-3]' at offset 13: a host has at most one pair of brackets, which may not nest
	// 13 [0-3] true
}

func ExampleParseLenient() {
	hosts, err := hostlist.ParseLenient("rack[0-1]node[0-3]")
	fmt.Println(hosts.Hosts(), err)
	// Output: [rack0node[0-3] rack1node[0-3]] <nil>
}

func ExampleList_Select() {
	nodes := hostlist.New("node[1-8]") // the host of each rank
	down := idset.New(0, 3, 4)
	fmt.Println(nodes.Select(down))
	// Output: node[1,4-5]
}

func ExampleList_Uniq() {
	hosts := hostlist.New("node3", "node1", "node3", "node2")
	sorted := hosts
	hosts.Uniq()
	sorted.UniqSorted()
	fmt.Println(hosts, sorted)
	// Output: node[3,1-2] node[1-3]
}

func ExampleList_Delete() {
	hosts := hostlist.New("node[1-8]")
	if n, err := hosts.Delete("node[3-4]", "other"); err == nil {
		fmt.Println(n, hosts)
	}
	// Output: 2 node[1-2,5-8]
}
