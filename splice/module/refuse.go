package module

import (
	"errors"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/splice"
)

// The refusals of this package. See also those of package splice.
const (
	CodeSection       splice.Code = "section"         // carried data or code in a section that a module can't have
	CodeInit          splice.Code = "init-memory"     // code or data that the kernel frees after boot
	CodeSeveralProbes splice.Code = "several-probes"  // more than one function that only a kprobe can take over
	CodeNoFentry      splice.Code = "no-fentry"       // a function that livepatch can't take over
	CodeNoAnchor      splice.Code = "no-anchor"       // no exported symbol to start from
	CodeNoCRC         splice.Code = "missing-crc"     // an export without a CRC where the kernel asks for one
	CodeCRCDiffers    splice.Code = "crc-differs"     // Module.symvers is of another build than the image
	CodeTypeID        splice.Code = "type-id"         // the number of a type that the kernel does not have
	CodeName          splice.Code = "name"            // a name that does not fit the format
	CodeRelocation    splice.Code = "relocation"      // a type of relocation that the loader does not take
	CodeKernel        splice.Code = "kernel"          // the kernel lacks what a livepatch module needs
	CodeTables        splice.Code = "tables"          // the diff does not carry tables
	CodeNoObjtool     splice.Code = "no-objtool"      // objtool has not seen the object
	CodeTwice         splice.Code = "replaced-twice"  // two objects replace one function
	CodeLicense       splice.Code = "license"         // a licence with which livepatch can't be used
	CodeAlready       splice.Code = "foreign-section" // a name that the module itself needs
	CodeOtherBuild    splice.Code = "other-build"     // a module that is not of the kernel's build
	CodeInPlace       splice.Code = "in-place"        // data to be overwritten, where that is not offered
	CodeInitials      splice.Code = "initials"        // a member that can't be set, where that was asked for
	CodePinned        splice.Code = "pinned"          // a word against a pin that can't be taken
	CodeModuleKey     splice.Code = "module-key"      // a static branch on a key in a module that is patched
	CodeModuleRef     splice.Code = "module-table"    // a table that has to be right before the module is there
	CodeNoJump        splice.Code = "no-jump"         // a function in which no jump can be written
	CodeJumpSite      splice.Code = "jump-site"       // the kernel rewrites the bytes where a jump would be
)

var hints = map[splice.Code]string{
	CodeSection:            "keep such data as it is; a module can have new functions, constants and plain variables",
	CodeInit:               "it ran at boot and is gone: change what uses its result",
	CodeSeveralProbes:      "look whether they depend on each other, and accept it (Options.Probes)",
	CodeNoFentry:           "change its callers instead: assembly, notrace and noinstr functions have no place to take over",
	CodeNoAnchor:           "the kernel must export it",
	CodeNoCRC:              "give the Module.symvers of this build",
	CodeCRCDiffers:         "give the Module.symvers of the build that the image is from",
	CodeTypeID:             "use types that the running kernel was built with",
	CodeName:               "choose a shorter name of letters, digits and underscores",
	CodeRelocation:         "compile as the kernel itself is compiled",
	CodeKernel:             "livepatch modules need CONFIG_LIVEPATCH, CONFIG_DEBUG_INFO_BTF and the vmlinux with symbols",
	CodeTables:             "compare with elfdiff.Options.Tables",
	CodeNoObjtool:          "run the kernel's own objtool on pre and post",
	CodeTwice:              "give each object once",
	CodeOtherBuild:         "give the module that belongs to this build of the kernel, as it is shipped",
	CodeInPlace:            "leave elfdiff.Options.InPlace out, and the constant as it is",
	CodeInitials:           "leave elfdiff.Options.Initials out, and judge what it means that the variable keeps its value",
	CodePinned:             "leave Options.Unpin out: the module can be disabled, and stays",
	CodeModuleKey:          "ask for the state of the key instead, with static_key_enabled(), or leave the tracepoint out",
	CodeModuleRef:          "reach it from ordinary code or data",
	CodeNoJump:             "change its callers instead",
	CodeJumpSite:           "change its callers instead",
	CodeLicense:            "use GPL or a dual licence",
	splice.CodeNotMatched:  "compile pre from the very source, with the very compiler and options, of what runs, and name the module that it is part of",
	splice.CodeNotLocated:  "no matched function refers to it, and its name is not unique: have the patch reach it in another way",
	splice.CodeNothing:     "change a function that the kernel has",
	splice.CodeUnsupported: "leave it out",
}

// refuse makes a refusal with this package's hint.
func refuse(code splice.Code, symbol, section string, off uint64, format string, args ...any) *splice.Refusal {
	return &splice.Refusal{Code: code, Symbol: symbol, Section: section, Offset: off, Message: fmt.Sprintf(format, args...), Hint: hints[code]}
}

// report notes a finding. One that needs judgement refuses the module, unless
// [Options].Accept has it.
func (b *builder) report(f elfdiff.Finding) {
	if f.AcceptedBy(b.opt.Accept) {
		b.found = append(b.found, f)
	} else {
		b.refused.add(&elfdiff.RefusedError{Refusals: []elfdiff.Refusal{{Finding: f}}})
	}
}

// refusals collects them, so that one run tells all.
type refusals []error

func (r *refusals) add(err error) { *r = append(*r, err) }

func (r refusals) err() error { return errors.Join(r...) }
