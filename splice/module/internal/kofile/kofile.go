// Package kofile reads what the file of a livepatch module has for the kernel: the functions
// that it replaces, whoever made it, and the code that a module of package module wants there.
package kofile

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// A File is a module as a file. It is not safe for concurrent use.
type File struct {
	obj     *elfobj.File
	size    int // bytes
	symbols []elfobj.Symbol
	data    map[elfobj.SectionIndex][]byte
	// refs are the addresses that the loader fills in, by where they are.
	refs map[Place]ref
}

// A Place is an offset in a section.
type Place struct {
	Section elfobj.SectionIndex
	Offset  uint64
}

// A ref is what a field refers to.
type ref struct {
	symbol elfobj.SymbolIndex
	addend int64
	typ    elf.R_X86_64
}

// maxRefs bounds the relocations that are kept of a file.
const maxRefs = 4 << 20

// Parse reads a file. Relocations of sections that are not loaded are left out.
func Parse(b []byte) (*File, error) {
	obj, err := elfobj.Parse(b)
	if err != nil {
		return nil, err
	}
	f := &File{obj: obj, size: len(b), data: map[elfobj.SectionIndex][]byte{}, refs: map[Place]ref{}}
	if f.symbols, err = obj.Symbols(); err != nil {
		return nil, err
	}
	for _, s := range obj.Sections {
		if s.Type != elf.SHT_PROGBITS || s.Flags&elf.SHF_ALLOC == 0 || s.Flags&elf.SHF_EXECINSTR != 0 {
			continue
		}
		relas, err := obj.Relas(s.Index)
		if err != nil {
			return nil, err
		}
		if len(f.refs)+len(relas) > maxRefs {
			return nil, errors.New("it has too many relocations")
		}
		for _, r := range relas {
			f.refs[Place{s.Index, r.Offset}] = ref{r.Sym, r.Addend, elf.R_X86_64(r.Type)}
		}
	}
	return f, nil
}

// bytes returns the content of a section.
func (f *File) bytes(i elfobj.SectionIndex) []byte {
	if b, ok := f.data[i]; ok {
		return b
	}
	var b []byte
	if s := f.obj.Section(i); s != nil && s.Type == elf.SHT_PROGBITS {
		b, _ = s.Data()
	}
	f.data[i] = b
	return b
}

// target returns where a field with the address of something in the file leads.
func (f *File) target(at Place) (Place, bool) {
	r, ok := f.refs[at]
	if !ok || r.typ != elf.R_X86_64_64 || int(r.symbol) >= len(f.symbols) {
		return Place{}, false
	}
	s := &f.symbols[r.symbol]
	if !s.IsDefined() || f.obj.Section(s.Section) == nil {
		return Place{}, false
	}
	return Place{s.Section, s.Value + uint64(r.addend)}, true
}

// text returns the name that a field leads to, "" when it leads to none.
func (f *File) text(at Place) string {
	if s := f.label(at); isName(s) {
		return s
	}
	return ""
}

const maxText = 512 // KSYM_NAME_LEN of include/linux/kallsyms.h

// isName reports whether a string can be the name of a symbol or of a module.
func isName(s string) bool {
	for _, c := range s {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return s != ""
}

// isCode reports whether a field leads to code.
func (f *File) isCode(at Place) bool {
	to, ok := f.target(at)
	return ok && f.obj.Section(to.Section).Flags&elf.SHF_EXECINSTR != 0
}

// word reads eight bytes.
func (f *File) word(at Place) (uint64, bool) {
	b := f.bytes(at.Section)
	if at.Offset > uint64(len(b)) || uint64(len(b))-at.Offset < 8 {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b[at.Offset:]), true
}

// find returns the one symbol whose name is that of the module, "_", and a word.
func (f *File) find(module, word string) (*elfobj.Symbol, error) {
	for i := range f.symbols {
		if s := &f.symbols[i]; s.Name == module+"_"+word && s.IsDefined() && s.Type() == elf.STT_OBJECT {
			return s, nil
		}
	}
	return nil, fmt.Errorf("it has no symbol %s_%s", module, word)
}
