package extraction

import (
	"debug/elf"
	"encoding/binary"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// unwind writes .eh_frame: each CIE once, before the FDEs that point to it.
func (x *extraction) unwind() {
	for i := range x.Post.Atoms {
		if a := &x.Post.Atoms[i]; x.Included[i] && a.Kind == object.Unwind && a.Owner != object.NoAtom {
			x.fdes = append(x.fdes, a)
		}
	}
	if len(x.fdes) == 0 {
		return
	}
	from := x.Post.File.Sections[x.fdes[0].Section]
	sec := x.b.AddSection(elfobj.SectionHeader{Name: kerneltab.EhFrame, Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC, Addralign: max(from.Addralign, 8)}, nil)
	var data []byte
	put := func(a *object.Atom) uint64 {
		off := uint64(len(data))
		data = append(data, a.Bytes...)
		ClearFields(data[off:], a)
		x.home[a.ID] = placed{sec: sec, off: off}
		return off
	}
	cies := map[object.AtomID]uint64{}
	for _, f := range x.fdes {
		cie := CIEOf(x.Post, f)
		if cie == object.NoAtom {
			continue
		}
		if _, ok := cies[cie]; !ok {
			cies[cie] = put(&x.Post.Atoms[cie])
		}
		off := put(f)
		binary.LittleEndian.PutUint32(data[off+4:], uint32(off+4-cies[cie]))
	}
	x.b.Section(sec).Data = data
	x.b.Section(sec).Size = uint64(len(data))
}

// CIEOf returns the CIE of an FDE: the record that starts as many bytes before
// its second word as that word says (LSB Core 5.0, section 10.6.1.2).
func CIEOf(o *object.Object, f *object.Atom) object.AtomID {
	if len(f.Bytes) < 8 {
		return object.NoAtom
	}
	back := uint64(binary.LittleEndian.Uint32(f.Bytes[4:]))
	if back > f.Offset+4 {
		return object.NoAtom
	}
	id := o.AtomAt(f.Section, f.Offset+4-back)
	if id == object.NoAtom || o.Atoms[id].Offset != f.Offset+4-back {
		return object.NoAtom
	}
	return id
}
