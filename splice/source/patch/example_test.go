package patch_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
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

// What does not apply says which hunk, which lines, and what to do.
func ExampleApplyError() {
	base := fstest.MapFS{"net/f.c": {Data: []byte("/* f */\nint f(int n)\n{\n\tcopy(n + 1);\n}\n")}}
	patches, err := patch.Read("fix.patch", strings.NewReader(fix))
	if err != nil {
		log.Fatal(err)
	}
	err = patch.NewTree(base).Apply(patches[0])
	var e *patch.ApplyError
	if errors.As(err, &e) {
		fmt.Println(e.Code, e.File, e.Hunk, e.Line)
		fmt.Println(e)
		fmt.Print(e.Detail())
		fmt.Println(e.Refusal().Hint)
	}
	// Output:
	// patch-other-version net/f.c 1 3
	// refused (patch-other-version): net/f.c: fix.patch:10: hunk 1, near line 3: 1 line differs, the first at line 4
	//      4 patch:         copy(n);
	//        tree:          copy(n + 1);
	// take the patch for this version (a stable branch may have one), or those that come before it in its series; its author merges it with git am -3
}

// A series names patches, one a line.
func ExampleReadSeries() {
	dir, err := os.MkdirTemp("", "patches")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for name, text := range map[string]string{"fix.patch": fix, "series": "# for the next version\nfix.patch -p1\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}
	patches, err := patch.ReadSeries(filepath.Join(dir, "series"))
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range patches {
		fmt.Println(p.Name, p.Strip, p.Paths(), p.Author)
	}
	// Output: fix.patch 1 [net/f.c] A Developer <dev@example.org>
}

// A patch is taken back by its reverse.
func ExamplePatch_Reverse() {
	patches, err := patch.Read("fix.patch", strings.NewReader(fix))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", patches[0].Reverse().Diff())
	// Output:
	// diff --git a/net/f.c b/net/f.c
	// --- a/net/f.c
	// +++ b/net/f.c
	// @@ -2,4 +2,3 @@ int f(int n)
	//  {
	// -	check(n);
	//  	copy(n);
	//  }
}
