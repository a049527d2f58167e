package module

import "github.com/gosplice/gosplice/splice/module/internal/ko"

// A copied is a stretch of memory that can't be written to, and what init copies
// there, once all has been proven: bytes that are not known before.
type copied struct {
	to   ko.Dest
	from ko.Dest
	size uint64
}

// shifts notes the counts of shifts in carried code.
func (l *linker) shifts() {
	for _, s := range l.carried.Shifts {
		h := l.Homes[s.Section]
		if h.Section == nil {
			continue // it was refused
		}
		from := l.Syms[s.Variable].Final()
		if from.Part > 0 {
			l.refused.add(refuse(CodeModuleRef, "", h.Section.Name, h.Offset+s.Offset, "a count of a shift is in %s", l.obj.target.Name()))
			continue
		}
		l.copies = append(l.copies, copied{ko.Dest{Symbol: h.Section.Anchor, Addend: int64(h.Offset + s.Offset)}, from, 1})
	}
}

// copyTable writes a table of copies.
func (b *builder) copyTable(name string, list []copied) {
	t := b.code.AddTable(b.Rodata(), name, "copy", len(list)+1)
	for i := range list {
		t.Refer(i, "to", list[i].to)
		t.Refer(i, "from", list[i].from)
		t.Put64(i, "size", list[i].size)
	}
}

// copyCode has init make the copies.
func (b *builder) copyCode() {
	if len(b.copies) > 0 {
		b.copyTable("copies", b.copies)
		b.code.Add("copy", "", nil)
	}
}
