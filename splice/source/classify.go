package source

import (
	"path"
	"strings"
)

// A pathRule says what files are to a build, by where they are or what they are called.
type pathRule struct {
	pattern string // of path.Match, over the whole path where it has a slash, else over the last part; with "/" at the end, all below that folder
	kind    FileKind
	note    string
}

// pathRules are tried in order; the first that fits decides.
var pathRules = []pathRule{
	{"arch/x86/lib/x86-opcode-map.txt", FileGenerator, ""},
	{"Kconfig*", FileKconfig, ""},
	{"tools/objtool/", FileGenerator, ""},
	{"tools/include/", FileGenerator, ""},
	{"tools/lib/", FileGenerator, ""},
	{"tools/build/", FileGenerator, ""},
	{"tools/arch/", FileGenerator, ""},
	{"tools/", FileOther, "a tool, no part of the kernel"},
	{"Documentation/", FileOther, "documentation"},
	{"samples/", FileOther, "a sample, no part of the kernel"},
	{"LICENSES/", FileOther, "documentation"},
	{"debian/", FileOther, "packaging"},
	{"usr/", FileOther, "the first file system, no part of the running kernel"},
	{"*.rst", FileOther, "documentation"},
	{"*.txt", FileOther, "documentation"},
	{"*.md", FileOther, "documentation"},
	{"*.yaml", FileOther, "documentation"},
	{".*", FileOther, "for tools of the source"},
	{"MAINTAINERS", FileOther, "documentation"},
	{"CREDITS", FileOther, "documentation"},
	{"README", FileOther, "documentation"},
	{"COPYING", FileOther, "documentation"},
	{"arch/*/boot/dts/", FileOther, "a description of hardware that this architecture does not use"},
	{"Makefile*", FileMakefile, ""},
	{"Kbuild*", FileMakefile, ""},
	{"Platform", FileMakefile, ""},
	{"*.mk", FileMakefile, ""},
	{"scripts/", FileGenerator, ""},
	{"*.lds.S", FileGenerator, ""},
	{"*.lds.h", FileGenerator, ""},
	{"*.c", FileSource, ""},
	{"*.S", FileSource, ""},
	{"*.rs", FileSource, ""},
	{"*.h", FileHeader, ""},
	{"*.inc", FileHeader, ""},
}

// otherArch is the note on what is for other machines.
const otherArch = "it is for another architecture"

// classify says what a file is to the build of a kernel for x86.
func classify(name string) (FileKind, string) {
	if rest, ok := strings.CutPrefix(name, "arch/"); ok {
		arch, below, _ := strings.Cut(rest, "/")
		if below != "" && arch != "x86" {
			return FileOther, otherArch
		}
	}
	for i := range pathRules {
		if pathRules[i].fits(name) {
			return pathRules[i].kind, pathRules[i].note
		}
	}
	return FileGenerator, "" // a table, a script: what is made of it tells
}

func (r *pathRule) fits(name string) bool {
	dir, isDir := strings.CutSuffix(r.pattern, "/")
	switch {
	case isDir:
		parts := strings.Split(name, "/")
		n := strings.Count(dir, "/") + 1
		if len(parts) <= n {
			return false
		}
		ok, _ := path.Match(dir, strings.Join(parts[:n], "/"))
		return ok
	case strings.Contains(r.pattern, "/"):
		ok, _ := path.Match(r.pattern, name)
		return ok
	}
	ok, _ := path.Match(r.pattern, path.Base(name))
	return ok
}
