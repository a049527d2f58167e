package ehframe

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"slices"
	"sort"
	"sync"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// A Section is the content of a section at its link address.
type Section struct {
	Addr uint64
	Data []byte
}

// A Table finds the unwind information of the code of one module: a program, a
// library, or the vdso. It is safe for concurrent use.
type Table struct {
	frame section
	hdr   section
	bias  uint64

	// The search table of .eh_frame_hdr, if it is of the usual form.
	search []byte // 8 bytes per entry: start and FDE address, relative to hdr

	// Otherwise an index that the first lookup makes.
	once  sync.Once
	index []indexEntry
	err   error
}

type indexEntry struct{ start, off uint64 }

// New returns a table over the bytes of .eh_frame and .eh_frame_hdr, which are
// sliced. bias is what was added to the module's link addresses when it was
// loaded. Without .eh_frame_hdr, or with one that has no search table, the first
// lookup goes through .eh_frame. The error is a [*FormatError].
func New(frame, hdr Section, bias uint64) (*Table, error) {
	t := &Table{
		frame: section{frameName, frame.Data, frame.Addr},
		hdr:   section{hdrName, hdr.Data, hdr.Addr},
		bias:  bias,
	}
	if len(hdr.Data) == 0 {
		return t, nil
	}
	h, err := parseHdr(&t.hdr)
	if err != nil {
		return nil, err
	}
	if h.frame != frame.Addr {
		return nil, t.hdr.errorAt(4, "refers to another .eh_frame")
	}
	t.search = h.search
	return t, nil
}

// hdr is what .eh_frame_hdr says (LSB Core 5.0, 10.6.2).
type hdr struct {
	frame  uint64 // address of .eh_frame
	search []byte // nil when there is none of the usual form
}

const searchEntry = 8

func parseHdr(s *section) (hdr, error) {
	const usual = PEDatarel | PESdata4 // what all linkers write
	c := cursor{b: s.data}
	version := c.u8()
	frameEnc, countEnc, tableEnc := Encoding(c.u8()), Encoding(c.u8()), Encoding(c.u8())
	if c.bad == "" && version != 1 {
		return hdr{}, s.errorAt(0, "unknown version")
	}
	var h hdr
	h.frame = c.pointer(frameEnc, s.addr, s.addr)
	if frameEnc&PEIndirect != 0 && frameEnc != PEOmit || frameEnc == PEOmit {
		return hdr{}, s.errorAt(1, "unsupported encoding of the address of .eh_frame")
	}
	if c.bad == "" && countEnc != PEOmit && tableEnc == usual {
		count := c.pointer(countEnc, s.addr, s.addr)
		if c.bad == "" && count > uint64(c.left())/searchEntry {
			return hdr{}, s.errorAt(uint64(c.off), "search table exceeds the section")
		}
		h.search = c.bytes(count * searchEntry)
	}
	if c.bad != "" {
		return hdr{}, s.errorAt(uint64(c.off), c.bad)
	}
	return h, nil
}

// ErrNoUnwind says that a module has no unwind information.
var ErrNoUnwind = errors.New("module has no .eh_frame")

// FromELF returns the table of an executable or shared object. It goes by
// section names, or by PT_GNU_EH_FRAME when there are none. The error wraps
// [ErrNoUnwind], or is a [*FormatError] or one of package elfobj.
func FromELF(f *elfobj.File, bias uint64) (*Table, error) {
	frame, err := namedSection(f, frameName)
	if err != nil {
		return nil, err
	}
	if frame.Data == nil {
		return FromMemory(f, f.Progs, bias)
	}
	h, err := namedSection(f, hdrName)
	if err != nil {
		return nil, err
	}
	return New(frame, h, bias)
}

func namedSection(f *elfobj.File, name string) (Section, error) {
	for s := range f.SectionsNamed(name) {
		if s.Type == elf.SHT_NOBITS { // in a file of debug information alone
			continue
		}
		b, err := s.Uncompressed()
		return Section{s.Addr, b}, err
	}
	return Section{}, nil
}

// maxFrames bounds what FromMemory reads because a program header asks for it.
const maxFrames = 1 << 30

// FromMemory returns the table of a module by its program headers alone, such as
// the vdso's. mem is addressed by link addresses. .eh_frame is taken to extend
// to the end of its segment at most; its terminator ends it before. Errors are as
// for [FromELF].
func FromMemory(mem Memory, progs []elfobj.Prog, bias uint64) (*Table, error) {
	i := slices.IndexFunc(progs, func(p elfobj.Prog) bool { return p.Type == elf.PT_GNU_EH_FRAME })
	if i < 0 {
		return nil, ErrNoUnwind
	}
	h := Section{Addr: progs[i].Vaddr}
	var err error
	if h.Data, err = readRange(mem, progs, h.Addr, progs[i].Filesz); err != nil {
		return nil, err
	}
	parsed, err := parseHdr(&section{hdrName, h.Data, h.Addr})
	if err != nil {
		return nil, err
	}
	frame := Section{Addr: parsed.frame}
	if frame.Data, err = readRange(mem, progs, frame.Addr, maxFrames); err != nil {
		return nil, err
	}
	return New(frame, h, bias)
}

// readRange reads up to size bytes, as far as the segment goes.
func readRange(mem Memory, progs []elfobj.Prog, addr, size uint64) ([]byte, error) {
	for _, p := range progs {
		if p.Type != elf.PT_LOAD || addr < p.Vaddr || addr-p.Vaddr >= p.Filesz {
			continue
		}
		size = min(size, p.Filesz-(addr-p.Vaddr), maxFrames)
		return readChunks(mem, addr, size)
	}
	return nil, &FormatError{hdrName, 0, "not in a loaded segment"}
}

// readChunks does not allocate more than is there: a header's word for the size
// is taken a chunk at a time.
func readChunks(mem Memory, addr, size uint64) ([]byte, error) {
	const chunk = 1 << 20
	var b []byte
	for n := uint64(0); n < size; {
		step := min(size-n, chunk)
		b = slices.Grow(b, int(step))[:n+step]
		if _, err := mem.ReadAddr(b[n:], addr+n); err != nil {
			return nil, err
		}
		n += step
	}
	return b, nil
}

// Lookup returns the FDE of the code at a run address. The FDE's own addresses
// are link addresses. The error is [NoFDE], or a [*FormatError].
func (t *Table) Lookup(pc uint64) (FDE, error) {
	pc -= t.bias
	off, err := t.find(pc)
	if err != nil {
		return FDE{}, err
	}
	h, err := t.frame.header(off)
	if err != nil {
		return FDE{}, err
	}
	if h.isCIE || h.terminator {
		return FDE{}, t.frame.errorAt(off, "not an FDE, but the search table refers to it")
	}
	c, err := t.frame.cieAt(h.cie)
	if err != nil {
		return FDE{}, err
	}
	f, err := t.frame.parseFDE(h, c)
	if err != nil {
		return FDE{}, err
	}
	if pc < f.Start || pc >= f.End {
		return FDE{}, NoFDE
	}
	return f, nil
}

// find returns the offset of the last FDE that starts at or before a link
// address.
func (t *Table) find(pc uint64) (uint64, error) {
	if t.search == nil {
		return t.findInIndex(pc)
	}
	at := func(i, field int) uint64 {
		v := int32(binary.LittleEndian.Uint32(t.search[i*searchEntry+field:]))
		return t.hdr.addr + uint64(int64(v))
	}
	n := len(t.search) / searchEntry
	i := sort.Search(n, func(i int) bool { return at(i, 0) > pc })
	if i == 0 {
		return 0, NoFDE
	}
	off := at(i-1, 4) - t.frame.addr
	if off >= uint64(len(t.frame.data)) {
		where := uint64(len(t.hdr.data)-len(t.search)) + uint64(i-1)*searchEntry
		return 0, t.hdr.errorAt(where, "entry refers beyond .eh_frame")
	}
	return off, nil
}

func (t *Table) findInIndex(pc uint64) (uint64, error) {
	t.once.Do(t.makeIndex)
	if t.err != nil {
		return 0, t.err
	}
	i := sort.Search(len(t.index), func(i int) bool { return t.index[i].start > pc })
	if i == 0 {
		return 0, NoFDE
	}
	return t.index[i-1].off, nil
}

func (t *Table) makeIndex() {
	w := walker{s: &t.frame}
	for w.next() {
		// An FDE of code that the linker dropped has an empty range.
		if !w.rec.IsCIE && w.fde.End > w.fde.Start {
			t.index = append(t.index, indexEntry{w.fde.Start, w.fde.Offset})
		}
	}
	if t.err = w.err; t.err != nil {
		t.index = nil
	}
	slices.SortFunc(t.index, func(a, b indexEntry) int { return cmp.Compare(a.start, b.start) })
}

// FDEs iterates over all FDEs in the order of .eh_frame. After an error it ends.
func (t *Table) FDEs() func(yield func(FDE, error) bool) {
	return func(yield func(FDE, error) bool) {
		w := walker{s: &t.frame}
		for w.next() {
			if !w.rec.IsCIE && !yield(w.fde, nil) {
				return
			}
		}
		if w.err != nil {
			yield(FDE{}, w.err)
		}
	}
}
