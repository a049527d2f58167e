package tables

import (
	"encoding/binary"

	"github.com/gosplice/gosplice/internal/kerneltab"
)

// LineOf returns the line of the source that an entry has; ok is false when it has none.
func LineOf(e *Entry) (n uint16, ok bool) {
	f := e.Field(kerneltab.Line)
	if f.Size != 2 || f.End() > uint64(len(e.Bytes)) {
		return 0, false
	}
	return binary.LittleEndian.Uint16(e.Bytes[f.Offset:]), true
}

// FirstTable returns the first entries, as far as they are of one table.
func FirstTable(list []Entry) []Entry {
	n := 1
	for n < len(list) && list[n].Form.Row == list[0].Form.Row {
		n++
	}
	return list[:n]
}

// OfRow returns those of one table.
func OfRow(list []Entry, row *kerneltab.Section) []Entry {
	for len(list) > 0 {
		of := FirstTable(list)
		if of[0].Form.Row == row {
			return of
		}
		list = list[len(of):]
	}
	return nil
}
