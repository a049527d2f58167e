package splice

import (
	"debug/elf"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A Resolved is the value of an import in the target: [Import] with run
// addresses.
type Resolved struct {
	Address, PLT, GOT uint64 // 0 when not known
	TLSSlot           uint64 // GOT slot with the offset from the thread pointer, 0 when there is none
	TLSPair           uint64 // GOT slots with the TLS module and the offset in its block, likewise
	TLSBlock          uint64 // those of the module that it is linked for
	TLSDesc           uint64 // GOT slots with its TLS descriptor, likewise
	TPOff             *int64
	TLS               *uint64
}

// A Segment is memory at run addresses with one protection.
type Segment struct {
	Addr  uint64
	Bytes []byte // how it starts; what is behind is zero
	Size  uint64 // in bytes, at least len(Bytes)
	Exec  bool
	Write bool
}

// End returns the address behind the segment.
func (s *Segment) End() uint64 { return s.Addr + s.Size }

// A Linked is an update at its addresses.
type Linked struct {
	Const, Code, Data Segment // not padded to pages; Data may be empty
	// Escapes are the names of new functions whose address the update takes:
	// the program may keep pointers to them anywhere, for ever. They are in
	// the order of the relocations.
	Escapes []string
	// EHFrames are the .eh_frame sections, as offsets in Const.
	EHFrames [][2]uint64
	symbols  map[symbolRef]uint64
	objs     []*linkObject
}

// NewAddr returns the address of the function that redirect r of object i
// leads to; 0 where there is none.
func (k *Linked) NewAddr(i, r int) uint64 {
	if i < 0 || i >= len(k.objs) || r < 0 || r >= len(k.objs[i].Redirects) {
		return 0
	}
	o := k.objs[i]
	return k.symbols[symbolRef{o, elfobj.SymbolIndex(o.Redirects[r].Symbol)}]
}

// Functions returns the addresses of all functions of the update, ascending.
func (k *Linked) Functions() []uint64 {
	out := []uint64{}
	for ref, addr := range k.symbols {
		if ref.obj.syms[ref.sym].Type() == elf.STT_FUNC {
			out = append(out, addr)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// A Layout says where the parts of an update go.
type Layout struct{ Const, Code, Data uint64 }

// Link relocates the update for the given layout. resolve is asked for each
// import that is used, once.
//
// The error is or wraps a [*Refusal] when a reference can't be made.
func (l *Linker) Link(at Layout, resolve func(*Import) (Resolved, error)) (*Linked, error) {
	k := &linking{
		Linker: l,
		base:   [numAreas]uint64{areaConst: at.Const, areaCode: at.Code, areaData: at.Data, areaZero: at.Data + l.zeroOff()},
		out:    &Linked{symbols: map[symbolRef]uint64{}, objs: l.objs},
		value:  map[*Import]*Resolved{}, slot: map[uint64]uint64{}, thunk: map[uint64]uint64{},
		gone: map[areaPlace]bool{}, exec: map[*linkObject]bool{},
		ask: resolve,
	}
	for a := range areaZero {
		k.mem[a] = make([]byte, l.size[a])
	}
	for _, o := range l.objs {
		if err := k.copySections(o); err != nil {
			return nil, damagedUnlessRefused(err)
		}
	}
	for _, o := range l.objs {
		if err := k.relocate(o); err != nil {
			return nil, fmt.Errorf("link %s: %w", o.Name, err)
		}
	}
	segment := func(a area, behind uint64) Segment {
		return Segment{Addr: k.base[a], Bytes: k.mem[a], Size: uint64(len(k.mem[a])) + behind, Exec: a == areaCode, Write: a == areaData}
	}
	k.out.Const, k.out.Code = segment(areaConst, 0), segment(areaCode, 0)
	k.out.Data = segment(areaData, l.zeroOff()-l.size[areaData]+l.size[areaZero])
	return k.out, nil
}

// copySections puts the content of the sections in place, and computes the
// addresses of the symbols.
func (k *linking) copySections(o *linkObject) error {
	for _, s := range o.file.Sections {
		p := o.place[s.Index]
		if !p.used || s.Type == elf.SHT_NOBITS {
			continue
		}
		b, err := s.Data()
		if err != nil {
			return err
		}
		copy(k.mem[p.area][p.off:], b)
		if s.Name == kerneltab.EhFrame {
			k.out.EHFrames = append(k.out.EHFrames, [2]uint64{p.off, p.off + s.Size})
		}
	}
	for i := range o.syms {
		s := &o.syms[i]
		if int(s.Section) < len(o.place) && o.place[s.Section].used {
			p := o.place[s.Section]
			k.out.symbols[symbolRef{o, elfobj.SymbolIndex(i)}] = k.base[p.area] + p.off + s.Value
		}
	}
	return nil
}

// FrameBytes returns how many bytes of unwind information (.eh_frame) the objects of
// the update have.
func (l *Linker) FrameBytes() uint64 {
	n := uint64(0)
	for _, o := range l.objs {
		for _, s := range o.file.Sections {
			if s.Name == kerneltab.EhFrame {
				n += s.Size
			}
		}
	}
	return n
}

// HasSection reports whether an object of the update carries a section of that
// name.
func (l *Linker) HasSection(name string) bool {
	for _, o := range l.objs {
		for _, s := range o.file.Sections {
			if s.Name == name || strings.HasPrefix(s.Name, name+".") {
				return true
			}
		}
	}
	return false
}
