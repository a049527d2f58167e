package kerneltab

// Sections that any ELF file for x86-64 may have.
const (
	Text        = ".text"
	Rodata      = ".rodata"
	Data        = ".data"
	Bss         = ".bss"
	EhFrame     = ".eh_frame"
	ExceptTable = ".gcc_except_table"
	Comment     = ".comment"
	SymTab      = ".symtab"
	StrTab      = ".strtab"
)

const initTerm = "gABI, \"Initialization and Termination Functions\""

var programSections = []Section{
	{Name: Text, Prefix: true, Source: "gABI, \"Special Sections\"", Module: Module{To: Text, Flags: flagsAX, Memory: MemoryText}},
	{Name: Rodata, Prefix: true, Source: "gABI, \"Special Sections\"", Traits: Plain, Module: Module{To: Rodata, Flags: flagsA}},
	{Name: Data, Prefix: true, Source: "gABI, \"Special Sections\"", Traits: Plain, Module: Module{To: Data, Flags: flagsWA, Memory: MemoryData}},
	{Name: ".data.rel.ro", Prefix: true, Source: "ld, \"Builtin Functions\": DATA_SEGMENT_RELRO_END", Traits: Plain | RelRO, Module: Module{To: Data, Flags: flagsWA, Memory: MemoryData}},
	{Name: Bss, Prefix: true, Source: "gABI, \"Special Sections\"", Traits: Plain, Module: Module{To: Bss, Flags: flagsWA, Memory: MemoryData}},
	{Name: ".ldata", Prefix: true, Source: "psABI, \"Special Sections\" of the large code model", Traits: Plain},
	{Name: ".lrodata", Prefix: true, Source: "psABI, likewise", Traits: Plain},
	{Name: ".lbss", Prefix: true, Source: "psABI, likewise", Traits: Plain},
	{Name: ".tdata", Prefix: true, Source: "gABI, \"Thread-Local Storage\"", Traits: Plain},
	{Name: EhFrame, Source: "psABI, \"EH_FRAME sections\"", Kind: Unwind, What: "DWARF CFI records", Traits: Describing},
	{Name: ExceptTable, Prefix: true, Source: "GCC, except.c", Kind: LSDA, What: "C++ exception tables"},
	{Name: ".init_array", Prefix: true, Source: initTerm, Kind: Table, What: "constructors: run before main only", Class: Constructor, Traits: Expendable | BeforeMain, Module: Module{Memory: MemoryFreed}},
	{Name: ".fini_array", Prefix: true, Source: initTerm, Kind: Table, What: "destructors", Class: Constructor, Traits: Expendable},
	{Name: ".preinit_array", Prefix: true, Source: initTerm, Kind: Table, What: "constructors: run before main only", Class: Constructor, Traits: Expendable | BeforeMain},
	{Name: ".ctors", Prefix: true, Source: "GCC, crtstuff.c", Kind: Table, What: "constructors: run before main only", Class: Constructor, Traits: Expendable | BeforeMain},
	{Name: ".dtors", Prefix: true, Source: "GCC, crtstuff.c", Kind: Table, What: "destructors", Class: Constructor, Traits: Expendable},
	{Name: Comment, Source: "gABI, \"Special Sections\"", Reader: "who asks for the compiler's version"},
	{Name: SymTab, Prefix: true, Source: "gABI, \"Symbol Table\"", Module: Module{Memory: MemoryFreed}},
	{Name: StrTab, Prefix: true, Source: "gABI, \"String Table\"", Module: Module{Memory: MemoryFreed}},
}
