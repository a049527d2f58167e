package splice

import "github.com/gosplice/gosplice/elfdiff/finding"

// ErrRefused is what every [*Refusal] is. It is that of all packages, so that one
// question is enough.
var ErrRefused = finding.ErrRefused

// What is refused, as package finding has it.
type (
	// Refusal says why an update can't be built, linked, applied or reverted safely.
	// Nothing was changed when it is returned.
	Refusal = finding.Refusal
	// Code names a kind of refusal.
	Code = finding.Code
)

// The refusals of this package and of its targets.
const (
	CodeTooShort      Code = "too-short"       // the function has no room for a jump
	CodeBranchTarget  Code = "branch-target"   // something leads into the bytes that a jump would overwrite
	CodeOutOfReach    Code = "out-of-reach"    // no jump, or no reference, gets from here to there
	CodeUndecodable   Code = "undecodable"     // code that does not decode
	CodeSharedAddress Code = "shared-address"  // something that post wants otherwise has the same address in run
	CodeAlignment     Code = "alignment"       // new code assumes more of an address than run has
	CodeDefined       Code = "defined-already" // a new variable, or weak function, of which there is one
	CodeNotMatched    Code = "not-matched"     // run-pre matching did not prove the function
	CodeNotLocated    Code = "not-located"     // run-pre matching gave no value for a symbol
	CodeNoModule      Code = "no-module"       // code that belongs to no file, or to none that is mapped now
	CodeUnresolved    Code = "unresolved"      // no library defines the symbol, or too many do
	CodeIndirect      Code = "indirect"        // an IFUNC symbol whose choice is not known
	CodeTLSModel      Code = "tls-model"       // thread-local data accessed in a way that needs the dynamic linker
	CodeUnsupported   Code = "unsupported"     // a relocation that can't be applied after the link
	CodeUnwinding     Code = "unwinding"       // code that exceptions have to unwind
	CodeNotWritten    Code = "not-written"     // data that the target would have to write to, which it does not do
	CodeMoved         Code = "moved"           // an instruction that can't be moved
	CodePageCrossing  Code = "page-crossing"   // a jump that could be written in halves
	CodeChanged       Code = "changed"         // run bytes are not those that were matched
	CodeRedirected    Code = "redirected"      // someone else redirected the function
	CodeBusy          Code = "busy"            // threads stand in the code that would change
	CodeNotApplied    Code = "not-applied"     // there is nothing to revert
	CodeDamaged       Code = "damaged-record"  // what the process holds about an update makes no sense
	CodeNothing       Code = "nothing-to-do"   // the update redirects no function
	CodeApplied       Code = "already-applied" // it is there already
	CodeSharedMemory  Code = "shared-memory"   // another process runs in the memory of this one
	CodeInterposed    Code = "interposed"      // a call of a library's function, which another module has too
	CodePermission    Code = "permission"      // the kernel does not let us do it
)

var hints = map[Code]string{
	CodeTooShort:      "change a caller instead, or make the function larger in a later release",
	CodeBranchTarget:  "change a caller of this function instead",
	CodeOutOfReach:    "make one update for each module, free address space near it, or compile the patch with -fPIC",
	CodeUndecodable:   "leave this code alone",
	CodeSharedAddress: "link without identical code folding (--icf=none), or change its callers instead",
	CodeAlignment:     "keep the alignment of the object as pre has it; put what needs more into one of its own",
	CodeDefined:       "declare it extern where another object defines it, compile with -fno-common, or give it another name",
	CodeNotMatched:    "compile pre from the very source, with the very compiler and options, of what runs",
	CodeNotLocated:    "no matched function refers to it; have the patch reach it in another way",
	CodeNoModule:      "apply the update to a process that maps the same files, by build-id",
	CodeUnresolved:    "use only symbols that a mapped library exports",
	CodeIndirect:      "use a function that the program, or a library in it, calls already",
	CodeTLSModel:      "use thread-local data that a matched function of the program uses in the same way, or keep what is new in a map by thread",
	CodeUnsupported:   "compile the patch with the default code model, and keep it small",
	CodeUnwinding:     "make the change in a function that calls nothing that may throw, restart the program with the fix, or, when no exception passes there, say so (Options.NoExceptions; hotpatch -no-exceptions)",
	CodeNotWritten:    "compare without the option, and judge what it means that the program keeps what it has; or set the value in a function of the patch",
	CodeMoved:         "apply functions one at a time",
	CodePageCrossing:  "change a caller of this function instead",
	CodeChanged:       "match again: the process is not what the update was built for",
	CodeRedirected:    "revert what redirects it first",
	CodeBusy:          "try again when the program is idle, or patch a function that returns",
	CodeNotApplied:    "ask for the status to see what is applied",
	CodeDamaged:       "restart the program",
	CodeNothing:       "change a function that the program has",
	CodeApplied:       "revert it first to apply it again",
	CodeSharedMemory:  "try again: a child of vfork or posix_spawn leaves it when it executes something; what was made by clone with CLONE_VM can't be patched",
	CodeInterposed:    "call a static function, or one with hidden visibility, or give what is new another name",
	CodePermission:    "run as root, or with the right that the operation needs",
}

// Refuse makes a refusal with the hint of its code.
func Refuse(code Code, symbol, section string, offset uint64, format string, args ...any) *Refusal {
	r := finding.Refuse(code, symbol, section, offset, format, args...)
	if hint, ok := hints[code]; ok {
		r.Hint = hint
	}
	return r
}
