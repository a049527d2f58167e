package listing_test

import (
	"log"
	"os"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/listing"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// mustCompare compares two of the objects that are checked in.
func mustCompare(preName, postName string) *elfdiff.Diff {
	pre, err := elfdiff.Open("../testdata/objects/" + preName)
	if err != nil {
		log.Fatal(err)
	}
	post, err := elfdiff.Open("../testdata/objects/" + postName)
	if err != nil {
		log.Fatal(err)
	}
	d, err := elfdiff.Compare(pre, post, elfdiff.Options{})
	if err != nil {
		log.Fatal(err)
	}
	return d
}

// Write both sides of what changed beside each other.
func ExampleWrite() {
	d := mustCompare("pre.o", "post.o")
	for i := range d.Functions {
		if ch := &d.Functions[i]; ch.Status == verdict.Changed {
			listing.Write(os.Stdout, d, ch, listing.Options{Width: 90})
		}
	}
	// Output:
	// 0 push   %rbx                                 0 push   %rbx
	//                                             >     1 add    %edi,served(%rip)
	//     1 addl   $0x1,requests(%rip)                  7 addl   $0x1,requests(%rip)
	//     8 call   weight                               e call   weight
	//     d mov    requests(%rip),%esi                 13 mov    requests(%rip),%esi
	//    13 mov    $"request %d\n",%edi           |    19 mov    $"request no. %d\n",%edi
	//    18 mov    %eax,%ebx                           1e mov    %eax,%ebx
	//    1a xor    %eax,%eax                           20 xor    %eax,%eax
	//    1c call   printf                              22 call   printf
	//    21 add    %ebx,%eax                           27 add    %ebx,%eax
	//    23 pop    %rbx                                29 pop    %rbx
	//    24 ret                                        2a ret
}
