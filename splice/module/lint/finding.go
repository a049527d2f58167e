package lint

import (
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/finding"
)

// A Level is how bad a finding is.
type Level string

// The levels, from the best to the worst.
const (
	Unchecked Level = "unchecked" // it could not be looked at
	Doubtful  Level = "doubtful"  // it is unusual, and may be meant
	Wrong     Level = "wrong"     // the kernel refuses the module, or does harm to itself with it
)

// A Finding is something that is not as it should be.
type Finding struct {
	Code    finding.Code `json:"code"`
	Level   Level        `json:"level"`
	Section string       `json:"section"` // of the module; "" when none is concerned
	Offset  uint64       `json:"offset"`  // in the section, bytes
	Symbol  string       `json:"symbol"`  // "" when none is concerned
	Message string       `json:"message"`
	Hint    string       `json:"hint"` // what helps
}

// String returns the finding on one line, without the hint.
func (f *Finding) String() string {
	s := fmt.Sprintf("%s %s", f.Level, f.Code)
	if f.Section != "" {
		s += fmt.Sprintf(" %s+%#x", f.Section, f.Offset)
	}
	if f.Symbol != "" {
		s += " " + f.Symbol
	}
	return s + ": " + f.Message
}

// What is found.
const (
	CodeDamaged   finding.Code = "damaged"        // the file is not what its maker wrote, or no module
	CodeSection   finding.Code = "bad-section"    // a section that the kernel does not take, or with flags that make no sense
	CodeSymbol    finding.Code = "bad-symbol"     // a symbol that leads nowhere
	CodeReloc     finding.Code = "bad-relocation" // a relocation that the loader refuses, or that writes where it should not
	CodeTarget    finding.Code = "bad-target"     // a relocation that leads to what can't be meant
	CodeCode      finding.Code = "bad-code"       // code that is none, or a branch into the middle of an instruction
	CodeTable     finding.Code = "bad-table"      // a table about code that does not fit the code
	CodeInfo      finding.Code = "bad-modinfo"    // what .modinfo says, or lacks
	CodeStruct    finding.Code = "bad-struct"     // struct module, or a structure of livepatch
	CodeBuild     finding.Code = "another-build"  // it is for another kernel
	CodeExport    finding.Code = "no-export"      // the kernel does not export a symbol
	CodeVersion   finding.Code = "bad-version"    // a symbol that the kernel has with another CRC, or that has none
	CodeOld       finding.Code = "no-old"         // a function, or a symbol of livepatch, that the kernel does not have there
	CodePosition  finding.Code = "position"       // a position among symbols of a name that does not tell which is meant
	CodeUntraced  finding.Code = "not-traced"     // livepatch does not get hold of the function
	CodeNotPatch  finding.Code = "no-patch"       // no structures of livepatch were found in the file
	CodeUnchecked finding.Code = "not-checked"    // something would have to be known that is not
)

// hints are what helps.
var hints = map[finding.Code]string{
	CodeDamaged:   "get the file again from who made it; don't load this one",
	CodeSection:   "make the module anew with the tools of the kernel's build",
	CodeSymbol:    "make the module anew",
	CodeReloc:     "make the module anew, with the compiler options of the kernel",
	CodeTarget:    "make the module anew: the file is damaged, or a tool has moved code without its references",
	CodeCode:      "make the module anew: the file is damaged, or a tool has moved code without its references",
	CodeTable:     "make the module anew, and have the kernel's objtool see its objects",
	CodeInfo:      "make the module with modpost, or add what is missing (MODULE_INFO)",
	CodeStruct:    "make the module for this very build of the kernel",
	CodeBuild:     "make the module for this kernel",
	CodeExport:    "make the module for this kernel, or give the modules that it uses (-module)",
	CodeVersion:   "make the module with the Module.symvers of this build",
	CodeOld:       "make the livepatch for this kernel",
	CodePosition:  "give the position of the function that is meant (old_sympos): its number among those of its name, from 1",
	CodeUntraced:  "change its callers instead: livepatch takes over what begins with a call of the function tracer",
	CodeNotPatch:  "it puts its livepatch together when it is loaded, so that nothing can be said of it",
	CodeUnchecked: "give the file of what it is about",
}
