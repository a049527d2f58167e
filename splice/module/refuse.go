package module

import (
	"errors"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/errname"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
)

// The refusals of this package. See also those of package splice.
const (
	CodeSection       splice.Code = "section"        // carried data or code in a section that a module can't have
	CodeInit          splice.Code = "init-memory"    // code or data that the kernel frees after boot
	CodeSeveralProbes splice.Code = "several-probes" // more than one function that only a kprobe can take over
	CodeNoFentry      splice.Code = "no-fentry"      // a function that livepatch can't take over
	CodeNoAnchor      splice.Code = "no-anchor"      // no exported symbol to start from
	CodeNoCRC         splice.Code = "missing-crc"    // an export without a CRC where the kernel asks for one
	CodeCRCDiffers    splice.Code = "crc-differs"    // Module.symvers is of another build than the image
	CodeTypeID        splice.Code = "type-id"        // the number of a type that the kernel does not have
	CodeName          splice.Code = "name"           // a name that does not fit the format
	CodeRelocation    splice.Code = "relocation"     // a type of relocation that the loader does not take
	CodeKernel        splice.Code = "kernel"         // the kernel lacks what a livepatch module needs
	CodeGeneration    splice.Code = "generation"     // a kernel of a generation that is not known, see Generation
	CodeNoObjtool     splice.Code = "no-objtool"     // objtool has not seen the object
	CodeTwice         splice.Code = "replaced-twice" // two objects replace one function
	CodeDuplicate     splice.Code = "defined-twice"  // two objects bring along something of one name
	CodeCallback      splice.Code = "callback"       // a callback that livepatch does not have, or has already
	CodeUndefined     splice.Code = "undefined"      // a name that neither the kernel nor the update has
	CodeModuleExport  splice.Code = "module-export"  // code of the kernel itself refers to what a module exports
	CodeNoSymbol      splice.Code = "no-symbol"      // a function without a symbol, by which livepatch finds it
	CodeLongName      splice.Code = "long-name"      // an export whose name has no room in the table of versions
	CodeNotOneLine    splice.Code = "not-one-line"   // a text for .modinfo that is not one line
	CodeLicense       splice.Code = "license"        // a licence with which livepatch can't be used
	CodeOtherBuild    splice.Code = "other-build"    // a module that is not of the kernel's build
	CodeInPlace       splice.Code = "in-place"       // data to be overwritten, where that is not offered
	CodeInitials      splice.Code = "initials"       // a member that can't be set, where that was asked for
	CodePinned        splice.Code = "pinned"         // a word against a pin that can't be taken
	CodeModuleKey     splice.Code = "module-key"     // a static branch on a key in a module that is patched
	CodeModuleRef     splice.Code = "module-table"   // a table that has to be right before the module is there
	CodePerCPU        splice.Code = "per-cpu"        // an instruction that reaches a per-CPU variable as one with an address, or the reverse
	CodePerCPURoom    splice.Code = "per-cpu-room"   // more per-CPU variables than modules may have
	CodeReadOnly      splice.Code = "read-only"      // a store to what nobody can write to
	CodeNoJump        splice.Code = "no-jump"        // a function in which no jump can be written
	CodeEarlier       splice.Code = "earlier"        // an update that this one can't take the place of
	CodeNeedsImage    splice.Code = "needs-image"    // what can't be proven by the memory of a running kernel, see [OpenRunning]
	CodeNoLivepatch   splice.Code = "no-livepatch"   // what a kernel without livepatch can't do, see [MethodJump]
	CodeJumpSite      splice.Code = "jump-site"      // the kernel rewrites the bytes where a jump would be
)

var hints = map[splice.Code]string{
	CodeSection:           "keep such data as it is; a module can have new functions, constants and plain variables",
	CodeInit:              "it is gone once the kernel, or the module, has started: change what uses its result",
	CodeSeveralProbes:     "look whether they depend on each other, and accept it (Options.Probes)",
	CodeNoFentry:          "change its callers instead: assembly, notrace and noinstr functions have no place to take over",
	CodeNoAnchor:          "use a build of the kernel that exports it: modules of this package need it",
	CodeNoCRC:             "give the Module.symvers of this build",
	CodeCRCDiffers:        "give the Module.symvers of the build that the image is from",
	CodeTypeID:            "use types that the running kernel was built with",
	CodeName:              "choose a shorter name of letters, digits and underscores",
	CodeRelocation:        "compile as the kernel itself is compiled",
	CodeKernel:            "use a kernel of a version that this package knows, and its vmlinux with all symbols, and with .BTF (CONFIG_DEBUG_INFO_BTF) or debug information",
	CodeGeneration:        "report it with what mkupdate -probe prints",
	CodeNoObjtool:         "run the kernel's own objtool on pre and post (mkupdate -objtool)",
	CodeTwice:             "give each object once",
	CodeDuplicate:         "define it in one of the objects, and declare it extern in the others",
	CodeCallback:          "keep one pre_patch, post_patch, pre_unpatch and post_unpatch, which call what else there is",
	CodeUndefined:         "give the object that brings it along too; when a module exports it, make the change in that module (mkupdate -target; its Module.symvers says which)",
	CodeModuleExport:      "make the change in code of that module (mkupdate -target), or ask for it while the module is there, with symbol_get() and symbol_put()",
	CodeNoSymbol:          "give the vmlinux, or the module, with all its symbols: livepatch finds functions by them",
	CodeLongName:          "call a function of the kernel that calls it",
	CodeNotOneLine:        "leave line breaks and NUL characters out",
	CodeOtherBuild:        "give the vmlinux of the kernel that runs, and modules of that very build, as they are shipped",
	CodeInPlace:           "compare without elfdiff.Options.InPlace, and accept const-shared where the old constant may stay",
	CodeInitials:          "compare without elfdiff.Options.Initials, and accept data-changed where the variable may keep its value",
	CodePinned:            "leave Options.Unpin out: the module can be disabled, and stays",
	CodeModuleKey:         "ask for the state of the key instead, with static_key_enabled(), or leave the tracepoint out",
	CodeModuleRef:         "reach it from ordinary code or data",
	CodePerCPU:            "declare it in the source as the running kernel defines it, or use a variable of another name",
	CodePerCPURoom:        "allocate it when the update is loaded, by alloc_percpu() in a pre_patch callback, and free it in post_unpatch",
	CodeReadOnly:          "keep what changes in a variable of the patch: .data..ro_after_init and .rodata stay as they are",
	CodeNoJump:            "change its callers instead, or allow jumps where they were left out (Options.NoJumps)",
	CodeNeedsImage:        "give the vmlinux of this kernel (mkupdate -run VMLINUX)",
	CodeNoLivepatch:       "use a kernel with CONFIG_LIVEPATCH for that; without it, functions of the kernel itself are taken over by jumps, one update over the other",
	CodeJumpSite:          "change its callers instead",
	CodeEarlier:           "disable and unload the earlier update first, and make this one without replacing it",
	CodeLicense:           "use GPL or a dual licence",
	splice.CodeNotMatched: "compile pre from the very source, with the very compiler and options, of what runs, and name the module that it is part of",
	splice.CodeNotLocated: "have the patch reach it in another way, such as through a function that takes or returns it",
	splice.CodeNothing:    "change a function that the kernel has",
}

// refuse makes a refusal with this package's hint, or that of package splice where
// this one has none.
func refuse(code splice.Code, symbol, section string, off uint64, format string, args ...any) *splice.Refusal {
	r := splice.Refuse(code, symbol, section, off, format, args...)
	if hint, ok := hints[code]; ok {
		r.Hint = hint
	}
	return r
}

// Errors that errors.Is finds in what this package returns, beside the codes of
// refusals, and those that package elfdiff has for files.
var (
	// ErrNotKernel is for an image that lacks what a kernel has: symbols, BTF, a
	// version.
	ErrNotKernel = image.ErrNotKernel
	// ErrNotModule is for a file that is no module of a kernel.
	ErrNotModule = errname.New("not a module of a kernel", errors.ErrUnsupported)
	// ErrSymvers is for a text that is no Module.symvers.
	ErrSymvers = kernel.ErrSymvers
	// ErrOtherBuild is for a module of another build than the kernel's: it is
	// [CodeOtherBuild].
	ErrOtherBuild error = CodeOtherBuild
)

// nameError gives an error about the parts of an image a name, if it has none.
func nameError(err, name error) error {
	var part *kernel.Error
	switch {
	case err == nil, errors.Is(err, elfdiff.ErrRefused), errors.Is(err, object.ErrDamaged), errors.Is(err, errors.ErrUnsupported), !errors.As(err, &part):
		return err
	}
	return errname.As(err, name)
}
