package verify

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// A row of the table by which the init of an update fills in its code: where to, where from, and
// how many bytes. It ends with zeros (struct copy of kcode's update.h).
const (
	copyTo   = 0
	copyFrom = 8
	copySize = 16
	copyRow  = 24
	maxCopy  = 8 // bytes: an immediate
)

// fill returns the object of a file with what init fills in: counts of shifts and masks that are
// variables of the kernel, which the kernel writes into its own instructions as it starts. The
// variables do not change after that (__ro_after_init): what they hold is what the code has to have.
func (u *updating) fill(file []byte) (*object.Object, error) {
	table := u.symbol("copies")
	if table == nil {
		return u.object, nil
	}
	relas, err := u.object.File.Relas(table.Section)
	if err != nil {
		return nil, err
	}
	rows, err := u.object.File.Sections[table.Section].Data()
	if err != nil {
		return nil, err
	}
	if table.Value > uint64(len(rows)) || table.Size > uint64(len(rows))-table.Value {
		return nil, fmt.Errorf("%s is not in its section", table.Name)
	}
	refs := map[uint64]elfobj.Rela{}
	for _, r := range relas {
		if r.Type == uint32(elf.R_X86_64_64) {
			refs[r.Offset] = r
		}
	}
	out := bytes.Clone(file)
	for at := table.Value; at+copyRow <= table.Value+table.Size; at += copyRow {
		size := binary.LittleEndian.Uint64(rows[at+copySize:])
		if size == 0 {
			break
		}
		if size <= maxCopy { // of the others it saves what it overwrites
			u.copyInto(out, refs[at+copyTo], refs[at+copyFrom], size)
		}
	}
	return elfdiff.NewObject(bytes.NewReader(out))
}

// copyInto does one row, if it is one that fills in code and all of it is known. Where it is not,
// matching says what differs.
func (u *updating) copyInto(file []byte, to, from elfobj.Rela, size uint64) {
	if to.Sym == 0 || from.Sym == 0 {
		return
	}
	dest := u.object.Symbol(to.Sym)
	addr, ok := u.value(from.Sym)
	if !ok || !dest.IsDefined() || u.object.File.Section(dest.Section) == nil {
		return
	}
	s := u.object.File.Section(dest.Section)
	at := dest.Value + uint64(to.Addend)
	if s.Type != elf.SHT_PROGBITS || s.Flags&elf.SHF_EXECINSTR == 0 || at > s.Size || size > s.Size-at || s.Offset+s.Size > uint64(len(file)) || u.isField(dest.Section, at, size) {
		return
	}
	b := make([]byte, size)
	if u.img.ReadAddr(b, addr+uint64(from.Addend)) == nil {
		copy(file[s.Offset+at:], b)
	}
}

// isField reports whether the loader writes to some bytes of a section.
func (u *updating) isField(i elfobj.SectionIndex, at, size uint64) bool {
	relas, err := u.object.File.Relas(i)
	if err != nil {
		return true
	}
	for _, r := range relas {
		if r.Offset < at+size && at < r.Offset+uint64(amd64.FieldSize(r.Type)) {
			return true
		}
	}
	return false
}
