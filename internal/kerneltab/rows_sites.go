package kerneltab

// Sections that list places in code that the kernel rewrites when it starts, when a
// module is loaded, or whenever something is switched.
const (
	McountLoc       = "__mcount_loc"
	AltInstructions = ".altinstructions"
	ParaSites       = ".parainstructions"
	SMPLocks        = ".smp_locks"
	RetpolineSites  = ".retpoline_sites"
	ReturnSites     = ".return_sites"
	CallSites       = ".call_sites"
	EndbrSeal       = ".ibt_endbr_seal"
	CFITraps        = ".kcfi_traps"
	StaticCallSites = ".static_call_sites"
	JumpTable       = "__jump_table"
	RuntimePtr      = "runtime_ptr_"
	RuntimeShift    = "runtime_shift_"
	RuntimeMask     = "runtime_mask_"
)

// Names that tell such places where no table does.
const (
	IndirectThunk        = "__x86_indirect_thunk_" // begins the names of the retpolines; a register follows
	ReturnThunk          = "__x86_return_thunk"
	StaticCallTrampoline = "__SCT__"    // begins the names of trampolines; that of the static call follows
	StaticCallKey        = "__SCK__"    // likewise of keys
	Padding              = "__pfx_"     // begins the names of the room in front of functions; that of the function follows
	Fentry               = "__fentry__" // what functions that can be traced call at their start
	CFIPrefix            = "__cfi_"     // likewise of the room that clang's kCFI keeps a hash in
)

// siteSections are in the order in which the kernel rewrites what they list.
var siteSections = []Section{
	{
		Name: McountLoc, Source: "gcc -mfentry -mrecord-mcount; kernel/trace/ftrace.c", Reader: "ftrace_module_init, which sorts it",
		Kind: Table, What: "ftrace sites", Traits: ByEntry | Expendable | Describing,
		Layouts: []Layout{{Size: 8, Fields: place(Absolute)}}, Lost: "it could not be traced, nor patched again",
		Site:   &Site{Size: 5, Why: "calls of a tracer: off, or one of the tracer's, of a livepatch's, of a probe's (arch/x86/kernel/ftrace.c)"},
		Module: Module{To: McountLoc, Flags: flagsA},
		Bounds: Bounds{"__start_mcount_loc", "__stop_mcount_loc"},
	},
	{
		Name: EndbrSeal, Versions: "5.18 and later", Source: "tools/objtool/check.c", Reader: "module_finalize: apply_seal_endbr",
		Kind: Table, What: "ENDBR sites", Traits: Expendable | Describing | OfUse,
		Layouts: []Layout{{Size: 4, Fields: place(Relative32)}},
		Site:    &Site{Size: 4, Why: "a function that nothing calls through a pointer loses its endbr64 (apply_seal_endbr)"},
	},
	{
		Name: ".cfi_sites", Versions: "6.2 and later, clang", Source: "tools/objtool/check.c", Reader: "module_finalize: apply_fineibt",
		Kind: Table, What: "kCFI sites",
		Layouts: []Layout{{Size: 4, Fields: place(Relative32)}},
	},
	{
		Name: CFITraps, Versions: "6.1 and later, clang", Source: "clang -fsanitize=kcfi", Reader: "module_cfi_finalize",
		Kind: Table, What: "kCFI traps",
		Layouts: []Layout{{Size: 4, Fields: place(Relative32)}}, // the ud2 that ends the check
		Site:    &Site{Size: 14, Back: 12, Unseen: true, Why: "the check in front of an indirect call becomes FineIBT's, or is jumped over (apply_fineibt)"},
	},
	{
		Name: ParaSites, Versions: "up to 6.7", Source: "struct paravirt_patch_site of arch/x86/include/asm/paravirt_types.h, Linux 6.1", Reader: "module_finalize: apply_paravirt",
		Kind: Table, What: "paravirt sites", Traits: ByEntry | Describing,
		Layouts: []Layout{{Size: 16, Last: 12, Versions: "5.10 does not fill up the last one", Struct: "paravirt_patch_site", Fields: Fields{
			At:     {Size: 8, Ref: Absolute, Member: "instr"},
			Key:    {Offset: 8, Size: 1, Member: "type"}, // index of the pointer in pv_ops
			Length: {Offset: 9, Size: 1, Member: "len"},
		}}}, Lost: "its indirect calls would stay",
		Site:   &Site{Why: "an indirect call through pv_ops becomes a direct one, or nothing (apply_paravirt of Linux 6.1)"},
		Module: Module{To: ParaSites, Flags: flagsA},
	},
	{
		Name: RetpolineSites, Versions: "5.16 and later, and stable versions of 5.10 and 5.15", Source: "tools/objtool/check.c", Reader: "module_finalize: apply_retpolines",
		Kind: Table, What: "retpoline sites", Traits: Telling | ByEntry | Describing,
		Layouts: []Layout{{Size: 4, Fields: place(Relative32)}}, Lost: "its indirect branches would go through thunks",
		Site:   &Site{Thunk: IndirectThunk, Why: "a branch to a retpoline becomes an indirect branch, or one to another thunk (apply_retpolines)"},
		Module: Module{To: RetpolineSites, Flags: flagsA},
	},
	{
		Name: ReturnSites, Versions: "5.19 and later, and stable versions of 5.10 and 5.15", Source: "tools/objtool/check.c", Reader: "module_finalize: apply_returns",
		Kind: Table, What: "return thunk sites", Traits: Telling | ByEntry | Describing,
		Layouts: []Layout{{Size: 4, Fields: place(Relative32)}}, Lost: "its returns would go through a thunk that is not for it",
		Site:   &Site{Size: 5, Thunk: ReturnThunk, Why: "a jump to the return thunk becomes a return, or one to another thunk (apply_returns)"},
		Module: Module{To: ReturnSites, Flags: flagsA},
	},
	{
		Name: AltInstructions, Source: "struct alt_instr of arch/x86/include/asm/alternative.h", Reader: "module_finalize: apply_alternatives",
		Kind: Table, What: "alternatives", Traits: Telling | ByEntry | Describing,
		Layouts: alternatives, Lost: "it would run the instructions of the oldest processors",
		Site:   &Site{Why: "instructions are replaced by what suits the processor (apply_alternatives)"},
		Module: Module{To: AltInstructions, Flags: flagsA},
	},
	{
		Name: CallSites, Versions: "6.2 and later", Source: "tools/objtool/check.c", Reader: "module_finalize: callthunks_patch_module_calls",
		Kind: Table, What: "call depth tracking sites", Traits: ByEntry | Optional | Describing,
		Layouts: []Layout{{Size: 4, Fields: place(Relative32)}}, Lost: "its calls would not be counted",
		Site:   &Site{Size: 5, Why: "a call goes to the counting in front of the function (arch/x86/kernel/callthunks.c)"},
		Module: Module{To: CallSites, Flags: flagsA},
	},
	{
		Name: SMPLocks, Source: "LOCK_PREFIX of arch/x86/include/asm/alternative.h", Reader: "module_finalize: alternatives_smp_module_add",
		Kind: Table, What: "lock prefixes", Traits: ByEntry | Describing,
		Layouts: []Layout{{Size: 4, Fields: place(Relative32)}}, Lost: "lock prefixes would stay on one processor",
		Site:   &Site{Size: 1, Why: "with one processor, lock prefixes become ds prefixes (alternatives_smp_unlock)"},
		Module: Module{To: SMPLocks, Flags: flagsA},
	},
	{
		Name: JumpTable, Source: "struct jump_entry of include/linux/jump_label.h", Reader: "jump_label_module_notify, which sorts it and marks what is in code of the start",
		Kind: Table, What: "static branch sites", Traits: Telling | ByEntry | Leading,
		Layouts: []Layout{{Size: 16, Struct: "jump_entry", Fields: Fields{
			At:     {Size: 4, Ref: Relative32, Member: "code"},
			Target: {Offset: 4, Size: 4, Ref: Relative32, Member: "target"},
			Key:    {Offset: 8, Size: 8, Ref: Relative64, Mask: ^uint64(3), Member: "key"},
		}}}, Lost: "its static branches would never change",
		Site:   &Site{Why: "objtool and the kernel turn the jump of a static key into a nop and back (arch/x86/kernel/jump_label.c)"},
		Module: Module{To: JumpTable, Flags: flagsWA, Memory: MemoryAfterInit},
		Bounds: Bounds{"__start___jump_table", "__stop___jump_table"},
	},
	{
		// Without an entry, what is left is a call of the trampoline, which leads to
		// the same function.
		Name: StaticCallSites, Source: "struct static_call_site of include/linux/static_call_types.h", Reader: "static_call_module_notify, which sorts it",
		Kind: Table, What: "static call sites", Traits: Telling | ByEntry | Optional | Describing,
		Layouts: []Layout{{Size: 8, Struct: "static_call_site", Fields: Fields{
			At:  {Size: 4, Ref: Relative32, Member: "addr"},
			Key: {Offset: 4, Size: 4, Ref: Relative32, Mask: 1<<32 - 4, Member: "key"},
		}}}, Lost: "its static calls would go through trampolines",
		Site:   &Site{Size: 5, Thunk: StaticCallTrampoline, Why: "a call of a trampoline becomes one of the function, or nothing (arch/x86/kernel/static_call.c)"},
		Module: Module{To: StaticCallSites, Flags: flagsWA, Memory: MemoryData},
		Bounds: Bounds{"__start_static_call_sites", "__stop_static_call_sites"},
	},
	{
		Name: RuntimePtr, Prefix: true, Versions: "6.11 and later", Source: "arch/x86/include/asm/runtime-const.h, Linux 6.12", Reader: "the start of the kernel, and nobody for modules",
		Kind: Table, What: "runtime constants",
		Layouts: []Layout{{Size: 4, Fields: place(Relative32)}},
		Site:    &Site{Size: 8, Variable: true, Why: "an immediate becomes the value that a variable has when the kernel has started"},
	},
	{
		Name: RuntimeShift, Prefix: true, Versions: "6.11 and later", Source: "arch/x86/include/asm/runtime-const.h, Linux 6.12", Reader: "likewise",
		Kind: Table, What: "runtime constants",
		Layouts: []Layout{{Size: 4, Fields: place(Relative32)}},
		Site:    &Site{Size: 1, Variable: true, Why: "likewise for the count of a shift"},
	},
	{
		Name: RuntimeMask, Prefix: true, Versions: "7.3, not 6.12", Source: "arch/x86/include/asm/runtime-const.h, Linux 7.3", Reader: "likewise",
		Kind: Table, What: "runtime constants",
		Layouts: []Layout{{Size: 4, Fields: place(Relative32)}},
		Site:    &Site{Size: 4, Variable: true, Why: "likewise for a mask of 32 bits"},
	},
}

// alternatives: the code of a replacement is as long as ReplacementLength says.
var alternatives = []Layout{
	{Size: 12, Versions: "6.1", Struct: "alt_instr", Code: AltReplacement, Fields: Fields{
		At:                {Size: 4, Ref: Relative32, Member: "instr_offset"},
		Replacement:       {Offset: 4, Size: 4, Ref: Relative32, Member: "repl_offset"},
		Feature:           {Offset: 8, Size: 2, Member: "cpuid"}, // the highest bit: where the processor has it not
		Length:            {Offset: 10, Size: 1, Member: "instrlen"},
		ReplacementLength: {Offset: 11, Size: 1, Member: "replacementlen"},
	}},
	{Size: 14, Versions: "6.3 and later", Struct: "alt_instr", Code: AltReplacement, Fields: Fields{
		At:                {Size: 4, Ref: Relative32, Member: "instr_offset"},
		Replacement:       {Offset: 4, Size: 4, Ref: Relative32, Member: "repl_offset"},
		Feature:           {Offset: 8, Size: 2, Member: "cpuid"},
		Flags:             {Offset: 10, Size: 2, Member: "flags"},
		Length:            {Offset: 12, Size: 1, Member: "instrlen"},
		ReplacementLength: {Offset: 13, Size: 1, Member: "replacementlen"},
	}},
	{Size: 13, Versions: "5.10: behind these is padlen", Struct: "alt_instr", Code: AltReplacement, Fields: Fields{
		At:                {Size: 4, Ref: Relative32, Member: "instr_offset"},
		Replacement:       {Offset: 4, Size: 4, Ref: Relative32, Member: "repl_offset"},
		Feature:           {Offset: 8, Size: 2, Member: "cpuid"},
		Length:            {Offset: 10, Size: 1, Member: "instrlen"},
		ReplacementLength: {Offset: 11, Size: 1, Member: "replacementlen"},
	}},
}
