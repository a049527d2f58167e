package patch_test

import (
	"errors"
	"fmt"
	"log"
	"strings"
	"testing/fstest"

	"github.com/gosplice/gosplice/splice/source/patch"
)

const fix = `Subject: [PATCH] net: check the length first
From: A Developer <dev@example.org>

It was checked too late (CVE-2024-99999).

Fixes: 123456789abc ("net: add it")
---
--- a/net/f.c
+++ b/net/f.c
@@ -2,3 +2,4 @@ int f(int n)
 {
+	check(n);
 	copy(n);
 }
`

// A patch is read, and applied to a tree in memory.
func ExampleTree_Apply() {
	base := fstest.MapFS{"net/f.c": {Data: []byte("/* f */\nint f(int n)\n{\n\tcopy(n);\n}\n")}}
	patches, err := patch.Read("fix.patch", strings.NewReader(fix))
	if err != nil {
		log.Fatal(err)
	}
	p := patches[0]
	fmt.Println(p.Subject, p.CVEs, p.Fixes)
	tree := patch.NewTree(base)
	if err := tree.Apply(p); err != nil {
		log.Fatal(err)
	}
	for path, content := range tree.Changed() {
		fmt.Printf("%s:\n%s", path, content)
	}
	err = tree.Apply(p)
	fmt.Println(errors.Is(err, patch.CodeApplied), err)
	// Output:
	// net: check the length first [CVE-2024-99999] [123456789abc ("net: add it")]
	// net/f.c:
	// /* f */
	// int f(int n)
	// {
	// 	check(n);
	// 	copy(n);
	// }
	// true refused (patch-applied): net/f.c: fix.patch:10: all of it is in the tree already, or it was made in the wrong direction
}
