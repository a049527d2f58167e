package calls

import (
	"encoding/binary"

	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// bugs returns the places of traps that BUG() made, by the table that the kernel's
// handler of traps has (lib/bug.c): those of WARN() have a flag, and go on.
func bugs(k *kernel.Image, layout kernel.Layout) map[uint64]bool {
	const warning = 1 // BUGFLAG_WARNING
	row := kerneltab.Named(kerneltab.BugTable)
	form := row.Usual()
	entry, ok := layout[form.Struct]
	span, bounded := k.Bounds(row)
	if !ok || entry.Size == 0 || !bounded {
		return nil
	}
	table, err := k.Read(span[0], span[1]-span[0])
	if err != nil {
		return nil
	}
	out := map[uint64]bool{}
	trap, flags := entry.Offsets[form.Fields[kerneltab.At].Member], entry.Offsets[form.Fields[kerneltab.Flags].Member]
	for at := uint64(0); at+entry.Size <= uint64(len(table)); at += entry.Size {
		if binary.LittleEndian.Uint16(table[at+flags:])&warning == 0 {
			disp := int32(binary.LittleEndian.Uint32(table[at+trap:]))
			out[span[0]+at+trap+uint64(int64(disp))] = true
		}
	}
	return out
}
