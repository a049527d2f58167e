// Package patchheaders has the C headers that patches may include: gosplice.h, which names
// callbacks and shadow data, and the spellings of Ksplice and kpatch on top of it.
package patchheaders

import (
	"embed"
	"io/fs"
)

//go:embed *.h
var headers embed.FS

// folder is where they are found: every file of a kernel is compiled with -I./include.
const folder = "include/"

// Files returns the headers by their paths below a kernel's source tree, such as
// "include/gosplice.h". A tree that has a file of that name keeps its own.
func Files() map[string][]byte {
	names, err := fs.Glob(headers, "*.h")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	list := map[string][]byte{}
	for _, name := range names {
		b, err := headers.ReadFile(name)
		if err != nil {
			panic(err) // it is in the program
		}
		list[folder+name] = b
	}
	return list
}
