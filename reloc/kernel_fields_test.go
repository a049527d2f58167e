package reloc

import (
	"debug/elf"
	"encoding/binary"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// judgeFields compares the place that each reference of a matched function was
// found to mean with what the linker computed for the same field.
func (o *kernelOracle) judgeFields(s *kernelScore, pre *object.Object, r *Result, f *FuncResult, bias uint64, sites []prove.Site) {
	a := pre.Atom(f.Atom)
	for i := range a.Refs {
		ref := &a.Refs[i]
		g := pre.Atom(ref.Target)
		if ref.Implicit || g != nil && (g.Kind.IsLiteral() || g.Aside) {
			continue
		}
		name := pre.Symbol(ref.Sym).Name
		place, dist, known := uint64(0), int64(0), false
		if g != nil {
			name = g.Name
			var base uint64
			base, known = r.AtomAddr(g.ID)
			if h := r.Func(g.ID); h != nil && known {
				base += h.RunOffset(uint64(max(ref.TargetOff, 0))) - uint64(ref.TargetOff)
			}
			place = base + uint64(ref.TargetOff)
			dist = int64(g.Offset) + ref.TargetOff - int64(pre.Symbol(ref.Sym).Value) - ref.Addend
			if v, ok := r.SymbolValue(ref.Sym); ok && pre.Symbol(ref.Sym).IsWeak() {
				place, known = v.Address+uint64(ref.TargetOff), v.Has&UseAddress != 0
			}
		} else if v, ok := r.SymbolValue(ref.Sym); ok && v.Has&UseAddress != 0 {
			place, known = v.Address+uint64(ref.TargetOff), true
			dist = ref.TargetOff - ref.Addend
		}
		at := f.Address - bias + f.RunOffset(ref.Offset)
		was, ok := o.field(f, ref, at, sites)
		switch {
		case !known && g != nil && r.Func(g.ID) != nil && r.Func(g.ID).Replacement != 0:
			s.weak++ // code that nothing uses any more, since another definition replaced it
		case !known && (len(o.names[name]) > 0 || ok):
			s.missing++
			s.complain("%s: %s+%#x refers to %q, without a value; the linker has %#x", where(pre), f.Name, ref.Offset, name, was.value)
		case !ok:
			s.narrowed++ // a jump within a section, which the assembler made
		default:
			s.fields++
			want := was.value + uint64(dist)
			if !was.fixed {
				want += bias
			}
			if want != place {
				s.wrong++
				s.complain("%s: %s+%#x means %#x (%s), the linker made it %#x (%s)", where(pre), f.Name, ref.Offset, place, name, want, was.sym)
			}
		}
	}
}

// field returns what the linker made of the field of a relocation: S + A, for an
// addend as the object has it. Fields in what is rewritten, and of jumps that the
// assembler or objtool made short, hold something else.
func (o *kernelOracle) field(f *FuncResult, ref *object.Ref, at uint64, sites []prove.Site) (applied, bool) {
	if len(o.code) == 0 {
		return o.at(at)
	}
	if inSites(sites, f.Atom, ref.Offset) {
		return applied{}, false
	}
	size := uint64(4)
	if elf.R_X86_64(ref.Type) == elf.R_X86_64_64 {
		size = 8
	}
	if f.RunOffset(ref.Offset+size)-f.RunOffset(ref.Offset) != size {
		return applied{}, false
	}
	for _, s := range o.code {
		if at < s.Addr || at+size > s.Addr+s.Size {
			continue
		}
		var b [8]byte
		if _, err := s.ReadAt(b[:size], int64(at-s.Addr)); err != nil {
			return applied{}, false
		}
		value := uint64(int64(int32(binary.LittleEndian.Uint32(b[:]))))
		switch elf.R_X86_64(ref.Type) {
		case elf.R_X86_64_PC32, elf.R_X86_64_PLT32:
			value += at
		case elf.R_X86_64_32:
			value = uint64(uint32(value))
		case elf.R_X86_64_64:
			value = binary.LittleEndian.Uint64(b[:])
		case elf.R_X86_64_32S:
		default:
			return applied{}, false
		}
		symbol := value - uint64(ref.Addend)
		return applied{at: at, value: value, sym: "a field", fixed: o.slide(symbol, 1) == symbol}, true
	}
	return applied{}, false
}
