package kerneltab

import (
	"fmt"
	"slices"
)

// A Fact is something that generations of kernels have in different forms, and that a module
// for one depends on. A kernel in which one has a form that is not here is not understood.
type Fact struct {
	Name  string // for people
	Forms []Form
	Where string // what has to be added for another form, and where
}

// A Form is what a fact is in some kernels.
type Form struct {
	Value    string // as Facts of package kernel has it
	Versions string // of Linux in which it was seen; for people
}

// Form returns the form of a value, or nil.
func (f *Fact) Form(value string) *Form {
	i := slices.IndexFunc(f.Forms, func(x Form) bool { return x.Value == value })
	if i < 0 {
		return nil
	}
	return &f.Forms[i]
}

var entryTables = [...]string{AltInstructions, ParaSites, JumpTable, StaticCallSites, BugTable, ExTable, KSymTab}

// EntryTables returns the rows of the tables whose entries a module depends on, where the
// kernel has them: the forms are their layouts.
func EntryTables() []*Section {
	rows := make([]*Section, len(entryTables))
	for i, name := range entryTables {
		rows[i] = Named(name)
	}
	return rows
}

const (
	whereKlp    = "whether the module has to fill the members: splice/module/patch.go; then the list of them in internal/kerneltab/generation.go"
	whereExport = "a form in internal/kerneltab/generation.go, what reads it in internal/kernel/exports.go, and what uses it in splice/module/symbols.go"
)

// Exports is how a kernel lists what modules may use: sections, and CRCs.
var Exports = Fact{Name: "exports", Where: whereExport, Forms: []Form{
	{"__ksymtab, __ksymtab_gpl; a CRC each", "5.10 to 6.12, with CONFIG_MODVERSIONS"},
	{"__ksymtab, __ksymtab_gpl; no CRCs", "5.10 to 6.12"},
	{"__ksymtab, __kflagstab; no CRCs", "7.3"},
}}

// Anchor is the export from which all of the image is reached, the first that there is.
var Anchor = Fact{Name: "export to reach all from", Where: whereExport, Forms: []Form{
	{"_printk", "5.15 and later"},
	{"printk", "until 5.14"},
}}

// OldNames are the names that symbols of the kernel had before, for those that the module's
// own code refers to.
var OldNames = map[string]string{"_printk": "printk", "vmalloc_noprof": "vmalloc"}

// ModuleMemory is the member of struct module that has the pieces of a module's memory.
var ModuleMemory = Fact{Name: "memory in struct module", Where: "lay of internal/kernel/module_layout.go, and a form in internal/kerneltab/generation.go", Forms: []Form{
	{"core_layout", "until 6.3"},
	{"mem", "6.4 and later"},
}}

// Structures are those that a livepatch module has, by the names of all their members in
// order: a member that is new may have to be filled.
var Structures = []Fact{
	{"klp_patch", []Form{{"mod objs states replace list kobj obj_list enabled forced free_work finish", livepatchSince}}, whereKlp},
	{"klp_object", []Form{{"name funcs callbacks kobj func_list node mod dynamic patched", livepatchSince}}, whereKlp},
	{"klp_func", []Form{{"old_name new_func old_sympos old_func kobj node stack_node old_size new_size nop patched transition", livepatchSince}}, whereKlp},
	{"klp_callbacks", []Form{{"pre_patch post_patch pre_unpatch post_unpatch post_unpatch_enabled", livepatchSince}}, whereKlp},
	{"klp_state", []Form{{"id version data", livepatchSince}}, whereKlp},
}

const livepatchSince = "5.10 to 7.3"

// ORCFact has the generations of struct orc_entry as forms.
func ORCFact() Fact {
	f := Fact{Name: "ORC rows", Where: "a row with its numbers in orcs of internal/kerneltab/rows_code.go"}
	for _, o := range orcs {
		f.Forms = append(f.Forms, Form{ORCValue(orcSize, o.TypeBits, o.Header), o.Versions})
	}
	return f
}

// orcSize is the size of struct orc_entry in all generations, bytes.
const orcSize = 6

// ORCValue is the form of a generation of struct orc_entry.
func ORCValue(size, typeBits uint64, header string) string {
	s := fmt.Sprintf("%d bytes, %d bits of type", size, typeBits)
	if header != "" {
		s += ", " + ORCHeader + " " + header
	}
	return s
}
