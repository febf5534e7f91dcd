package idset_test

import (
	"errors"
	"fmt"

	"github.com/flux-sdk/flux/idset"
)

func Example() {
	ranks, err := idset.Parse("[0-3,7]")
	if err != nil {
		fmt.Println(err)
		return
	}
	ranks.Add(8)
	ranks.Remove(0)
	fmt.Println(ranks, ranks.Brackets(), ranks.Len())
	for rank := range ranks.All() {
		fmt.Print(rank, " ")
	}
	fmt.Println()
	// Output:
	// 1-3,7-8 [1-3,7-8] 5
	// 1 2 3 7 8
}

func ExampleParse() {
	_, err := idset.Parse("0-3,2-5")
	fmt.Println(err)
	var parse *idset.ParseError
	if errors.As(err, &parse) {
		fmt.Println(parse.Offset, parse.Fragment, errors.Is(err, idset.ErrOrder))
	}
	_, err = idset.Parse("4294967296")
	fmt.Println(errors.Is(err, idset.ErrRange))
	// Output:
	// idset: range '2-5' is out of order at offset 4: each id must be greater than the ids before it
	// 4 2-5 true
	// true
}

func ExampleParseLenient() {
	s, err := idset.ParseLenient("0,0-1,1-2")
	fmt.Println(s, err)
	// Output: 0-2 <nil>
}

func ExampleSet_Difference() {
	all := idset.Range(0, 15)
	down := idset.New(3, 4, 11)
	up := all.Difference(down)
	fmt.Println(up)
	for lo, hi := range up.Ranges() {
		fmt.Print(lo, "..", hi, " ")
	}
	fmt.Println()
	// Output:
	// 0-2,5-10,12-15
	// 0..2 5..10 12..15
}
