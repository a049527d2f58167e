package finding

// Code names a kind of finding or refusal. Codes are stable: a code keeps its word and its
// meaning. A code is an error, so that errors.Is finds it in a refusal. Targets have codes
// of their own, see packages splice, splice/process and splice/module.
type Code string

// Error returns the code itself.
func (c Code) Error() string { return string(c) }

// What can't be carried. Those of severity [NeedsJudgement] can be accepted.
const (
	CodeDataChanged      Code = "data-changed"       // the initial value of writable data
	CodeDataResized      Code = "data-resized"       // the size of an existing object
	CodeKindChanged      Code = "kind-changed"       // writable data became constant, or per-CPU, or read-only after the start; or the reverse
	CodeConstShared      Code = "const-shared"       // a changed constant that others know by its address: it has one identity
	CodeTLSChanged       Code = "tls-changed"        // new or changed thread-local data
	CodeAmbiguousStatic  Code = "ambiguous-static"   // static data that can't be paired, so that its state would be lost
	CodeSpecialSection   Code = "special-section"    // an entry of a table about a changed function that is not carried
	CodeUnknownSection   Code = "unknown-section"    // a table that nothing here knows is about a changed function
	CodeOpaqueCode       Code = "opaque-code"        // code that does not decode
	CodeEdgeReference    Code = "edge-reference"     // a reference that could mean one of several objects of its section
	CodeInnerReference   Code = "inner-reference"    // a reference into the middle of a function whose layout differs
	CodeInitReference    Code = "init-reference"     // a reference to memory that is freed after start
	CodeTypeHash         Code = "type-hash"          // a hash of its type in front of a changed function
	CodeShortBranch      Code = "short-branch"       // a one-byte branch out of a changed function, with no room for a jump where it leads
	CodeEntryPoints      Code = "entry-points"       // a changed function that can be entered in the middle
	CodeFallsThrough     Code = "falls-through"      // code that runs on into what stands behind it
	CodeIndirectFunction Code = "indirect-function"  // a changed IFUNC resolver
	CodeRelocation       Code = "unknown-relocation" // a relocation type that we can't apply
	CodeSharedAddress    Code = "shared-address"     // names share an address on one side only: what is redirected is the address
	CodeKeptAlignment    Code = "kept-alignment"     // post aligns an object more that stays where it is
	CodeStartState       Code = "start-state"        // what code for the start, which is over, would have set up for code that travels
	CodeDeepStack        Code = "deep-stack"         // a function that takes more of a kernel's stack than there may be
	CodeLockPairs        Code = "lock-pairs"         // a function takes another lock than pre, which another function gives back, or the reverse
	CodeOldObject        Code = "old-object"         // a function follows a pointer that only new code stores in objects
	CodeOtherLock        Code = "other-lock"         // a function takes another lock than before, which nobody took, or which others take too now
	CodeLockOrder        Code = "lock-order"         // a function takes two locks in the order that is the reverse of what pre does
	CodeStoredKeys       Code = "stored-keys"        // a function that says, or computes, where something is stored, and found again
	CodeReferencePairs   Code = "reference-pairs"    // a function takes a reference and another one gives it back, where pre does neither, or the reverse
	CodeWaitPairs        Code = "wait-pairs"         // a function waits for what another one does now, or no more
	CodeOldCallback      Code = "old-callback"       // a function that post has under another name, or no more, or only calls, and whose address others have been given
	CodeAlignment        Code = "alignment"          // thread-local data that post aligns more than pre
	CodeOrphanCold       Code = "orphan-cold"        // a changed cold part whose parent is not known
	CodeCompiler         Code = "compiler"           // pre and post name different compilers
	CodeTableDiffers     Code = "table-differs"      // a table about code differs, for functions that do not
	CodeLayoutAmbiguous  Code = "layout-ambiguous"   // objects share a section whose layout changed
	CodeExitCode         Code = "exit-code"          // code or data that runs when a module is removed
	CodeUnnamed          Code = "unnamed-content"    // memory that no symbol names, and nothing that is compared refers to, differs
	CodeIntermediate     Code = "intermediate-code"  // there is no machine code yet, but what a compiler makes it of when it links
	CodeNoSymbols        Code = "no-symbols"         // nothing names the code or the data
	CodeNoCode           Code = "no-code"            // there is nothing to compare
	CodeTableEntry       Code = "table-entry"        // a table that the linker puts together has another entry
	CodeExported         Code = "exported-symbol"    // a name that other objects can use has another place, value or binding
	CodeException        Code = "exception-table"    // a changed function handles exceptions, or cleans up when they pass
	CodeTypeLayout       Code = "type-layout"        // a structure that changed code uses has another layout
	CodeTypeEnum         Code = "type-enum"          // constants of an enumeration that changed code uses have other values
	CodeTypeSignature    Code = "type-signature"     // a function has other parameters, or another result
	CodeTypeConstant     Code = "type-constant"      // a constant in changed code has another value
	CodeNotGiven         Code = "not-given"          // code of what runs that a changed type or signature matters to, of objects that are not given
)

// What targets find about functions that are to be replaced in a kernel.
const (
	CodeOtherObject   Code = "other-object"   // post has it in another object than what runs
	CodeTailCalled    Code = "tail-called"    // tasks that sleep in its old code are not seen
	CodeSleepingStack Code = "sleeping-stack" // it is on the stacks of tasks whenever they sleep
	CodeThreadLoop    Code = "thread-loop"    // a kernel thread leaves it only when it ends
	CodeNMI           Code = "nmi"            // NMIs, or exceptions like them, run it
	CodeHotProbe      Code = "hot-probe"      // a kprobe would take over what is called often
	CodeNoEndbr       Code = "no-endbr"       // new code takes the address of a function that may not be called by a pointer
	CodeModuleStart   Code = "module-start"   // a patch changes nothing but what a module does when it is loaded
	CodeLost          Code = "lost"           // what an earlier update does, and the one that replaces it does not
	CodeStateAnew     Code = "state-anew"     // a variable that an earlier update has brought along, and the one that replaces it too: it is another one
)

// What is asked of objects that were compiled for another build than the one that runs.
const (
	CodeOtherSource Code = "other-source" // new code takes something from its source that nothing proves of this build
	CodeOtherLayout Code = "other-layout" // a type that new code uses is not known to be the same in this build
)

// What is left out without loss, and what is worth knowing.
const (
	CodeRemoved           Code = "removed"            // gone from post; it stays in the running program
	CodeConstructor       Code = "constructor"        // a constructor changed or is new; those of the program ran long ago
	CodeInitCode          Code = "init-code"          // code or data of the start, which is over
	CodeExport            Code = "export"             // what modules that are loaded later could link to
	CodeParameter         Code = "parameter"          // a module parameter, read at the start
	CodeModuleInfo        Code = "module-info"        // what tools read from the file of a module
	CodeNote              Code = "note"               // a note about the file
	CodeUnused            Code = "unused"             // new, and nothing in this object uses it
	CodeExceptionPath     Code = "exception-path"     // a changed function of C++ calls others, so that an exception may pass through it
	CodeUnreferencedState Code = "unreferenced-state" // static data in pre that post has no twin of
	CodeFreshState        Code = "fresh-state"        // a static variable that only messages depend on starts anew
	CodeSymbols           Code = "symbols"            // an alias or the binding of a symbol differs
	CodeAddressKept       Code = "address-kept"       // something new whose address others may know when the update is gone
	CodeInPlace           Code = "in-place"           // a constant that the target has to overwrite
	CodeInitials          Code = "initials"           // a variable of which the target has to set members that still hold their initial value
	CodeNoTypes           Code = "no-types"           // without debug information, types were not compared
	CodeNoDebug           Code = "no-debug-info"      // compressed debug information beyond the bound counts as missing
)
