package kernel

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A Memory is a kernel that runs, as others have read it.
type Memory struct {
	Name string // where it is from
	// Read reads its memory.
	Read func(p []byte, addr uint64) error
	// Spans are the parts of the kernel itself that can be read, [start, end), by address.
	Spans [][2]uint64
	// Symbols are those of the kernel itself, at their run addresses.
	Symbols []Symbol
	BTF     []byte // as in /sys/kernel/btf/vmlinux
}

// maxMemory bounds the parts of a kernel that are copied, in bytes.
const maxMemory = 1 << 30

// OfMemory returns the image of a kernel that runs, at the addresses where it does. Its code is as it
// has rewritten it, and what it has freed is not there: so are the lists of places that it rewrites
// when it starts ([Image.Sites]).
func OfMemory(m Memory) (*Image, error) {
	k := &Image{Path: m.Name, symbols: slices.Clone(m.Symbols), live: true}
	k.sort()
	if err := k.findParts(); err != nil {
		return nil, err
	}
	for i := range k.symbols {
		s := &k.symbols[i]
		s.PerCPU = k.IsOffset(s.Addr)
	}
	file, err := m.elf(k)
	if err != nil {
		return nil, err
	}
	k.File, err = elfobj.Parse(file)
	return k, err
}

// elf makes an ELF file of the memory: a segment for each part, and a section with its BTF.
func (m *Memory) elf(k *Image) ([]byte, error) {
	const head, prog, section = 64, 56, 64
	names := append([]byte("\x00"+kerneltab.BTF+"\x00"), ".shstrtab\x00"...)
	table := uint64(head + prog*len(m.Spans))
	h := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT), Phoff: head, Shoff: table, Ehsize: head,
		Phentsize: prog, Phnum: uint16(len(m.Spans)), Shentsize: section, Shnum: 3, Shstrndx: 2,
	}
	copy(h.Ident[:], elf.ELFMAG+string([]byte{byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)}))
	at := table + 3*section
	sections := []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: at, Size: uint64(len(m.BTF)), Addralign: 1},
		{Name: uint32(len(kerneltab.BTF)) + 2, Type: uint32(elf.SHT_STRTAB), Off: at + uint64(len(m.BTF)), Size: uint64(len(names)), Addralign: 1},
	}
	at += uint64(len(m.BTF) + len(names))
	var progs []elf.Prog64
	for _, s := range m.Spans {
		size := s[1] - s[0]
		if s[1] < s[0] || size > maxMemory || at > maxMemory {
			return nil, k.fail("memory", "parts of it are too large")
		}
		progs = append(progs, elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R), Off: at, Vaddr: s[0], Filesz: size, Memsz: size})
		at += size
	}
	b := bytes.NewBuffer(make([]byte, 0, at))
	for _, part := range []any{h, progs, sections, m.BTF, names} {
		if err := binary.Write(b, binary.LittleEndian, part); err != nil {
			return nil, err
		}
	}
	for _, s := range m.Spans {
		p := b.AvailableBuffer()[:s[1]-s[0]]
		if err := m.Read(p, s[0]); err != nil {
			return nil, &Error{Image: k.Path, What: "memory", Msg: "can't be read", Err: err}
		}
		b.Write(p)
	}
	return b.Bytes(), nil
}
