package object

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
	Reason string
	// drop: a function works without its entries in this table.
	Drop bool
	Role Role
}

// Role says who reads a section, and by that what it means when those of pre and post
// differ.
type Role uint8

const (
	CodeTable Role = iota // a table about code, which the kernel reads
	StartList             // functions that run when the program or the kernel starts or ends
	FileNote              // what is said of the file, for tools
	Unread                // nobody reads it in what runs
)

// sectionRules lists the sections whose kind the flags do not tell. Tables
// that describe code (one entry per site) become rows with their entry size
// here when they are carried; until then a changed function that owns such an
// entry is refused, see [CodeSpecialSection].
var sectionRules = []sectionRule{
	{".eh_frame", Unwind, "DWARF CFI records", false, CodeTable},
	{".gcc_except_table*", LSDA, "C++ exception tables", false, CodeTable},
	{".init_array*", Special, "constructors: run before main only", true, StartList},
	{".fini_array*", Special, "destructors", true, StartList},
	{".preinit_array*", Special, "constructors: run before main only", true, StartList},
	{".ctors*", Special, "constructors: run before main only", true, StartList},
	{".dtors*", Special, "destructors", true, StartList},
	{".initcall*", Special, "initcalls: run at boot only", true, StartList},
	{".con_initcall*", Special, "initcalls: run at boot only", true, StartList},
	{".note.gnu.*", Special, "what the compiler says about the file", true, FileNote},
	{".note.Linux", Special, "the version of the kernel", true, FileNote},
	{".note*", Special, "a note", true, Unread},
	{".altinstructions", Special, "alternatives", false, CodeTable},
	{".altinstr_replacement", Special, "alternatives", false, CodeTable},
	{".altinstr_aux", Const, "the slow ways of alternatives: pieces of code without an identity", false, CodeTable},
	{".parainstructions", Special, "paravirt sites", false, CodeTable},
	{".smp_locks", Special, "lock prefixes", false, CodeTable},
	{".retpoline_sites", Special, "retpoline sites", false, CodeTable},
	{".return_sites", Special, "return thunk sites", false, CodeTable},
	{".call_sites", Special, "call depth tracking sites", false, CodeTable},
	{".ibt_endbr_seal", Special, "ENDBR sites", true, CodeTable},
	{".cfi_sites", Special, "kCFI sites", false, CodeTable},
	{".kcfi_traps", Special, "kCFI traps", false, CodeTable},
	{".static_call_sites", Special, "static call sites", false, CodeTable},
	{"__mcount_loc", Special, "ftrace sites", true, CodeTable},
	{"__patchable_function_entries", Special, "ftrace sites", true, CodeTable},
	{"__jump_table", Special, "static branch sites", false, CodeTable},
	{"__bug_table", Special, "BUG and WARN sites", false, CodeTable},
	{"__ex_table", Special, "exception fix-ups", false, CodeTable},
	{".orc_unwind*", Special, "ORC unwinding", false, CodeTable},
	{".orc_header", Special, "ORC format hash", true, Unread},
	{Discard + "*", Special, "build-time annotations", true, Unread},
	{"runtime_ptr_*", Special, "runtime constants", false, CodeTable},
	{"runtime_shift_*", Special, "runtime constants", false, CodeTable},
}

// Discard begins the names of sections that the kernel's linker scripts leave out.
const Discard = ".discard"

// SectionRuleOf returns the row that names the section, or nil.
func SectionRuleOf(name string) *sectionRule {
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
	if r := SectionRuleOf(s.Name); r != nil {
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
