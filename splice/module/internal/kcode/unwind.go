package kcode

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/ehframe"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A Base is the register from which a frame is found.
type Base uint8

// The registers that the code uses for it. With NoBase a row is the end of a function.
const (
	NoBase Base = iota
	BaseSP
	BaseBP
)

// An UnwindRow says how to find the caller's frame from an offset in .text on, up to the
// next row's. The return address is the word below the frame.
type UnwindRow struct {
	Offset  uint64 // of the first instruction, in bytes
	Base    Base
	Frame   int64 // what to add to the register, in bytes
	SavedBP int64 // where the caller's rbp is saved, in bytes from the frame; 0 while it is not
}

// frameAddr is where .eh_frame is taken to be while .text is at 0.
const frameAddr = 1 << 30

// Unwind returns the rows of an object's .text, by offset: what .eh_frame says.
func Unwind(spec *elfobj.Spec) ([]UnwindRow, error) {
	data, err := frames(spec)
	if err != nil || data == nil {
		return nil, err
	}
	t, err := ehframe.New(ehframe.Section{Addr: frameAddr, Data: data}, ehframe.Section{}, 0)
	if err != nil {
		return nil, err
	}
	var rows []UnwindRow
	starts := map[uint64]bool{}
	for f, err := range t.FDEs() {
		if err != nil {
			return nil, err
		}
		for off, r := range t.Rows(f) {
			row, err := unwindRow(off, &r)
			if err != nil {
				return nil, err
			}
			if n := len(rows); n > 0 && starts[off] && rows[n-1].Offset == off {
				rows = rows[:n-1] // the last one counts
			}
			rows, starts[off] = append(rows, row), true
		}
		rows = append(rows, UnwindRow{Offset: f.End})
	}
	rows = slices.DeleteFunc(rows, func(r UnwindRow) bool { return r.Base == NoBase && starts[r.Offset] })
	slices.SortFunc(rows, func(a, b UnwindRow) int { return cmp.Compare(a.Offset, b.Offset) })
	return rows, nil
}

// frames returns .eh_frame as linked at frameAddr.
func frames(spec *elfobj.Spec) ([]byte, error) {
	var data []byte
	for i := range spec.Sections {
		if spec.Sections[i].Name == kerneltab.EhFrame {
			data = slices.Clone(spec.Sections[i].Data)
		}
	}
	for i := range spec.Sections {
		s := &spec.Sections[i]
		if s.Type != elf.SHT_RELA || spec.Sections[s.Info].Name != kerneltab.EhFrame {
			continue
		}
		for _, r := range s.Relas {
			to := &spec.Symbols[r.Sym]
			if r.Type != uint32(elf.R_X86_64_PC32) || spec.Sections[to.Section].Name != kerneltab.Text || r.Offset+4 > uint64(len(data)) {
				return nil, fmt.Errorf(".eh_frame+%#x: a relocation of type %v", r.Offset, elf.R_X86_64(r.Type))
			}
			binary.LittleEndian.PutUint32(data[r.Offset:], uint32(to.Value+uint64(r.Addend)-frameAddr-r.Offset))
		}
	}
	return data, nil
}

var errFrame = errors.New("a frame of a kind that is not expected")

// unwindRow takes the rules that the code needs: the frame by rsp or rbp, the return
// address below it, and perhaps rbp saved.
func unwindRow(off uint64, r *ehframe.Row) (UnwindRow, error) {
	row := UnwindRow{Offset: off, Frame: r.CFAOffset}
	switch {
	case r.CFAExpr == nil && r.CFAReg == ehframe.RSP:
		row.Base = BaseSP
	case r.CFAExpr == nil && r.CFAReg == ehframe.RBP:
		row.Base = BaseBP
	}
	ra, bp := r.Regs[ehframe.RA], r.Regs[ehframe.RBP]
	saved := bp.Kind == ehframe.Offset
	if saved {
		row.SavedBP = bp.N
	}
	if row.Base == NoBase || ra.Kind != ehframe.Offset || ra.N != -8 || !saved && bp.Kind != ehframe.Unspecified && bp.Kind != ehframe.SameValue {
		return row, fmt.Errorf(".text+%#x: %w", off, errFrame)
	}
	return row, nil
}
