package extraction

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// The kernel lists the places of runtime constants in tables that are named after the
// variables: immediates that boot code sets to their values. Nobody does that for code
// that is loaded later. In the place of an immediate of eight bytes there is room to load
// the variable. In those of the count of a shift, one byte, and of a mask, four, there may be
// none: the target of the update has to write the value, see extract.Extracted.Immediates.

// HasConstants reports whether a table is about runtime constants.
func HasConstants(row *kerneltab.Section) bool {
	return row != nil && row.Site != nil && row.Site.Variable
}

// RuntimeConstant is a runtime constant in a function: the table, and the place.
type RuntimeConstant struct {
	Table string
	Off   int64
}

// RuntimeConstants lists the runtime constants of all functions.
func RuntimeConstants(o *object.Object) map[object.AtomID][]RuntimeConstant {
	var out map[object.AtomID][]RuntimeConstant
	for i, s := range o.File.Sections {
		if o.KindOf(elfobj.SectionIndex(i)) != object.Special || !HasConstants(kerneltab.Of(s.Name)) {
			continue
		}
		if out == nil {
			out = map[object.AtomID][]RuntimeConstant{}
		}
		for _, a := range o.SectionAtoms(s.Index) {
			for k := range a.Refs {
				if t := a.Refs[k].Target; t != object.NoAtom {
					out[t] = append(out[t], RuntimeConstant{s.Name, a.Refs[k].TargetOff})
				}
			}
		}
	}
	return out
}

// ConstantLoad is the instruction that code which travels has instead.
//
//	48 b8+r imm64        movabs $0x123456789abcdef,%r
//	48 8b modrm disp32   mov variable(%rip),%r
//	0f 1f 00             nopl (%rax)
//
// It loads the variable, which never changes after boot. Registers from 8 on
// move from REX.B to REX.R. ok is false when something else stands there.
func ConstantLoad(code []byte) (load [10]byte, ok bool) {
	if len(code) < len(load) || code[0]&^1 != 0x48 || code[1]&^7 != 0xb8 {
		return load, false
	}
	rex, reg := byte(0x48), code[1]&7
	if code[0]&1 != 0 {
		rex |= 4
	}
	copy(load[:], []byte{rex, 0x8b, reg<<3 | 5, 0, 0, 0, 0, 0x0f, 0x1f, 0x00})
	return load, true
}

// constantSite is a place in a function that a table of runtime constants
// lists: the instruction's offset in the function.
type constantSite struct {
	table    *object.Atom
	Owner    object.AtomID
	Off      uint64
	Variable string
	size     uint64 // of what the target writes: off is its place; 0 where the variable is loaded
}

// immediates say what the code around an immediate is that the target can write, by its size.
var immediates = map[uint64]func(code []byte, off int64) bool{1: IsShift, 4: isMask}

// IsShift reports whether the byte at off is the count of a shift: c1 /5 ib, shr.
func IsShift(code []byte, off int64) bool {
	return off >= 2 && off < int64(len(code)) && code[off-2] == 0xc1 && code[off-1]&0xf8 == 0xe8
}

// unsetMask is what the kernel's source has for a mask: and $0x12345678, %r32.
const unsetMask = "\x78\x56\x34\x12"

// isMask reports whether the four bytes at off are the mask that boot code sets: 81 /4 id with a
// register, or 25 id, which is %eax.
func isMask(code []byte, off int64) bool {
	if off < 1 || off > int64(len(code))-4 || string(code[off:off+4]) != unsetMask {
		return false
	}
	return code[off-1] == 0x25 || off >= 2 && code[off-2] == 0x81 && code[off-1]&0xf8 == 0xe0
}

// ConstantSites lists the places in included functions. ok is false with the
// first that is no instruction that can be rewritten.
func (d *Plan) ConstantSites() (list []constantSite, bad *constantSite) {
	for i := range d.Post.Atoms {
		a := &d.Post.Atoms[i]
		if a.Kind != object.Special {
			continue
		}
		name := d.Post.SectionName(a.Section)
		row := kerneltab.Of(name)
		if !HasConstants(row) {
			continue
		}
		variable, immediate := name[len(row.Name):], immediates[row.Site.Size]
		for k := range a.Refs {
			r := &a.Refs[k]
			if r.Target == object.NoAtom || !d.Included[r.Target] || d.Post.Atoms[r.Target].Kind != object.Func {
				continue
			}
			s := constantSite{table: a, Owner: r.Target, Off: uint64(r.TargetOff - 2), Variable: variable}
			code := d.Post.Atoms[r.Target].Bytes
			if immediate != nil {
				s.Off, s.size = uint64(r.TargetOff), row.Site.Size
				if !immediate(code, r.TargetOff) {
					return nil, &s
				}
				list = append(list, s)
				continue
			}
			if r.TargetOff < 2 || s.Off > uint64(len(code)) {
				return nil, &s
			}
			if _, ok := ConstantLoad(code[s.Off:]); !ok {
				return nil, &s
			}
			list = append(list, s)
		}
	}
	return list, nil
}

// constants rewrites the runtime constants of what travels.
func (x *extraction) constants() {
	if !x.Tables {
		return
	}
	list, _ := x.ConstantSites() // bad ones were refused
	for _, s := range list {
		h := x.home[s.Owner]
		if s.size > 0 {
			x.immediates = append(x.immediates, extract.RuntimeImmediate{Section: h.sec, Offset: h.off + s.Off, Size: s.size, Variable: x.variable(s.Variable)})
			continue
		}
		data := x.b.Section(h.sec).Data[h.off+s.Off:]
		load, ok := ConstantLoad(data)
		if !ok {
			continue
		}
		copy(data, load[:])
		x.b.AddRela(h.sec, elfobj.Rela{Offset: h.off + s.Off + 3, Type: amd64.PC32, Sym: x.variable(s.Variable), Addend: -4})
	}
}

// variable returns the symbol for a variable of the running program by its
// name: one that this object defines, or another does.
func (x *extraction) variable(name string) elfobj.SymbolIndex {
	if i, ok := x.variables[name]; ok {
		return i
	}
	i := x.findVariable(name)
	if x.variables == nil {
		x.variables = map[string]elfobj.SymbolIndex{}
	}
	x.variables[name] = i
	return i
}

func (x *extraction) findVariable(name string) elfobj.SymbolIndex {
	for i := range x.Pre.Symbols() {
		if s := &x.Pre.Symbols()[i]; s.Name == name && s.IsDefined() && x.Pre.AtomOf(elfobj.SymbolIndex(i)) != object.NoAtom {
			return x.outside(x.Pre.AtomOf(elfobj.SymbolIndex(i)), nil)
		}
	}
	return x.outside(object.NoAtom, &elfobj.Symbol{Name: name, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_OBJECT)})
}
