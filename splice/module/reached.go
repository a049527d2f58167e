package module

import (
	"cmp"
	"debug/elf"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// memoryOf returns what a link address leads to.
func (r *references) memoryOf(addr uint64) ko.Memory {
	switch {
	case r.image.IsPerCPU(addr):
		return ko.MemoryPerCPU
	case r.image.IsReadOnly(addr):
		return ko.MemoryReadOnly
	case r.lacksEndbr(addr):
		return ko.MemoryNoEndbr
	}
	return ko.MemoryPlain
}

// lacksEndbr reports whether a function of a kernel that tracks indirect branches begins without ENDBR64: the
// compiler gives none to a static function whose address nothing takes, and the kernel, or objtool, takes away that of a
// global one (apply_seal_endbr of arch/x86/kernel/alternative.c).
func (r *references) lacksEndbr(addr uint64) bool {
	if _, ok := r.image.FunctionAt(addr); !ok || !r.image.HasIBT() {
		return false
	}
	b, err := r.image.Read(addr, amd64.EndbrSize)
	return err == nil && isBare(b, r.sites, addr)
}

// lacksEndbr is that of a module.
func (t *Target) lacksEndbr(addr uint64) bool {
	if !t.kernel.image.HasIBT() {
		return false
	}
	part, off, ok := t.mod.Locate(addr)
	if ok {
		_, ok = t.mod.Function(part, off)
	}
	b := make([]byte, amd64.EndbrSize)
	return ok && t.run.ReadAddr(b, addr) == nil && isBare(b, t.sites, addr)
}

// isBare reports whether code that begins so has no ENDBR64 where it runs.
func isBare(b []byte, sites *kernel.Sites, addr uint64) bool {
	return string(b) != amd64.Endbr64 || slices.ContainsFunc(sites.In(addr, addr+1), func(s kernel.Site) bool { return s.Table == kerneltab.EndbrSeal && s.Addr == addr })
}

// pointers judges a reference of what is carried that takes the address of a function which may not be called by one.
func (l *linker) pointers(s *elfobj.SpecSection, r *elfobj.Rela, to ko.Dest) {
	if !holdsTable(s.Name) && (s.Flags&elf.SHF_EXECINSTR == 0 || !object.IsBranch(s.Data, r.Type, r.Offset)) {
		l.pointer(s.Name, r, to)
	}
}

// pointer judges an address of a function which may not be called by one, unless pre has it too, which knows what
// it is for.
func (l *linker) pointer(where string, r *elfobj.Rela, to ko.Dest) {
	if to.Memory != ko.MemoryNoEndbr || l.took(r.Sym) {
		return
	}
	f := elfdiff.NewFinding(elfdiff.CodeNoEndbr, l.Spec.Symbols[r.Sym].Name, "new code or data has its address, and it does not begin with ENDBR64: the running kernel calls it by its name alone")
	f.Section, f.Offset = where, r.Offset
	l.report(f)
}

// holdsTable reports whether a section tells the kernel about code, and no code gets pointers from it.
func holdsTable(section string) bool {
	row := kerneltab.Of(section)
	return row != nil && row.Kind == kerneltab.Table
}

// accesses checks how the instructions of a section of the object reach memory. Where
// that contradicts what is there, the kernel would fault, or write over something
// else. Addresses that an instruction only computes, or passes on to a function that
// writes there, are not followed.
func (l *linker) accesses(s *elfobj.SpecSection, relas []elfobj.Rela) {
	relas = slices.Clone(relas)
	slices.SortFunc(relas, func(a, b elfobj.Rela) int { return cmp.Compare(a.Offset, b.Offset) })
	operands(s.Data, len(relas), func(i int) uint64 { return relas[i].Offset }, func(i int, off uint64, in amd64.Inst) {
		l.access(s, off, in, relas[i].Sym)
	})
}

// operands decodes code, and visits the instructions whose memory operands have a field
// that one of n references fills in: by the number of the reference, and the offset of the
// instruction. at returns the offset of a field; they ascend. It ends at what does not
// decode, which elfdiff tells.
func operands(code []byte, n int, at func(i int) uint64, visit func(i int, off uint64, in amd64.Inst)) {
	i := 0
	for off := uint64(0); off < uint64(len(code)) && i < n; {
		in, err := amd64.Decode(code[off:])
		if err != nil {
			return
		}
		for ; i < n && at(i) < off+uint64(in.Len); i++ {
			if in.DispLen > 0 && at(i) == off+uint64(in.DispOff) {
				visit(i, off, in)
			}
		}
		off += uint64(in.Len)
	}
}

// access checks one instruction whose memory operand names a symbol.
func (l *linker) access(s *elfobj.SpecSection, off uint64, in amd64.Inst, sym elfobj.SymbolIndex) {
	b := s.Data[off : off+uint64(in.Len)]
	o := in.Operands(b)
	if in.Class == amd64.Nop || in.Opcode.Map() == amd64.MapOne && in.Opcode.Byte() == 0x8d { // lea
		return
	}
	name, direct := l.Spec.Symbols[sym].Name, o.Base == amd64.NoReg && o.Index == amd64.NoReg
	gs := in.Prefixes.Has(amd64.PrefixSegGS)
	switch m := l.Syms[sym].Final().Memory; {
	case gs && (m == ko.MemoryPlain || m == ko.MemoryReadOnly):
		l.refused.add(refuse(CodePerCPU, name, s.Name, off, "code takes it for a per-CPU variable, and it has one address"))
	case !gs && direct && m == ko.MemoryPerCPU:
		l.refused.add(refuse(CodePerCPU, name, s.Name, off, "code takes it for a variable with one address, and it is a per-CPU variable"))
	case m == ko.MemoryReadOnly && in.StoresTo(b) && !l.wrote(sym):
		l.refused.add(refuse(CodeReadOnly, name, s.Name, off, "code writes to it, and nobody can since the kernel has started"))
	}
}

// wrote reports whether code of pre that runs after the start has a store to the
// symbol too: it knows when it may.
func (l *linker) wrote(sym elfobj.SymbolIndex) bool { return l.usedBy(&l.stores, storesOf)[sym] }

// took reports whether code or data of pre has the address of the symbol too.
func (l *linker) took(sym elfobj.SymbolIndex) bool { return l.usedBy(&l.taken, takenOf)[sym] }

// usedBy is what the extracted object calls the things that pre uses in a way, which are looked for once.
func (l *linker) usedBy(known **uses, of func(*object.Object) *uses) map[elfobj.SymbolIndex]bool {
	if *known == nil {
		u := of(l.pair.Diff.Pre)
		for i := range l.carried.Externals {
			e := &l.carried.Externals[i]
			if u.atoms[e.Pre] || e.Pre == object.NoAtom && u.names[e.Name] {
				u.symbols[e.Symbol] = true
			}
		}
		*known = u
	}
	return (*known).symbols
}

// uses are the things that an object uses in a way.
type uses struct {
	atoms   map[object.AtomID]bool
	names   map[string]bool
	symbols map[elfobj.SymbolIndex]bool // of the extracted object
}

func newUses() *uses {
	return &uses{map[object.AtomID]bool{}, map[string]bool{}, map[elfobj.SymbolIndex]bool{}}
}

// add adds what a reference leads to.
func (u *uses) add(o *object.Object, r *object.Ref) {
	if r.Target != object.NoAtom {
		u.atoms[r.Target] = true
	} else {
		u.names[o.Symbol(r.Sym).Name] = true
	}
}

// storesOf are the things that an object's code writes to by their names.
func storesOf(o *object.Object) *uses {
	u := newUses()
	for i := range o.Atoms {
		a := &o.Atoms[i]
		if a.Kind != object.Func || strings.HasPrefix(o.File.Section(a.Section).Name, kerneltab.Init) {
			continue
		}
		operands(a.Bytes, len(a.Refs), func(i int) uint64 { return a.Refs[i].Offset }, func(i int, off uint64, in amd64.Inst) {
			if in.StoresTo(a.Bytes[off:]) {
				u.add(o, &a.Refs[i])
			}
		})
	}
	return u
}

// takenOf are the things whose addresses an object's code and data have.
func takenOf(o *object.Object) *uses {
	u := newUses()
	for i := range o.Atoms {
		a := &o.Atoms[i]
		if a.Kind != object.Func && holdsTable(o.File.Section(a.Section).Name) {
			continue
		}
		for k := range a.Refs {
			if r := &a.Refs[k]; !object.IsCall(a, r) {
				u.add(o, r)
			}
		}
	}
	return u
}

// All modules together have this much for per-CPU variables (PERCPU_MODULE_RESERVE of include/linux/percpu.h), and
// more where the kernel accounts for each allocation in such variables.
const (
	perCPURoom     = 8 << 10
	perCPUProfiled = 8 << 13
	profilingKey   = "mem_alloc_profiling_key" // mm/alloc_tag.c
)

// checkPerCPU refuses more per-CPU variables than the kernel has room for: it would not load the module.
func (b *builder) checkPerCPU() {
	room := uint64(perCPURoom)
	if len(b.image.Symbols(profilingKey)) > 0 {
		room = perCPUProfiled
	}
	if s := b.Named[kerneltab.PerCPU]; s != nil && s.Len() > room {
		n := s.Len()
		b.refused.add(refuse(CodePerCPURoom, "", kerneltab.PerCPU, 0, "new per-CPU variables take %d bytes, and the kernel has %d for those of all modules", n, room))
	}
}
