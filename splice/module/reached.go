package module

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
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
	}
	return ko.MemoryPlain
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
func (l *linker) wrote(sym elfobj.SymbolIndex) bool {
	if l.stores == nil {
		l.stores = storesOf(l.pair.Diff.Pre)
		for i := range l.carried.Externals {
			e := &l.carried.Externals[i]
			if l.stores.atoms[e.Pre] || e.Pre == object.NoAtom && l.stores.names[e.Name] {
				l.stores.symbols[e.Symbol] = true
			}
		}
	}
	return l.stores.symbols[sym]
}

// stores are the things that an object's code writes to by their names.
type stores struct {
	atoms   map[object.AtomID]bool
	names   map[string]bool
	symbols map[elfobj.SymbolIndex]bool // of the extracted object
}

func storesOf(o *object.Object) *stores {
	st := &stores{map[object.AtomID]bool{}, map[string]bool{}, map[elfobj.SymbolIndex]bool{}}
	for i := range o.Atoms {
		if a := &o.Atoms[i]; a.Kind == object.Func && !strings.HasPrefix(o.File.Section(a.Section).Name, kerneltab.Init) {
			st.add(o, a)
		}
	}
	return st
}

func (st *stores) add(o *object.Object, a *object.Atom) {
	operands(a.Bytes, len(a.Refs), func(i int) uint64 { return a.Refs[i].Offset }, func(i int, off uint64, in amd64.Inst) {
		switch r := &a.Refs[i]; {
		case !in.StoresTo(a.Bytes[off:]):
		case r.Target != object.NoAtom:
			st.atoms[r.Target] = true
		default:
			st.names[o.Symbol(r.Sym).Name] = true
		}
	})
}
