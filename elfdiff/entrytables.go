package elfdiff

import (
	"encoding/binary"

	"github.com/gosplice/gosplice/elfdiff/internal/tables"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// lineOf returns the line of the source that an entry has; ok is false when it has none.
func lineOf(e *tables.Entry) (n uint16, ok bool) {
	f := e.Field(kerneltab.Line)
	if f.Size != 2 || f.End() > uint64(len(e.Bytes)) {
		return 0, false
	}
	return binary.LittleEndian.Uint16(e.Bytes[f.Offset:]), true
}

// oneTable returns the first entries, as far as they are of one table.
func oneTable(list []tables.Entry) []tables.Entry {
	n := 1
	for n < len(list) && list[n].Form.Row == list[0].Form.Row {
		n++
	}
	return list[:n]
}

// entriesOf returns those of one table.
func entriesOf(list []tables.Entry, row *kerneltab.Section) []tables.Entry {
	for len(list) > 0 {
		of := oneTable(list)
		if of[0].Form.Row == row {
			return of
		}
		list = list[len(of):]
	}
	return nil
}
