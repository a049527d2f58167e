package kernel

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
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
// when it starts ([Image.Sites]). Which functions can be traced is told by their first bytes.
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
	kept := m.tables(k)
	names := []byte("\x00" + kerneltab.BTF + "\x00.shstrtab\x00")
	table := uint64(head + prog*len(m.Spans))
	h := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT), Phoff: head, Shoff: table, Ehsize: head,
		Phentsize: prog, Phnum: uint16(len(m.Spans)), Shentsize: section, Shnum: uint16(3 + len(kept)), Shstrndx: 2,
	}
	copy(h.Ident[:], elf.ELFMAG+string([]byte{byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)}))
	at := table + uint64(3+len(kept))*section
	sections := []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: at, Size: uint64(len(m.BTF)), Addralign: 1},
		{Name: uint32(len(kerneltab.BTF)) + 2, Type: uint32(elf.SHT_STRTAB), Off: at + uint64(len(m.BTF)), Size: uint64(len(names)), Addralign: 1},
	}
	for _, name := range kept {
		sections = append(sections, elf.Section64{Name: uint32(len(names)), Type: uint32(elf.SHT_NOBITS)})
		names = append(names, name+"\x00"...)
	}
	sections[2].Size = uint64(len(names))
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

// startORC is where the addresses of the ORC rows begin.
const startORC = "__start_orc_unwind_ip"

// freedTables are tables that a kernel frees when it has started, by symbols of theirs that stay in
// its list: that its build had them is all that is known then.
var freedTables = [][2]string{{startORC, kerneltab.ORCAddresses}, {"__return_sites", kerneltab.ReturnSites}, {"__retpoline_sites", kerneltab.RetpolineSites}, {"__call_sites", kerneltab.CallSites}}

// tables are the names of the tables that the kernel had.
func (m *Memory) tables(k *Image) (names []string) {
	for _, t := range freedTables {
		if len(k.byName[t[0]]) > 0 {
			names = append(names, t[1])
		}
	}
	return names
}

// IsLive reports whether it is the image of a kernel that runs.
func (k *Image) IsLive() bool { return k.live }

// EntrySize is what [Image.TracedAt] wants of the start of a function, bytes.
const EntrySize = 9

// tracers are where calls of the function tracer lead in the kernel itself; others lead to code
// that was made while it runs.
var tracers = []string{"ftrace_caller", "ftrace_regs_caller", kerneltab.Fentry}

// TracedAt reports whether a function that begins with b at an address begins with a call of the
// function tracer, that is off or on, and where that is.
func (k *Image) TracedAt(b []byte, addr uint64) (uint64, bool) {
	off := uint64(0)
	if in, err := amd64.Decode(b); err == nil && in.Len == 4 && (in.Class == amd64.Endbr || in.Class == amd64.Nop) { // what becomes of one is a nop
		off = 4
	}
	b = b[min(off, uint64(len(b))):]
	if len(b) < 5 {
		return 0, false
	}
	if amd64.IsNop5(b) {
		return addr + off, true
	}
	to := addr + off + 5 + uint64(int64(int32(binary.LittleEndian.Uint32(b[1:5]))))
	if b[0] != 0xe8 {
		return 0, false
	}
	for _, name := range tracers {
		for _, s := range k.Symbols(name) {
			if s.Addr == to {
				return addr + off, true
			}
		}
	}
	return addr + off, !k.IsMapped(to)
}

// addTraced adds the calls of the function tracer of a kernel that runs, by the first bytes of its
// functions. What is a static branch there is none.
func (k *Image) addTraced(s *Sites, read func(b []byte, addr uint64) error) {
	var found []Site
	last := uint64(0)
	for i := range k.symbols {
		x := &k.symbols[i]
		if x.Type != elf.STT_FUNC || x.Addr == last || !k.IsMapped(x.Addr) || k.IsInit(x.Addr) {
			continue
		}
		last = x.Addr
		var b [EntrySize]byte
		if read(b[:], x.Addr) != nil {
			continue
		}
		at, ok := k.TracedAt(b[:], x.Addr)
		if !ok || len(s.In(at, at+1)) > 0 {
			continue
		}
		found = append(found, Site{Addr: at, Size: 5, Table: kerneltab.McountLoc})
		s.fentry = append(s.fentry, at)
	}
	s.list = append(s.list, found...)
	s.sort()
}
