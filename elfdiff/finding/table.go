package finding

import (
	"maps"
	"slices"
)

// codeRow is what is known about a code.
type codeRow struct {
	severity Severity
	hint     string // what the user can do
	accept   string // what comes of accepting it; "" for what can't be accepted
}

// Hints for special cases of a code.
const (
	// HintOwnFunction is for [CodeDataChanged], of a variable that can't be set.
	HintOwnFunction = "leave the initialiser as it is, and set the value in a function of the patch"
	// HintAnotherName is for [CodeKindChanged], where the variable became per-CPU, or the reverse.
	HintAnotherName = "give the variable of the new kind another name: a module can have a plain variable of its own"
	// HintNewConstant is for [CodeConstShared], where the constant can't be overwritten: it has another size, or is a program's.
	HintNewConstant = "give the constant with the new content another name, and have changed code use that: who has the address of the old one goes on with it"
	// HintOldMeaning is for [CodeOldCallback], where the function that others have the address of goes on as something else.
	HintOldMeaning = "leave it as it is for those that have its address, and give what post makes of it another name"
	// HintMade is for [CodeOldObject], where a constructor of objects changed that are made before they are used.
	HintMade = "set up what is new where objects are allocated too, and leave there what was set up"
	// HintSameName is for [CodeAmbiguousStatic], where a variable goes on under another name.
	HintSameName = "keep the name and the place of the variable: under another name it is a new one"
)

const (
	runningData  = "the running program keeps the value that the variable has now"
	oldMeaning   = "what exists already, and code that is not replaced, have the old meaning"
	neverEnds    = "until the last of these tasks has left it, the old code runs, and the transition goes on; a jump is not written at all (EBUSY)"
	otherBuild   = "new code means what the other build means, whatever this one has"
	runningConst = "who reads the running program's constant reads the old one, and changed code does too"
)

// codes is the table of all codes.
var codes = map[Code]codeRow{
	CodeDataChanged:      {NeedsJudgement, "have members that still hold their old initial value set (Options.Initials); or " + HintOwnFunction, runningData},
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
	CodeTypeHash:         {Refused, "build the kernel without CONFIG_CFI_CLANG, or the program without -fsanitize=function", ""},
	CodeShortBranch:      {Refused, "compile pre and post with -ffunction-sections", ""},
	CodeEntryPoints:      {Refused, "leave this assembly alone", ""},
	CodeFallsThrough:     {Refused, "end it with a jump or a return, or leave this assembly alone", ""},
	CodeIndirectFunction: {Refused, "change, or call, the implementations instead of the resolver", ""},
	CodeRelocation:       {Refused, "compile without what makes this relocation", ""},
	CodeSharedAddress:    {Refused, "keep the names together, or apart, as pre has them; put what is new into a function of its own, and have its callers call that", ""},
	CodeAlignment:        {Refused, "keep the alignment of the object; put what needs more into one of its own", ""},
	CodeKeptAlignment:    {NeedsJudgement, "put what needs it into an object of its own, which the update brings along", "the running program keeps the object where it is, aligned as it was"},
	CodeStartState:       {NeedsJudgement, "set it up in a callback of the patch too (GOSPLICE_PRE_PATCH of gosplice.h), or where it is used first", "changed code finds the variable as it is: a new one with its initial value, another as the start has left it"},
	CodeDeepStack:        {NeedsJudgement, "allocate the memory (kmalloc), or have it once for each processor", "where the stack is deep already, a call overwrites what is below, or ends the system"},
	CodeLockPairs:        {NeedsJudgement, "take and give back the lock in one function, or leave the pair as it is", "a task that goes over to the new code between the two gives back what it has not taken, or keeps what it has"},
	CodeOldObject:        {NeedsJudgement, "look whether there is one before it is followed, or keep it in a shadow variable (klp_shadow_get_or_alloc)", "objects that old code has made have nothing there, or something else, which new code takes for a pointer"},
	CodeOtherLock:        {NeedsJudgement, "take the old lock too, around the new one", "until all tasks have gone over, some are kept out by the old lock and some by the new one: old code and new code may be in what they protect at one time"},
	CodeLockOrder:        {NeedsJudgement, "keep the order of pre, or try to take the second lock and begin again where that fails", "until all tasks have gone over, one in old code may have the one lock and wait for the other, and one in new code the reverse: both wait for ever"},
	CodeStoredKeys:       {NeedsJudgement, "look where the old function says too, or have a callback of the patch store anew what is there (GOSPLICE_PRE_PATCH of gosplice.h)", "what has been stored already, and what old code stores until all tasks have gone over, is where the old function says: it may not be found, or be stored twice"},
	CodeReferencePairs:   {NeedsJudgement, "give back what new code has taken, and nothing else: mark it (a shadow variable), or have both in one function", "what old code has handed on is given back without having been taken, which frees what is in use, or stays taken for ever; when the update is disabled, it is the other way round"},
	CodeWaitPairs:        {NeedsJudgement, "have who waits go on after a while, or look again (a timeout)", "a task that waits in new code is not woken by old code, which other tasks may still run, nor the other way round: it sleeps for ever, and the transition does not end"},
	CodeOldCallback:      {NeedsJudgement, "keep its name, so that who has its address comes to the new one", "who has its address already, such as a timer or work that is set up, calls the old one"},
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

	CodeTypeLayout:    {NeedsJudgement, "keep the layout, and put what is new into an object of its own that the structure's address leads to (a shadow variable)", oldMeaning},
	CodeTypeEnum:      {NeedsJudgement, "give new constants values that no other has", oldMeaning},
	CodeTypeSignature: {NeedsJudgement, "give the new function a new name, and keep the old one", "callers that are not in this object go on with the old parameters"},
	CodeTypeConstant:  {NeedsJudgement, "make sure that nothing that lives on was made with the old value", oldMeaning},
	CodeNotGiven:      {NeedsJudgement, "give the objects of these files too, compiled without the patch and with it", "what is not given goes on with the old meaning"},

	CodeOtherObject:   {NeedsJudgement, "leave it in its file, and change it there", "what calls or uses it and is not replaced goes on with the old one, and a variable begins with its initial value"},
	CodeTailCalled:    {NeedsJudgement, "make it an update of its own, or look at what else changes: a call that has begun in the old function goes on there, and calls what is new", "who sleeps in the old function goes on in it, with the new code of the rest"},
	CodeSleepingStack: {NeedsJudgement, "change a function that it calls, or one that the tasks leave before they sleep; or start the fixed kernel", neverEnds},
	CodeThreadLoop:    {NeedsJudgement, "change a function that the loop calls; or have the thread end while the update is loaded, by whatever started it (unload its driver, unmount, switch the feature off and on)", neverEnds},
	CodeNMI:           {NeedsJudgement, "change what its callers do outside of NMIs; or apply it while nothing makes any: kernel.nmi_watchdog=0, no perf", "an NMI can come while the function is half taken over"},
	CodeModuleStart:   {NeedsJudgement, "put the module itself in place that is built with the patch, before it is loaded next; what has been done already takes a callback of the patch (GOSPLICE_PRE_PATCH of gosplice.h)", "the module starts with the old code, whenever it is loaded; there is no update"},
	CodeHotProbe:      {NeedsJudgement, "change its callers instead, so that livepatch or a jump takes them over", "each call takes a breakpoint exception, and calls out of handlers of other kprobes run the old function"},
	CodeNoEndbr:       {NeedsJudgement, "let the pointer lead to a new function that calls it", "where the processor tracks indirect branches (IBT), a call by the pointer ends the system"},
	CodeLost:          {NeedsJudgement, "give the patches of the earlier update too, in the same form, before those that are new", "what is listed is as in the kernel itself again"},
	CodeStateAnew:     {NeedsJudgement, "disable and unload the earlier update first, and make this one without replacing it; or take a lock that the kernel itself has", "until all tasks have gone over, some take the lock of the earlier update and some this one: they are not kept from each other, and who waits at one is not woken at the other"},

	CodeOtherSource: {NeedsJudgement, "make a bundle of the objects of this build, or look whether the source of this build has the same", otherBuild},
	CodeOtherLayout: {NeedsJudgement, "make a bundle of the objects of this build, or look whether the new code uses what differs", otherBuild},

	CodeRemoved:           {Ignored, "nothing calls it any more once the update is applied; code that kept its address still can", ""},
	CodeConstructor:       {NeedsJudgement, "do what the constructor would do by other means, such as a function of the patch that is called anyway", "what constructors set stays as it is in the running program"},
	CodeInitCode:          {Ignored, "what it would do otherwise must be done by other means, such as a callback of the patch", ""},
	CodeExport:            {Ignored, "modules that are loaded later find the exports that the running kernel has", ""},
	CodeParameter:         {Ignored, "it keeps its default; set the variable in a callback of the patch where that is not right", ""},
	CodeNote:              {Ignored, "it is for tools that read the file", ""},
	CodeModuleInfo:        {Ignored, "it is for tools that read the file", ""},
	CodeUnused:            {Carried, "another object of the update may refer to it", ""},
	CodeException:         {Carried, "a process whose unwinder can't be led to the new code refuses it: restart such a program with the fix", ""},
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

// Codes returns all codes that package elfdiff, and what is built on it, has a row of the
// table for, sorted.
func Codes() []Code { return slices.Sorted(maps.Keys(codes)) }
