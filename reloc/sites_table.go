package reloc

import "github.com/gosplice/gosplice/elfdiff"

// siteRow is one kind of site: what describes it, and what it may hold.
type siteRow struct {
	name string
	// section holds the table that describes the sites; a prefix when it ends
	// in '*'. Empty when no table does.
	section string
	// read reads the table.
	read func(f *siteFinder, row *siteRow, a *elfdiff.Atom)
	// thunk is the beginning of the names of symbols that the sites branch to.
	// Where the table is missing since objtool did not see the object,
	// all branches to them are sites.
	thunk string
	// own finds sites that follow from the function itself, likewise.
	own func(f *siteFinder, row *siteRow, a *elfdiff.Atom)
	// legal looks at the bytes of a site in run, at address p, and reports
	// whether they are one of the forms other than that of pre; with whole,
	// that of pre included.
	legal func(x *siteMatch, s *site, run []byte, p uint64) bool
	whole bool
	// loose says that the target of a branch may be another one than in pre
	// when the code was rewritten, so that it only tells the value of a symbol
	// where run's symbols agree.
	loose bool
	// wide says that a form in run may have another length.
	wide func(x *siteMatch, s *site, run []byte, p uint64) (size int, ok bool)
	why  string
}

// siteRows has a row for each kind. The order is that in which the kernel
// rewrites them when it starts (arch/x86/kernel/alternative.c of Linux 6.1 and
// 6.12); forms are those that its functions write. The rows of clang's kCFI are
// from the source alone: no kernel at hand is built with it.
var siteRows = [...]siteRow{
	{
		name: "ftrace", section: "__mcount_loc", read: fixedEntries(8, 5), legal: traced, loose: true,
		why: "gcc -mfentry -mrecord-mcount lists calls of a tracer: off, or one of the tracer's, of a livepatch's, of a probe's (arch/x86/kernel/ftrace.c)",
	},
	{
		name: "endbr", section: ".ibt_endbr_seal", read: fixedEntries(4, 4), own: ownEndbr, legal: sealed,
		why: "a function that nothing calls through a pointer loses its endbr64 (apply_seal_endbr)",
	},
	{
		name: "kcfi prefix", own: ownPrefix("__cfi_"), legal: cfiPrefix,
		why: "kCFI: the hash in front of a function is made anew at boot, or becomes FineIBT's check (apply_fineibt)",
	},
	{
		name: "kcfi check", section: ".kcfi_traps", read: readTraps, legal: cfiCheck,
		why: "kCFI: the check in front of an indirect call likewise, or is jumped over",
	},
	{
		name: "call depth", own: ownPrefix("__pfx_"), legal: callDepth,
		why: "call depth tracking counts in the padding in front of a function (arch/x86/kernel/callthunks.c)",
	},
	{
		name: "paravirt", section: ".parainstructions", read: readParavirt, legal: paravirt,
		why: "an indirect call through pv_ops becomes a direct one, or nothing (apply_paravirt of Linux 6.1)",
	},
	{
		name: "retpoline", section: ".retpoline_sites", read: fixedEntries(4, 0), thunk: "__x86_indirect_thunk_", legal: retpoline, loose: true,
		why: "a branch to a retpoline becomes an indirect branch, or one to another thunk (apply_retpolines)",
	},
	{
		name: "return", section: ".return_sites", read: fixedEntries(4, 5), thunk: "__x86_return_thunk", legal: returns, loose: true,
		why: "a jump to the return thunk becomes a return, or one to another thunk (apply_returns)",
	},
	{
		name: "alternative", section: ".altinstructions", read: readAlternatives,
		why: "instructions are replaced by what suits the processor (apply_alternatives); see alternatives.go",
	},
	{
		name: "lock", section: ".smp_locks", read: fixedEntries(4, 1), legal: unlocked,
		why: "with one processor, lock prefixes become ds prefixes (alternatives_smp_unlock)",
	},
	{
		name: "jump label", section: "__jump_table", read: readJumpLabels, legal: jumpLabel, whole: true, wide: wideJumpLabel,
		why: "objtool and the kernel turn the jump of a static key into a nop and back (arch/x86/kernel/jump_label.c)",
	},
	{
		name: "static call", section: ".static_call_sites", read: fixedEntries(8, 5), thunk: "__SCT__", legal: staticCall, loose: true,
		why: "a call of a trampoline becomes one of the function, or nothing (arch/x86/kernel/static_call.c)",
	},
	{
		name: "static call trampoline", own: ownTrampoline, legal: trampoline, loose: true,
		why: "the trampoline itself leads to another function, or returns",
	},
	{
		name: "runtime pointer", section: "runtime_ptr_*", read: readConstants(8), legal: runtimePointer, whole: true,
		why: "an immediate becomes the value that a variable has when the kernel has started (include/asm/runtime-const.h of Linux 6.12)",
	},
	{
		name: "runtime shift", section: "runtime_shift_*", read: readConstants(1), legal: runtimeShift, whole: true,
		why: "likewise for the count of a shift",
	},
}
