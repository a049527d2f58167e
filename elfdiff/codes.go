package elfdiff

import (
	"slices"
	"strings"
)

// Code names a kind of finding or refusal. Codes are stable. A code is an error, so
// that errors.Is finds it in a refusal.
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
	CodeEdgeReference    Code = "edge-reference"     // a reference that could mean either of two neighbours
	CodeInnerReference   Code = "inner-reference"    // a reference into the middle of a function whose layout differs
	CodeInitReference    Code = "init-reference"     // a reference to memory that is freed after start
	CodeTypeHash         Code = "type-hash"          // a hash of its type in front of a changed function
	CodeShortBranch      Code = "short-branch"       // a one-byte branch out of a changed function, with no room for a jump where it leads
	CodeEntryPoints      Code = "entry-points"       // a changed function that can be entered in the middle
	CodeIndirectFunction Code = "indirect-function"  // a changed IFUNC resolver
	CodeRelocation       Code = "unknown-relocation" // a relocation type that we can't apply
	CodeSharedAddress    Code = "shared-address"     // names share an address on one side only: what is redirected is the address
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
	CodeSleepingStack Code = "sleeping-stack" // it is on the stacks of tasks whenever they sleep
	CodeThreadLoop    Code = "thread-loop"    // a kernel thread leaves it only when it ends
	CodeNMI           Code = "nmi"            // NMIs, or exceptions like them, run it
	CodeHotProbe      Code = "hot-probe"      // a kprobe would take over what is called often
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

// codeRow is what is known about a code.
type codeRow struct {
	severity Severity
	hint     string // what the user can do
	accept   string // what comes of accepting it; "" for what can't be accepted
}

const (
	ownFunction  = "leave the initialiser as it is, and set the value in a function of the patch"
	runningData  = "the running program keeps the value that the variable has now"
	anotherName  = "give the variable of the new kind another name: a module can have a plain variable of its own"
	oldMeaning   = "what exists already, and code that is not replaced, have the old meaning"
	neverEnds    = "until the last of these tasks has left it, the old code runs, and the transition goes on; a jump is not written at all (EBUSY)"
	runningConst = "who reads the running program's constant reads the old one, and changed code does too"
)

// codes is the table of all codes.
var codes = map[Code]codeRow{
	CodeDataChanged:      {NeedsJudgement, "have members that still hold their old initial value set (Options.Initials); or " + ownFunction, runningData},
	CodeDataResized:      {NeedsJudgement, "keep the size; put what is new into an object of its own", "the running program keeps the object that it has; no changed function uses it"},
	CodeKindChanged:      {NeedsJudgement, "keep the constness of the object", "the running program keeps the object where it is, with its content"},
	CodeConstShared:      {NeedsJudgement, "keep its size, and have it overwritten where it is (Options.InPlace)", runningConst},
	CodeTLSChanged:       {Refused, "use a map keyed by thread, or restart the program", ""},
	CodeAmbiguousStatic:  {NeedsJudgement, "give the static variables distinct names in both sources", "changed functions get a variable of their own, with its initial value"},
	CodeSpecialSection:   {Refused, "leave the function without what makes this entry, or build without it", ""},
	CodeUnknownSection:   {NeedsJudgement, "find out who reads this table, and whether it matters for the function", "the changed function has no entry in the table"},
	CodeOpaqueCode:       {Refused, "move data out of the code, or leave this assembly alone", ""},
	CodeEdgeReference:    {Refused, "compile pre and post with -fdata-sections", ""},
	CodeInnerReference:   {Refused, "compile pre and post with -ffunction-sections", ""},
	CodeInitReference:    {Refused, "change what uses its result instead: it ran at the start, and its memory is used for something else now", ""},
	CodeTypeHash:         {Refused, "build the kernel without CONFIG_CFI_CLANG", ""},
	CodeShortBranch:      {Refused, "compile pre and post with -ffunction-sections", ""},
	CodeEntryPoints:      {Refused, "leave this assembly alone", ""},
	CodeIndirectFunction: {Refused, "change the implementations instead of the resolver", ""},
	CodeRelocation:       {Refused, "compile without what makes this relocation", ""},
	CodeSharedAddress:    {Refused, "keep the names together, or apart, as pre has them; put what is new into a function of its own, and have its callers call that", ""},
	CodeAlignment:        {Refused, "keep the alignment of the object; put what needs more into one of its own", ""},
	CodeOrphanCold:       {Refused, "compile with -fno-reorder-blocks-and-partition", ""},
	CodeCompiler:         {NeedsJudgement, "use one compiler and one set of options for both, or the differences mean nothing", "what the other compiler did otherwise travels as a change"},
	CodeTableDiffers:     {NeedsJudgement, "look at the functions the table describes", "the running program keeps the table that it has"},
	CodeLayoutAmbiguous:  {Carried, "compile pre and post with -fdata-sections to be certain", ""},
	CodeExitCode:         {NeedsJudgement, "have the patch do the cleaning up elsewhere", "the old code runs when the module is removed"},
	CodeUnnamed:          {NeedsJudgement, "find out who reads this section: code between its __start_ and __stop_ symbols, a loader, or nobody", "the running program keeps the content that it has"},
	CodeIntermediate:     {Refused, "compile both without -flto, or with -ffat-lto-objects", ""},
	CodeNoSymbols:        {Refused, "use the objects as the compiler made them, before strip", ""},
	CodeNoCode:           {Refused, "look whether both are the objects that were meant, compiled with the same configuration", ""},
	CodeTableEntry:       {NeedsJudgement, "register in a function of the patch what the entry is about", "who goes through the table finds the entries that it had when the program was linked"},
	CodeExported:         {NeedsJudgement, "keep the place, the value and the binding of the symbol, and give what is new another name", "other objects go on with what the name means in the running program"},
	CodeException:        {NeedsJudgement, "make the change in a function without try, catch and destructors, or restart the program with the fix", "an exception that reaches the new code ends the program: its unwinder does not know the new code"},

	CodeTypeLayout:    {NeedsJudgement, "keep the layout, and put what is new into an object of its own that the structure's address leads to (a shadow variable)", oldMeaning},
	CodeTypeEnum:      {NeedsJudgement, "give new constants values that no other has", oldMeaning},
	CodeTypeSignature: {NeedsJudgement, "give the new function a new name, and keep the old one", "callers that are not in this object go on with the old parameters"},
	CodeTypeConstant:  {NeedsJudgement, "make sure that nothing that lives on was made with the old value", oldMeaning},
	CodeNotGiven:      {NeedsJudgement, "give the objects of these files too, compiled without the patch and with it", "what is not given goes on with the old meaning"},

	CodeSleepingStack: {NeedsJudgement, "change a function that it calls, or one that the tasks leave before they sleep; or start the fixed kernel", neverEnds},
	CodeThreadLoop:    {NeedsJudgement, "change a function that the loop calls; or have the thread end while the update is loaded, by whatever started it (unload its driver, unmount, switch the feature off and on)", neverEnds},
	CodeNMI:           {NeedsJudgement, "change what its callers do outside of NMIs; or apply it while nothing makes any: kernel.nmi_watchdog=0, no perf", "an NMI can come while the function is half taken over"},
	CodeHotProbe:      {NeedsJudgement, "change its callers instead, so that livepatch or a jump takes them over", "each call takes a breakpoint exception, and calls out of handlers of other kprobes run the old function"},

	CodeRemoved:           {Ignored, "nothing calls it any more once the update is applied; code that kept its address still can", ""},
	CodeConstructor:       {NeedsJudgement, "do what the constructor would do by other means, such as a function of the patch that is called anyway", "what constructors set stays as it is in the running program"},
	CodeInitCode:          {Ignored, "what it would do otherwise must be done by other means, such as a callback of the patch", ""},
	CodeExport:            {Ignored, "modules that are loaded later find the exports that the running kernel has", ""},
	CodeParameter:         {Ignored, "it keeps its default; set the variable in a callback of the patch where that is not right", ""},
	CodeNote:              {Ignored, "it is for tools that read the file", ""},
	CodeModuleInfo:        {Ignored, "it is for tools that read the file", ""},
	CodeUnused:            {Carried, "another object of the update may refer to it", ""},
	CodeExceptionPath:     {Carried, "a process in which somebody above it handles exceptions refuses it; restart such a program with the fix, unless nothing throws there (hotpatch -no-exceptions)", ""},
	CodeUnreferencedState: {Ignored, "the running program keeps it; nothing new uses it", ""},
	CodeFreshState:        {Carried, "a message that is shown once may be shown once more", ""},
	CodeSymbols:           {Ignored, "code that is linked later finds the names of the running program, not those of post", ""},
	CodeNoTypes:           {Carried, "compile pre and post with -g to have layouts compared", ""},
	CodeNoDebug:           {Carried, "uncompress it (objcopy --decompress-debug-sections), or compile without -gz", ""},
	CodeInitials:          {Carried, "what holds something else is left alone, and what was set goes back when the update is reverted; the log says both", ""},
	CodeAddressKept:       {Carried, "the module can be disabled, but stays loaded; where a callback of the patch takes the address back, say so (mkupdate -unpin)", ""},
	CodeInPlace:           {Carried, "the target overwrites it when the update is applied, and restores it when that is reverted", ""},
}

// CanAccept reports whether a person can accept what a code stands for, with
// [Options].Accept. It takes CODE:SYMBOL too.
func (c Code) CanAccept() bool {
	code, symbol, narrow := strings.Cut(string(c), ":")
	return codes[Code(code)].accept != "" && narrow == (symbol != "")
}

// accepts reports whether what a person wrote, CODE or CODE:SYMBOL, accepts a
// finding.
func (c Code) accepts(f *Finding) bool {
	if c == f.Code {
		return true
	}
	code, symbol, narrow := strings.Cut(string(c), ":")
	return narrow && Code(code) == f.Code && symbol == f.Symbol
}

// AcceptedBy takes responsibility for a finding that needs judgement, where one of
// the codes is about it, as [Options].Accept does. It reports whether the finding
// stands in no update's way.
func (f *Finding) AcceptedBy(accept []Code) bool {
	if f.Severity == NeedsJudgement && slices.ContainsFunc(accept, func(c Code) bool { return c.accepts(f) }) {
		f.Accepted = true
	}
	return f.Severity < NeedsJudgement || f.Accepted
}
