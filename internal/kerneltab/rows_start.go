package kerneltab

// Sections that a kernel reads or runs when it starts, when a module is loaded or
// removed, or that are about files.
const (
	Init          = ".init"       // begins the names of what the loader frees when a module is initialised
	Setup         = ".init.setup" // begins the names of what says which functions take options of the command line
	KCRCTab       = "__kcrctab"
	KSymTab       = "__ksymtab"
	KFlagsTab     = "__kflagstab"
	CRCSymbol     = "__crc_"       // begins the name of the CRC of what a module exports
	NamespaceText = "__kstrtabns_" // and that of the namespace
	Modinfo       = ".modinfo"
	Parameters    = "__param"
	Versions      = "__versions"
	ThisModule    = ".gnu.linkonce.this_module"
	BTF           = ".BTF"
	BuildIDNote   = ".note.gnu.build-id"
	UpdateNote    = ".note.gosplice.kernel" // of modules that package module makes: the kernel that they are for
	UpdateSides   = ".gosplice.sides"       // likewise: what they change, without and with the change
	ImageNotes    = ".notes"
	CallbackHooks = ".kpatch.callbacks."

	// How names of livepatch begin (Documentation/livepatch/module-elf-format.rst).
	LivepatchRela   = ".klp.rela." // of relocations: OBJECT.SECTION follows
	LivepatchSymbol = ".klp.sym."  // of symbols: OBJECT.NAME,POSITION follows
)

// The functions that the kernel calls when a module starts and when it is removed
// (include/linux/module.h).
const (
	ModuleInit = "init_module"
	ModuleExit = "cleanup_module"
)

const (
	whyStart  = "it is for the start"
	whyFreed  = "it is for the start, and its memory is freed after it"
	whyExit   = "it is for the removal of a module"
	whyList   = "it is a list that the start goes through"
	whyExport = "it is in the list of exports"
	listed    = "include/asm-generic/vmlinux.lds.h"
	loader    = "kernel/module/main.c"
)

// exports is struct kernel_symbol with CONFIG_HAVE_ARCH_PREL32_RELOCATIONS.
var exports = []Layout{{Size: 12, Struct: "kernel_symbol", Fields: Fields{
	Value:     {Size: 4, Ref: Relative32, Member: "value_offset"},
	Name:      {Offset: 4, Size: 4, Ref: Relative32, Member: "name_offset"},
	Namespace: {Offset: 8, Size: 4, Ref: Relative32, Member: "namespace_offset"},
}}}

var startSections = []Section{
	{Name: Init, Prefix: true, Source: loader, Reader: "module_init_section", Module: Module{Memory: MemoryFreed}},
	{Name: ".init.", Prefix: true, Source: listed, Class: Start, Why: whyFreed, Traits: Freed, Module: Module{Memory: MemoryFreed}},
	{Name: ".head.text", Prefix: true, Source: listed, Class: Start, Why: whyStart},
	{Name: ".exit.", Prefix: true, Source: listed, Class: Exit, Why: whyExit, Traits: Freed},
	{Name: ".exit.text", Prefix: true, Source: listed, Class: Exit, Why: whyExit, Traits: Freed, Module: Module{To: Text, Flags: flagsAX, Memory: MemoryText}},
	{Name: ".exit.data", Prefix: true, Source: listed, Class: Exit, Why: whyExit, Traits: Freed, Module: Module{Memory: MemoryData}},
	{Name: ".exitcall", Prefix: true, Source: listed, Class: Exit, Why: whyExit},
	{Name: ".initcall", Prefix: true, Source: "include/linux/init.h", Kind: Table, What: "initcalls: run at boot only", Class: Constructor, Traits: Expendable, Module: Module{Memory: MemoryFreed}},
	{Name: ".con_initcall", Prefix: true, Source: "include/linux/init.h", Kind: Table, What: "initcalls: run at boot only", Class: Constructor, Traits: Expendable},
	{Name: ".meminit.", Prefix: true, Source: listed, Traits: Freed},
	{Name: ".cpuinit.", Prefix: true, Versions: "up to 3.10", Source: listed, Traits: Freed},
	{Name: ".x86_cpu_dev.init", Prefix: true, Source: "arch/x86/kernel/vmlinux.lds.S", Class: Start, Why: whyList},
	{Name: "__earlycon_table", Prefix: true, Source: listed, Class: Start, Why: whyList},
	{Name: ".lsm_info.init", Prefix: true, Source: listed, Class: Start, Why: whyList},
	{Name: ".early_lsm_info.init", Prefix: true, Source: listed, Class: Start, Why: whyList},
	{Name: ".kunit_", Prefix: true, Source: listed, Class: Start, Why: whyList},
	{Name: ".pci_fixup", Prefix: true, Source: "struct pci_fixup of include/linux/pci.h", Reader: "pci_do_fixups, in the image alone"},

	{Name: "___ksymtab", Prefix: true, Source: "include/linux/export.h", Reader: "the linker makes " + KSymTab + " of them", Class: Export, Why: whyExport, Traits: Telling},
	{
		Name: KSymTab, Prefix: true, Source: "struct kernel_symbol of kernel/module/internal.h", Reader: "find_module_sections",
		Class: Export, Why: whyExport, Traits: Telling, Layouts: exports,
		Bounds: Bounds{"__start___ksymtab", "__stop___ksymtab"}, // see GPL
	},
	{Name: "___kcrctab", Prefix: true, Source: "include/linux/export.h", Reader: "the linker makes " + KCRCTab + " of them", Class: Export, Why: whyExport},
	{
		Name: KCRCTab, Prefix: true, Source: listed, Reader: "find_module_sections: one for each entry of " + KSymTab,
		Class: Export, Why: whyExport, Layouts: []Layout{{Size: 4, Fields: Fields{Value: {Size: 4}}}},
		Bounds: Bounds{"__start___kcrctab", "__stop___kcrctab"},
	},
	{Name: "___kflagstab", Prefix: true, Versions: "7.x", Source: listed, Reader: "the linker makes " + KFlagsTab + " of them", Class: Export, Why: whyExport},
	{
		Name: KFlagsTab, Prefix: true, Versions: "7.x", Source: listed, Reader: "find_module_sections: one for each entry of " + KSymTab,
		Class: Export, Why: whyExport, Layouts: []Layout{{Size: 1, Fields: Fields{Flags: {Size: 1}}}},
		Bounds: Bounds{"__start___kflagstab", "__stop___kflagstab"},
	},
	{Name: ".export_symbol", Prefix: true, Versions: "6.5 and later", Source: "include/linux/export.h", Reader: "modpost", Class: Export, Why: whyExport, Traits: Telling},
	{Name: Parameters, Prefix: true, Source: "include/linux/moduleparam.h", Reader: "parse_args", Class: Parameter, Why: "it is in the list of parameters, which is read at the start", Bounds: Bounds{"__start___param", "__stop___param"}},
	{Name: "__modver", Prefix: true, Source: "include/linux/module.h", Reader: "version_sysfs_builtin, in the image alone", Class: Info, Why: "it is a version for sysfs, made at the start"},
	{Name: Modinfo, Prefix: true, Source: loader, Reader: "setup_load_info", Class: Info, Why: "it is information about a module", Traits: Telling, Module: Module{Memory: MemoryUnloaded}},
	{Name: Versions, Source: "struct modversion_info of include/linux/module.h", Reader: "check_version", Layouts: []Layout{{Size: 64, Struct: "modversion_info"}}, Module: Module{Memory: MemoryUnloaded}},
	{Name: "__version_ext_crcs", Versions: "6.14 and later", Source: loader, Reader: "check_version", Module: Module{Memory: MemoryUnloaded}},
	{Name: "__version_ext_names", Versions: "6.14 and later", Source: loader, Reader: "check_version", Module: Module{Memory: MemoryUnloaded}},
	{Name: ThisModule, Prefix: true, Source: "struct module of include/linux/module.h", Reader: "setup_load_info", Layouts: []Layout{{Struct: "module"}}, Module: Module{Memory: MemoryData}},
	{Name: CallbackHooks, Prefix: true, Source: "macros of kpatch; Documentation/livepatch/callbacks.rst", Reader: "who makes the livepatch", What: "addresses of functions that a livepatch calls"},
	{Name: BTF, Source: "Documentation/bpf/btf.rst", Reader: "btf_module_notify", Bounds: Bounds{"__start_BTF", "__stop_BTF"}},

	{Name: ".note.gnu.", Prefix: true, Source: "gABI, \"Note Section\"", Kind: Table, What: "what the compiler says about the file", Class: Note, Traits: Expendable},
	{Name: BuildIDNote, Source: "ld --build-id", Reader: "add_notes_attrs shows it in sysfs", Kind: Table, What: "what the compiler says about the file", Class: Note, Traits: Expendable},
	{Name: UpdateNote, Source: "package splice/module", Reader: "add_notes_attrs shows it in sysfs", Kind: Table, What: "a note", Class: Unread, Traits: Expendable},
	{Name: UpdateSides, Source: "package splice/module", Reader: "package splice/module/running/fixes; the loader leaves it in the file", Kind: Table, What: "objects", Class: Unread, Traits: Expendable, Module: Module{Memory: MemoryUnloaded}},
	{Name: ".note.Linux", Source: "include/linux/elfnote.h", Kind: Table, What: "the version of the kernel", Class: Note, Traits: Expendable},
	{Name: ImageNotes, Source: listed, Kind: Table, What: "a note", Class: Unread, Traits: Expendable, Bounds: Bounds{NotesStart, NotesEnd}},
	{Name: ".note", Prefix: true, Source: "gABI, \"Note Section\"", Kind: Table, What: "a note", Class: Unread, Traits: Expendable},
}
