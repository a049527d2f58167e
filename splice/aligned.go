package splice

import (
	"github.com/gosplice/gosplice/elfdiff/extract"
)

// Misaligned refuses what code that travels assumes of an address, where that is
// another: it is nil where addr, of what the symbol of the alignment stands for, is
// as aligned as it assumes. Where the file of the address is loaded may differ by
// pages, so that nothing larger can be told.
func Misaligned(n *extract.Alignment, name string, addr uint64) *Refusal {
	if n == nil || n.Align == 0 {
		return nil
	}
	at := addr + uint64(n.Offset)
	if n.Align <= PageSize && at%n.Align == 0 {
		return nil
	}
	if n.Function == "" {
		return Refuse(CodeAlignment, name, "", addr, "post aligns it to %d bytes, and code that travels may rely on it; it stays where it is, at %#x", n.Align, at)
	}
	return Refuse(CodeAlignment, name, "", addr, "an instruction of %s, at +%#x, needs it aligned to %d bytes; it stays where it is, at %#x", n.Function, n.At, n.Align, at)
}

// aligned checks what the code assumes of the imports.
func (m *matched) aligned(imports []Import, all []extract.Alignment) {
	at := make(map[uint32]*Import, len(imports))
	for i := range imports {
		at[imports[i].Symbol] = &imports[i]
	}
	for i := range all {
		im := at[uint32(all[i].Symbol)]
		if im == nil || im.Address == nil {
			continue
		}
		if r := Misaligned(&all[i], im.Name, im.Address.Addr); r != nil {
			m.refuse(r)
		}
	}
}
