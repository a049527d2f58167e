package elfdiff_test

import (
	"fmt"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/listing"
)

func openPair(pre, post string) *elfdiff.Diff {
	p, err := elfdiff.Open(pre)
	if err != nil {
		panic(err)
	}
	q, err := elfdiff.Open(post)
	if err != nil {
		panic(err)
	}
	d, err := elfdiff.Compare(p, q, elfdiff.Options{})
	if err != nil {
		panic(err)
	}
	return d
}

// Types that changed code uses are compared by debug information.
func ExampleDiff_Types() {
	d := openPair("testdata/types/gcc-pre.o", "testdata/types/gcc-post.o")
	list, err := d.Types()
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range list {
		if t := &list[i]; t.Matters() && t.Name == "struct far_away" {
			fmt.Println(t)
			for _, r := range listing.RowsOf(t) {
				fmt.Printf("  %-6s %s\n", r.Post.Name, r.What)
			}
			fmt.Println("used by", t.Uses[0].Symbol, "as", t.Uses[0].Via)
		}
	}
	// Output:
	// struct far_away: size 4 -> 8; pad added at +0x0; value moved from +0x0 to +0x4
	//   pad    added
	//   value  moved
	// used by signature as b->far
}

// A function can differ although its own source does not.
func ExampleDiff_Explain() {
	d := openPair("testdata/types/inlined-pre.o", "testdata/types/inlined-post.o")
	for i := range d.Functions {
		for _, e := range d.Explain(&d.Functions[i]) {
			fmt.Printf("%s: %s\n", d.Functions[i].Name, e)
		}
	}
	// Output:
	// first: all that differs is code of weight, which is inlined here by the call in line 9; all 2 functions that it is inlined into have changed
	// second: all that differs is code of weight, which is inlined here by the call in line 14; all 2 functions that it is inlined into have changed
}

// Debug information names the members of a variable.
func ExampleMemberAt() {
	o, err := elfdiff.Open("testdata/types/inlined-post.o")
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range o.Atoms {
		if a := &o.Atoms[i]; a.Name == "handlers" {
			fmt.Println(elfdiff.MemberAt(o, a.ID, 0), elfdiff.MemberAt(o, a.ID, 24))
		}
	}
	d := openPair("testdata/types/inlined-pre.o", "testdata/types/inlined-post.o")
	for i := range d.Data {
		for _, m := range d.DataMembers(&d.Data[i]) {
			fmt.Println(d.Data[i].Name, m)
		}
	}
	// Output:
	// [0].name [1].call
	// handlers [1].call: first -> second
}
