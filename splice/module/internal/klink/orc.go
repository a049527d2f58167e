package klink

import (
	"debug/elf"
	"encoding/binary"

	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/kcode"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// unwinding writes ORC entries for an object of the module's own code: an insmod that
// sleeps in klp_enable_patch must have a reliable stack, or the transition waits for it.
func (c *Linker) unwinding(o *Object) {
	orc, unwinds := c.kernel.Layout["orc_entry"]
	if !unwinds {
		return // the kernel was built with another unwinder
	}
	form, ok := kerneltab.ORCOf(orc.Bits["type"], c.kernel.ORCHeader)
	if !ok || orc.Size != 6 || orc.Offsets["sp_offset"] != 0 || orc.Offsets["bp_offset"] != 2 {
		c.lack("", kerneltab.ORCRows, "struct orc_entry is of an unknown version: %d bits of type", orc.Bits["type"])
		return
	}
	list, err := kcode.Unwind(o.Spec)
	if err != nil {
		c.report(err)
		return
	}
	var code ko.Home
	for i := range o.Spec.Sections {
		if o.Spec.Sections[i].Name == kerneltab.Text {
			code = o.Homes[i]
		}
	}
	ip := c.to.Section(kerneltab.ORCAddresses, elf.SHT_PROGBITS, ko.Alloc, 4)
	rows := c.to.Section(kerneltab.ORCRows, elf.SHT_PROGBITS, ko.Alloc, 2)
	for i := range list {
		ip.AddRela(ip.Append(1, make([]byte, 4)), elf.R_X86_64_PC32, code.Section.Anchor, int64(code.Offset+list[i].Offset))
		rows.Append(1, orcEntry(&list[i], &form))
	}
}

// orcEntry returns struct orc_entry (arch/x86/include/asm/orc_types.h) for a row, all
// zeros at the end of a function. It has two offsets, and bits, of which the first four
// are sp_reg, the next four bp_reg, and those from the ninth on the type.
func orcEntry(r *kcode.UnwindRow, form *kerneltab.ORC) []byte {
	e := make([]byte, 6)
	if r.Base == kcode.NoBase {
		return e
	}
	bits := form.SP | form.Call<<8
	if r.Base == kcode.BaseBP {
		bits = form.BP | form.Call<<8
	}
	if r.SavedBP != 0 {
		bits |= form.PrevSP << 4
	}
	binary.LittleEndian.PutUint16(e, uint16(r.Frame))
	binary.LittleEndian.PutUint16(e[2:], uint16(r.SavedBP))
	binary.LittleEndian.PutUint16(e[4:], bits)
	return e
}
