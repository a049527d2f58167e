// Package kofiletest makes livepatches as others make them, for tests: laid out as the compiler
// does, but with nothing that could run.
package kofiletest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/kofile"
)

// The sizes of klp_func, klp_object, klp_patch and klp_state as Debian's kernels have them.
const (
	funcSize   = 152
	objectSize = 112
	patchSize  = 200
	stateSize  = 24
)

// Plain returns the file of a livepatch module of a name, with lines of .modinfo beside the name.
func Plain(name string, p kofile.Patch, info ...string) ([]byte, error) {
	b := &elfobj.Builder{}
	add := func(name string, typ elf.SectionType, flags elf.SectionFlag, data []byte) (elfobj.SectionIndex, elfobj.SymbolIndex) {
		i := b.AddSection(elfobj.SectionHeader{Name: name, Type: typ, Flags: flags, Addralign: 8}, data)
		return i, b.AddSymbol(elfobj.Symbol{Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), Section: i})
	}
	modinfo := "name=" + name + "\x00livepatch=Y\x00"
	for _, s := range info {
		modinfo += s + "\x00"
	}
	var text []byte
	stringAt := func(s string) int64 {
		at := len(text)
		text = append(append(text, s...), 0)
		return int64(at)
	}
	// The functions of all objects, then the objects, then the patch.
	var data []byte
	type pending struct {
		at, to int64
		kind   byte
	}
	var refs []pending
	var arrays []int64
	for _, o := range p.Objects {
		arrays = append(arrays, int64(len(data)))
		for _, f := range o.Functions {
			at := int64(len(data))
			row := make([]byte, funcSize)
			row[16] = byte(f.Position)
			data = append(data, row...)
			refs = append(refs, pending{at, stringAt(f.Name), 's'}, pending{at + 8, 0, 'c'})
		}
		data = append(data, make([]byte, funcSize)...)
	}
	objs := int64(len(data))
	for i, o := range p.Objects {
		at := int64(len(data))
		data = append(data, make([]byte, objectSize)...)
		if o.Name != "" {
			refs = append(refs, pending{at, stringAt(o.Name), 's'})
		}
		refs = append(refs, pending{at + 8, arrays[i], 'd'})
	}
	data = append(data, make([]byte, objectSize)...)
	at := int64(len(data))
	data = append(data, make([]byte, patchSize)...)
	if p.Replace {
		data[at+24] = 1
	}
	refs = append(refs, pending{at, 0, 'm'}, pending{at + 8, objs, 'd'})
	if len(p.States) > 0 {
		refs = append(refs, pending{at + 16, int64(len(data)), 'd'})
	}
	for _, s := range p.States {
		data = binary.LittleEndian.AppendUint64(data, s.ID)
		data = binary.LittleEndian.AppendUint64(data, uint64(s.Version))
		data = append(data, make([]byte, 8)...)
	}
	data = append(data, make([]byte, stateSize)...)

	alloc := elf.SHF_ALLOC
	_, code := add(kerneltab.Text, elf.SHT_PROGBITS, alloc|elf.SHF_EXECINSTR, bytes.Repeat([]byte{0xcc}, 16))
	_, str := add(kerneltab.Rodata, elf.SHT_PROGBITS, alloc, text)
	dataSection, dataSymbol := add(kerneltab.Data, elf.SHT_PROGBITS, alloc|elf.SHF_WRITE, data)
	_, mod := add(kerneltab.ThisModule, elf.SHT_PROGBITS, alloc|elf.SHF_WRITE, make([]byte, 64))
	add(kerneltab.Modinfo, elf.SHT_PROGBITS, alloc, []byte(modinfo))
	symbols := map[byte]elfobj.SymbolIndex{'s': str, 'c': code, 'd': dataSymbol, 'm': mod}
	for _, r := range refs {
		b.AddRela(dataSection, elfobj.Rela{Offset: uint64(r.at), Addend: r.to, Sym: symbols[r.kind], Type: uint32(elf.R_X86_64_64)})
	}
	var out bytes.Buffer
	_, err := b.WriteTo(&out)
	return out.Bytes(), err
}
