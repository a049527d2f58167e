package kerneltab

import "debug/elf"

// A Section is a row of the table. It must not be changed.
type Section struct {
	Name     string // or the beginning of its names, with Prefix
	Prefix   bool
	Versions string // of Linux that have it; "" for all that were looked at, 5.10 to 6.12
	Source   string // where the kernel defines or reads it, and in which version that was read
	Reader   string // who reads it when a module is loaded, or what becomes of it

	Kind   Kind
	What   string // for messages: what it lists
	Class  Class
	Why    string // for messages: a clause that says why the class holds
	Traits Traits

	Layouts []Layout // of its entries, the most common one first; nil when nothing is known, or it has none
	Lost    string   // for people: what becomes of code whose entries are left behind
	Site    *Site    // what the kernel rewrites where an entry points to; nil for nothing
	Module  Module   // in a module
	Bounds  Bounds   // in the image of a kernel
}

// A Kind says what a section holds where the flags of the section do not tell.
type Kind uint8

const (
	ByFlags Kind = iota // the flags and the type say it
	Table               // something about code or about the file: its bytes are no objects of the source
	Piece               // code without an identity, or other content that only its bytes tell apart
	Unwind              // records of DWARF call frame information
	LSDA                // tables of exceptions of C++
)

// A Class says what it means that a section differs between two objects, beside
// what it lists.
type Class uint8

const (
	NoClass     Class = iota // nothing that matters to a comparison
	Constructor              // addresses of functions that run when a program or a kernel starts, or ends
	Note                     // what the tools that made the file say about it
	Unread                   // nothing reads it once the file is linked
	Start                    // for the start, and for that alone
	Exit                     // for the removal of a module
	Export                   // of the lists of exports
	Parameter                // of the lists of parameters
	Info                     // information about a module, or for who looks at it
)

// IsPast reports whether the content has no bearing on a kernel that runs: it was
// read or executed at the start, or is for what will be loaded later.
func (c Class) IsPast() bool { return c >= Start }

// Traits are facts about a section that are there or not.
type Traits uint32

const (
	// Telling: only the build of a kernel, or of a module for it, makes it.
	Telling Traits = 1 << iota
	// ByEntry: each entry is about the place in [Fields] that is called At,
	// belongs to the function that this lies in, and travels with it.
	ByEntry
	// Expendable: code works without its entries.
	Expendable
	// Optional: an entry can be left out where it needs a module that may not be
	// loaded yet: the reference in Key, or the call that it is about, leads there.
	Optional
	// Describing: nothing leads to a place in code because an entry names it.
	Describing
	// Leading: an entry leads from a place in the code to another one.
	Leading
	// PerModule: the kernel also reads that of each module that is loaded, or only
	// traces and debugs by it: a new entry needs no room in the old table.
	PerModule
	// Plain: it holds objects of the source, and is no table.
	Plain
	// BeforeMain: addresses of functions that run before main only.
	BeforeMain
	// Freed: code whose memory a kernel frees once it has started.
	Freed
	// Unpatched: code in which nothing is to be written while it may run: it
	// handles the traps by which code is changed, or no stack can be looked at.
	Unpatched
	// Unprobed: code in which the kernel allows no kprobe.
	Unprobed
	// RelRO: data that is read-only once the dynamic linker is done with it.
	RelRO
	// Once: flags of messages that are shown once.
	Once
	// OfUse: entries say how functions are used, which changes without their code, and a module of the
	// functions does without them.
	OfUse
)

// Has reports whether a section has all the given traits. There is none without a
// row.
func (s *Section) Has(t Traits) bool { return s != nil && s.Traits&t == t }

// HoldsState reports whether variables of a section hold what goes on from one function to the
// next: no entries of tables, and no flags of messages that come once. One without a row is like
// any other.
func (s *Section) HoldsState() bool { return s == nil || s.Has(Plain) && !s.Has(Once) }

// A Site says what the kernel rewrites at the place that an entry is about.
type Site struct {
	// Size is how many bytes are rewritten. Where it is 0, the field Length of
	// the entry says it, or the length of the instruction that stands there.
	Size uint64
	// Back is how far the first of these bytes is before the place.
	Back uint64
	// Thunk begins the names of the symbols that the sites branch to, for tables
	// that objtool makes: where it did not see an object, these tell the sites.
	Thunk string
	// Variable says that what follows Name in the name of the section is that of
	// the variable whose value is written there.
	Variable bool
	// Unseen says that no kernel with such sites was looked at: what is said
	// about them is from the source alone.
	Unseen bool
	// Why says what is written there, when, and by which function of the kernel.
	Why string
}

// A Module says what a section is in a module of the kernel.
type Module struct {
	// To is the section of a livepatch module that what is carried goes to, by
	// the exact name that the loader looks for; "" when it can't be carried.
	To string
	// Flags are those of To. Tables that are sorted or flagged in place stay
	// writable, as the kernel's build has them.
	Flags elf.SectionFlag
	// Memory is where the loader puts it, as far as its name tells.
	Memory Memory
}

// A Memory is a kind of memory that a module has when it is loaded.
type Memory uint8

const (
	MemoryUnknown   Memory = iota // the flags say it; constants, where these are not known
	MemoryText                    // code
	MemoryReadOnly                // constants, though the name of the section begins like that of data
	MemoryAfterInit               // read-only when the module is initialised
	MemoryData                    // writable
	MemoryPerCPU                  // the area of each processor
	MemoryFreed                   // freed when the module is initialised, or not at its address any more
	MemoryUnloaded                // the loader reads it, and keeps nothing
)

// Bounds are the symbols that the kernel's linker script puts around a section, in
// the image, where it may have merged the section with others.
type Bounds struct{ Start, Stop string }

// Flags of sections of a module.
const (
	flagsA  = elf.SHF_ALLOC
	flagsAX = elf.SHF_ALLOC | elf.SHF_EXECINSTR
	flagsWA = elf.SHF_ALLOC | elf.SHF_WRITE
)
