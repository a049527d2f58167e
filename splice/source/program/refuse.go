package program

import (
	"errors"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/cbuild"
)

// The refusals of this package. Those of packages patch, elfdiff and splice come with them.
const (
	CodeLTO          finding.Code = "lto"            // code that the linker makes
	CodeOther        finding.Code = "other-compiler" // the installed file is of another version of the compiler
	CodeNotRecorded  finding.Code = "not-recorded"   // the build compiled nothing, or not what changed
	CodeNotInstalled finding.Code = "not-installed"  // nobody has the program or library that changed
	CodeNotReproduce finding.Code = "not-reproduced" // the installed file is not what the build makes
	CodeNoBuildID    finding.Code = "no-build-id"    // a file that updates can't be told to be for
	CodeMachine      finding.Code = "other-machine"  // an object for another machine than x86-64
	CodeObject       finding.Code = "compile-object" // what the compiler does not take
)

var hints = map[finding.Code]string{
	CodeLTO:          "build the program without link time optimization, install that, and make updates of it",
	CodeOther:        "install the compiler that the file was built with, and have the build use it (CC=gcc-12)",
	CodeNotRecorded:  "have the command build all, by compilers that are found by PATH: \"make clean && make\"",
	CodeNotInstalled: "name the file that runs: -installed FILE",
	CodeNotReproduce: "take the source, the options and the compiler that the file was built with; or build it from this source, install that, and restart once",
	CodeNoBuildID:    "link it with -Wl,--build-id, and restart once",
	CodeMachine:      "restart what runs it",
	CodeObject:       "mend the patch, or give the patches before it that it needs",
}

func refuse(code finding.Code, symbol, section, format string, args ...any) *finding.Refusal {
	r := finding.Refuse(code, symbol, section, 0, format, args...)
	r.Hint = hints[code]
	return r
}

// Errors that this package's calls end with, for errors.Is. Their texts say what helps.
var (
	ErrNamespace = cbuild.ErrNamespace               // no copy can stand in the place of the source
	ErrMissing   = errors.New("not on this machine") // a command, or what a package needs to be built
	ErrBuild     = errors.New("the source does not build")
)
