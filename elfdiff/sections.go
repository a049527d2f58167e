package elfdiff

import (
	"debug/elf"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// sectionRule is one row of the table that says what a section holds. A
// section takes the first row whose name and flags fit; the flags decide where
// no row names it.
type sectionRule struct {
	name   string // exact, or a prefix when it ends in '*'
	kind   Kind
	reason string
	// drop: a function works without its entries in this table.
	drop bool
	// differs is the finding when the tables of pre and post differ; "" means
	// CodeTableDiffers.
	differs Code
}

// sectionRules lists the sections whose kind the flags do not tell. Tables
// that describe code (one entry per site) become rows with their entry size
// here when they are carried; until then a changed function that owns such an
// entry is refused, see [CodeSpecialSection].
var sectionRules = []sectionRule{
	{".eh_frame", Unwind, "DWARF CFI records", false, ""},
	{".gcc_except_table*", LSDA, "C++ exception tables", false, ""},
	{".init_array*", Special, "constructors: run before main only", true, CodeConstructor},
	{".fini_array*", Special, "destructors", true, CodeConstructor},
	{".preinit_array*", Special, "constructors: run before main only", true, CodeConstructor},
	{".ctors*", Special, "constructors: run before main only", true, CodeConstructor},
	{".dtors*", Special, "destructors", true, CodeConstructor},
	{".initcall*", Special, "initcalls: run at boot only", true, CodeConstructor},
	{".con_initcall*", Special, "initcalls: run at boot only", true, CodeConstructor},
	{".note.gnu.*", Special, "what the compiler says about the file", true, CodeNote},
	{".note.Linux", Special, "the version of the kernel", true, CodeNote},
	{".note*", Special, "a note", true, CodeUnnamed},
	{".altinstructions", Special, "alternatives", false, ""},
	{".altinstr_replacement", Special, "alternatives", false, ""},
	{".altinstr_aux", Const, "the slow ways of alternatives: pieces of code without an identity", false, ""},
	{".parainstructions", Special, "paravirt sites", false, ""},
	{".smp_locks", Special, "lock prefixes", false, ""},
	{".retpoline_sites", Special, "retpoline sites", false, ""},
	{".return_sites", Special, "return thunk sites", false, ""},
	{".call_sites", Special, "call depth tracking sites", false, ""},
	{".ibt_endbr_seal", Special, "ENDBR sites", true, ""},
	{".cfi_sites", Special, "kCFI sites", false, ""},
	{".kcfi_traps", Special, "kCFI traps", false, ""},
	{".static_call_sites", Special, "static call sites", false, ""},
	{"__mcount_loc", Special, "ftrace sites", true, ""},
	{"__patchable_function_entries", Special, "ftrace sites", true, ""},
	{"__jump_table", Special, "static branch sites", false, ""},
	{"__bug_table", Special, "BUG and WARN sites", false, ""},
	{"__ex_table", Special, "exception fix-ups", false, ""},
	{".orc_unwind*", Special, "ORC unwinding", false, ""},
	{".orc_header", Special, "ORC format hash", true, CodeUnnamed},
	{discard + "*", Special, "build-time annotations", true, CodeUnnamed},
	{"runtime_ptr_*", Special, "runtime constants", false, ""},
	{"runtime_shift_*", Special, "runtime constants", false, ""},
}

// discard begins the names of sections that the kernel's linker scripts leave out.
const discard = ".discard"

// ruleOf returns the row that names the section, or nil.
func ruleOf(name string) *sectionRule {
	if len(name) < 2 {
		return nil
	}
	for _, r := range rulesByLetter[name[1]] {
		if strings.HasPrefix(name, r.name) && (r.prefix || len(name) == len(r.name)) {
			return r.rule
		}
	}
	return nil
}

// rulesByLetter holds the rows in their order by the second letter of the name:
// most sections of an object, .text.foo and the like, have none to be compared
// with.
var rulesByLetter = func() (t [256][]letteredRule) {
	for i := range sectionRules {
		r := &sectionRules[i]
		name, prefix := strings.CutSuffix(r.name, "*")
		t[name[1]] = append(t[name[1]], letteredRule{name, prefix, r})
	}
	return t
}()

type letteredRule struct {
	name   string
	prefix bool // of a section's name
	rule   *sectionRule
}

// kindOfSection says what the section's atoms are. Sections that take no
// memory at run time, or are unused headers, are Meta whatever they are called.
func kindOfSection(s *elfobj.Section) Kind {
	if s.Flags&elf.SHF_ALLOC == 0 || s.Type == elf.SHT_NULL {
		return Meta
	}
	if r := ruleOf(s.Name); r != nil {
		return r.kind
	}
	return kindOfFlags(s)
}

// shtX8664Unwind is SHT_X86_64_UNWIND, psABI section 4.2.2: the type that some
// assemblers give .eh_frame.
const shtX8664Unwind = 0x70000001

// typeKinds lists the types of sections that say more than the flags do (gABI
// chapter 4, sh_type). What an unknown type holds is memory like any other.
var typeKinds = map[elf.SectionType]Kind{
	elf.SHT_INIT_ARRAY:    Special,
	elf.SHT_FINI_ARRAY:    Special,
	elf.SHT_PREINIT_ARRAY: Special,
	elf.SHT_NOTE:          Special,
	shtX8664Unwind:        Unwind,

	// they are read with the sections that they are about
	elf.SHT_RELA:         Meta,
	elf.SHT_REL:          Meta,
	elf.SHT_SYMTAB:       Meta,
	elf.SHT_STRTAB:       Meta,
	elf.SHT_SYMTAB_SHNDX: Meta,
	elf.SHT_GROUP:        Meta,
}

func kindOfFlags(s *elfobj.Section) Kind {
	const mergeStrings = elf.SHF_MERGE | elf.SHF_STRINGS
	if k, ok := typeKinds[s.Type]; ok {
		return k
	}
	switch f := s.Flags; {
	case f&elf.SHF_EXECINSTR != 0:
		return Func
	case f&elf.SHF_TLS != 0:
		return TLS
	case f&elf.SHF_WRITE != 0:
		if strings.HasPrefix(s.Name, ".data.rel.ro") {
			return Const // read-only once the dynamic linker is done with it
		}
		return Data
	case f&mergeStrings == mergeStrings && s.Entsize > 0:
		return String
	case f&elf.SHF_MERGE != 0 && s.Entsize > 0:
		return Merge
	}
	return Const
}
