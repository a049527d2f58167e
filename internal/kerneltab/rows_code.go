package kerneltab

import "slices"

// Sections that describe code, an entry for each place, and that nothing is written
// by: see rows_sites.go for those.
const (
	BugTable       = "__bug_table"
	ExTable        = "__ex_table"
	ORCAddresses   = ".orc_unwind_ip"
	ORCRows        = ".orc_unwind"
	ORCHeader      = ".orc_header"
	AltReplacement = ".altinstr_replacement"
	AltAux         = ".altinstr_aux"
	Fixup          = ".fixup"
	StaticCallText = ".static_call.text"
	Patchable      = "__patchable_function_entries"
	Discard        = ".discard"
	TypeIDs        = ".BTF_ids"
)

var codeSections = []Section{
	{
		Name: BugTable, Source: "struct bug_entry of include/asm-generic/bug.h", Reader: "module_bug_finalize; lib/bug.c looks places up by it",
		Kind: Table, What: "BUG and WARN sites", Traits: Telling | ByEntry | Describing,
		Layouts: bugs, Lost: "a warning would be fatal",
		Module: Module{To: BugTable, Flags: flagsWA, Memory: MemoryData}, // it notes there which warnings were given
		Bounds: Bounds{"__start___bug_table", "__stop___bug_table"},
	},
	{
		Name: ExTable, Source: "struct exception_table_entry of arch/x86/include/asm/extable.h", Reader: "find_module_sections; post_relocation sorts it",
		Kind: Table, What: "exception fix-ups", Traits: ByEntry | Leading,
		Layouts: exceptions, Lost: "a fault in user memory would be fatal",
		Module: Module{To: ExTable, Flags: flagsA},
		Bounds: Bounds{"__start___ex_table", "__stop___ex_table"},
	},
	{
		Name: ORCAddresses, Source: "tools/objtool/orc_gen.c; Documentation/arch/x86/orc-unwinder.rst", Reader: "unwind_module_init, which sorts it with its rows",
		Kind: Table, What: "ORC unwinding", Traits: Telling | ByEntry | Describing,
		Layouts: []Layout{{Size: 4, Fields: place(Relative32), Rows: ORCRows}}, Lost: "stacks with it could not be unwound",
		Module: Module{To: ORCAddresses, Flags: flagsA},
	},
	{
		Name: ORCRows, Prefix: true, Source: "struct orc_entry of arch/x86/include/asm/orc_types.h", Reader: "unwind_module_init",
		Kind: Table, What: "ORC unwinding", Traits: Telling | Describing,
		Layouts: []Layout{{Size: 6, Struct: "orc_entry"}}, // see ORC
		Module:  Module{To: ORCRows, Flags: flagsA},
	},
	{
		Name: ORCHeader, Versions: "6.4 and later", Source: "arch/x86/include/asm/orc_header.h", Reader: "nobody: tools compare it",
		Kind: Table, What: "ORC format hash", Class: Unread, Traits: Expendable,
	},
	{
		Name: AltReplacement, Source: "arch/x86/include/asm/alternative.h", Reader: "apply_alternatives copies from it",
		Kind: Table, What: "alternatives",
		Module: Module{To: AltReplacement, Flags: flagsAX, Memory: MemoryText},
	},
	{
		Name: AltAux, Source: "_static_cpu_has of arch/x86/include/asm/cpufeature.h", Reader: "it is code that runs",
		Kind: Piece, What: "the slow ways of alternatives: pieces of code without an identity", Traits: Plain,
		Module: Module{To: Text, Flags: flagsAX, Memory: MemoryText},
	},
	{
		Name: Fixup, Versions: "up to 5.16", Source: "_ASM_EXTABLE of arch/x86/include/asm/asm.h, Linux 5.10", Reader: "it is code that faults go on at",
		Kind: Piece, What: "where faults go on: pieces of code without an identity", Traits: Plain,
		Module: Module{To: Text, Flags: flagsAX, Memory: MemoryText},
	},
	{
		Name: StaticCallText, Source: "arch/x86/include/asm/static_call.h", Reader: "it is code that runs: the trampolines",
		Traits: Telling | Unpatched,
		Module: Module{Memory: MemoryText},
		Bounds: Bounds{"__static_call_text_start", "__static_call_text_end"},
	},
	{
		Name: ".static_call_tramp_key", Source: "struct static_call_tramp_key of include/linux/static_call_types.h", Reader: "the kernel alone, for the static calls of modules",
		Traits: Telling,
		Bounds: Bounds{"__start_static_call_tramp_key", "__stop_static_call_tramp_key"},
	},
	{
		Name: ".static_call", Prefix: true, Source: "include/linux/static_call.h", Reader: "nobody known",
		Traits: Telling,
	},
	{
		Name: Patchable, Source: "gcc -fpatchable-function-entry", Reader: "nobody on x86",
		Kind: Table, What: "ftrace sites", Traits: Expendable | Describing,
		Layouts: []Layout{{Size: 8, Fields: place(Absolute)}},
		Module:  Module{Memory: MemoryData},
	},
	{
		Name: Discard, Prefix: true, Source: "include/asm-generic/vmlinux.lds.h", Reader: "objtool; the linker drops it",
		Kind: Table, What: "build-time annotations", Class: Unread, Traits: Telling | Expendable | Describing,
	},
	{
		Name: TypeIDs, Prefix: true, Source: "include/linux/btf_ids.h", Reader: "code, as constants; tools/bpf/resolve_btfids fills them in when the image is linked",
		Module: Module{To: Rodata, Flags: flagsA},
	},
}

// bugs: in all of them the flags are the last half-word. Without CONFIG_DEBUG_BUGVERBOSE
// there is neither file nor line, and the entry is another one: nothing here knows it.
var bugs = []Layout{
	{Size: 12, Versions: "5.10 to 6.12", Struct: "bug_entry", Fields: Fields{
		At:    {Size: 4, Ref: Relative32, Member: "bug_addr_disp"},
		File:  {Offset: 4, Size: 4, Ref: Relative32, Member: "file_disp"},
		Line:  {Offset: 8, Size: 2, Member: "line"},
		Flags: {Offset: 10, Size: 2, Member: "flags"},
	}},
	{Size: 16, Versions: "7.x: HAVE_ARCH_BUG_FORMAT", Struct: "bug_entry", Fields: Fields{
		At:     {Size: 4, Ref: Relative32, Member: "bug_addr_disp"},
		Format: {Offset: 4, Size: 4, Ref: Relative32, Member: "format_disp"},
		File:   {Offset: 8, Size: 4, Ref: Relative32, Member: "file_disp"},
		Line:   {Offset: 12, Size: 2, Member: "line"},
		Flags:  {Offset: 14, Size: 2, Member: "flags"},
	}},
}

// exceptions: both have the same size. What tells them apart is the last field, by its
// relocations or by its name in BTF.
var exceptions = []Layout{
	{Size: 12, Versions: "5.16 and later", Struct: "exception_table_entry", Fields: Fields{
		At:     {Size: 4, Ref: Relative32, Member: "insn"},
		Target: {Offset: 4, Size: 4, Ref: Relative32, Member: "fixup"},
		Number: {Offset: 8, Size: 4, Member: "data"},
	}},
	{Size: 12, Versions: "5.10", Struct: "exception_table_entry", Fields: Fields{
		At:      {Size: 4, Ref: Relative32, Member: "insn"},
		Target:  {Offset: 4, Size: 4, Ref: Relative32, Member: "fixup"},
		Handler: {Offset: 8, Size: 4, Ref: Relative32, Member: "handler"},
	}},
}

// An ORC says how struct orc_entry of one generation is to be filled: numbers that are
// macros, so that BTF does not tell them. Two facts tell the generations apart: the width of
// a member, and the digest that the build makes of the structure and of the numbers.
type ORC struct {
	TypeBits uint64 // width of the member type
	Header   string // content of [ORCHeader], hexadecimal; "" where the build makes none
	PrevSP   uint16 // ORC_REG_PREV_SP: the frame itself, for the member bp_reg
	BP       uint16 // ORC_REG_BP, for the member sp_reg
	SP       uint16 // ORC_REG_SP, likewise
	Call     uint16 // the type of an ordinary frame, a value of the member type
	Versions string
}

var orcs = [...]ORC{
	{TypeBits: 2, PrevSP: 1, BP: 4, SP: 5, Call: 0, Versions: "5.10, 6.1"},
	{TypeBits: 3, Header: "fe5d32bf581bd63b2ca9a5c65ba5a625eab3fe24", PrevSP: 1, BP: 4, SP: 5, Call: 2, Versions: "6.12"},
	{TypeBits: 3, Header: "137c36ad7627c4dd55932176bb0ecdbd5041fc82", PrevSP: 8, BP: 4, SP: 3, Call: 2, Versions: "7.3"},
}

// ORCHeaderSize is the size of [ORCHeader] in bytes: a SHA-1 digest.
const ORCHeaderSize = 20

// KnowsORC reports whether a generation has that content of [ORCHeader].
func KnowsORC(header string) bool {
	return header != "" && slices.ContainsFunc(orcs[:], func(o ORC) bool { return o.Header == header })
}

// ORCOf returns the generation of struct orc_entry whose member type has that many
// bits, in a kernel with that content of [ORCHeader].
func ORCOf(typeBits uint64, header string) (ORC, bool) {
	for _, o := range orcs {
		if o.TypeBits == typeBits && o.Header == header {
			return o, true
		}
	}
	return ORC{}, false
}
