package kallsyms

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// ErrNotFound says that there are no tables.
var ErrNotFound = errors.New("no kallsyms tables: the kernel was built without CONFIG_KALLSYMS, or in a way that is not known")

// A Layout is an order of the tables.
type Layout int

// The orders of scripts/kallsyms.c.
const (
	// OffsetsFirst is that of Linux 6.1: kallsyms_offsets, _relative_base,
	// _num_syms, _names, _markers, perhaps _seqs_of_names (6.2, and stable
	// releases of 6.1), _token_table, _token_index.
	OffsetsFirst Layout = iota
	// NamesFirst is that since 6.4: kallsyms_num_syms, _names, _markers,
	// _token_table, _token_index, _offsets, _relative_base, _seqs_of_names.
	NamesFirst
	// NoBase is that of 7.3, and perhaps of older ones: as NamesFirst, without
	// _relative_base. Offsets count from where they stand.
	NoBase
)

// layouts are tried in this order.
var layouts = [...]Layout{NamesFirst, OffsetsFirst, NoBase}

// align returns what each table is aligned to: ALGN of scripts/kallsyms.c.
func (l Layout) align() int {
	if l == NoBase {
		return 4
	}
	return 8
}

// Tables are the symbols of a kernel, as its own tables have them: by address.
type Tables struct {
	Layout  Layout
	Seqs    bool   // there is kallsyms_seqs_of_names
	Base    uint64 // kallsyms_relative_base, or without that the first address: of _text, relocated where the tables are
	Symbols []Symbol
}

const (
	tokens      = 256
	markerStep  = 256 // names between two entries of kallsyms_markers
	maxSyms     = 1 << 23
	kernelStart = 0xffffffff80000000 // __START_KERNEL_map
)

// Find finds the tables in a kernel's read-only data, of which b is the content
// and addr the address: that of the section .rodata, or more.
//
// There is nothing that leads to the tables, so that they are recognised: by the
// names of digits, which are tokens of their own in kallsyms_token_table, by
// kallsyms_token_index, which has to agree with it, and by the names in front of
// it, which have to agree with kallsyms_markers. Input may be hostile: what is
// spent is bounded by a multiple of its size.
func Find(b []byte, addr uint64) (*Tables, error) {
	f := &finder{b: b, addr: addr, budget: 64*len(b) + 1<<20}
	var digits []byte
	for c := byte('0'); c <= '9'; c++ {
		digits = append(digits, c, 0)
	}
	for from := 0; ; {
		i := bytes.Index(b[from:], digits)
		if i < 0 {
			break
		}
		if t := f.at(from + i); t != nil {
			return t.decode()
		}
		from += i + 1
	}
	return nil, ErrNotFound
}

// finder is a search for tables.
type finder struct {
	b      []byte
	addr   uint64
	budget int // bytes that may still be looked at
}

// found is where tables are.
type found struct {
	*finder
	layout               Layout
	seqs                 bool
	token                [tokens]string
	tokenStart, tokenEnd int // of both token tables
	count                int
	names, offsets, base int
}

func (t *found) align(off int) int {
	return off + int(-(t.addr+uint64(off))&uint64(t.layout.align()-1))
}

func (f *finder) u32(off int) uint32 { return binary.LittleEndian.Uint32(f.b[off:]) }
func (f *finder) u64(off int) uint64 { return binary.LittleEndian.Uint64(f.b[off:]) }

// spend takes from the budget.
func (f *finder) spend(n int) bool {
	f.budget -= n
	return f.budget >= 0
}

// at tries the place of the token "0", which has the number 0x30.
func (f *finder) at(zero int) *found {
	nuls := 0
	for start := zero - 1; start >= 0 && f.spend(1); start-- {
		if f.b[start] == 0 {
			if nuls++; nuls > '0' {
				return nil
			}
		}
		if nuls != '0' {
			continue
		}
		for _, layout := range layouts {
			t := &found{finder: f, tokenStart: start, layout: layout}
			if t.align(start) == start && t.readTokens() && t.locate() {
				return t
			}
		}
	}
	return nil
}

// readTokens reads kallsyms_token_table, and checks kallsyms_token_index.
func (t *found) readTokens() bool {
	off := t.tokenStart
	var starts [tokens]int
	for i := range t.token {
		n := bytes.IndexByte(t.b[off:min(len(t.b), off+maxName)], 0)
		if n < 0 || !t.spend(n+1) {
			return false
		}
		t.token[i], starts[i] = string(t.b[off:off+n]), off-t.tokenStart
		off += n + 1
	}
	off = t.align(off)
	if len(t.b)-off < 2*tokens {
		return false
	}
	for i, want := range starts {
		if int(binary.LittleEndian.Uint16(t.b[off+2*i:])) != want {
			return false
		}
	}
	t.tokenEnd = off + 2*tokens
	return true
}

// locate looks for kallsyms_num_syms, backwards from the token table: names are
// in front of that in both orders.
func (t *found) locate() bool {
	step := t.layout.align()
	for off := t.align(t.tokenStart) - step; off >= 0 && t.spend(1); off -= step {
		n := int(t.u32(off))
		if n == 0 || n > maxSyms || n > (t.tokenStart-off)/2 {
			continue
		}
		t.count, t.names = n, t.align(off+4)
		if t.placeOffsets(off) && t.checkNames() {
			return true
		}
	}
	return false
}

// placeOffsets works out where kallsyms_offsets and kallsyms_relative_base have
// to be when kallsyms_num_syms is at off. The base is an address of the kernel.
func (t *found) placeOffsets(off int) bool {
	switch t.layout {
	case NoBase:
		t.offsets = t.align(t.tokenEnd)
		if t.offsets+4*t.count > len(t.b) {
			return false
		}
		first := t.firstAddr()
		return first >= kernelStart && first&0xfff == 0 && t.marksBegin()
	case NamesFirst:
		t.offsets = t.align(t.tokenEnd)
		t.base = t.align(t.offsets + 4*t.count)
	default:
		t.base = off - 8
		if t.base < 0 {
			return false
		}
		t.offsets = t.base - 4*t.count // less the padding
		if t.offsets < 0 {
			return false
		}
		if t.align(t.offsets) != t.offsets {
			t.offsets -= 4
		}
	}
	if t.offsets < 0 || t.base+8 > len(t.b) {
		return false
	}
	base := t.u64(t.base)
	return base >= kernelStart && base&0xfff == 0
}

// marksBegin reports whether kallsyms_markers may begin where it has to, in front of the
// tokens: the first mark is 0, and the next is not.
func (t *found) marksBegin() bool {
	n := (t.count + markerStep - 1) / markerStep
	at := t.tokenStart - 4*n
	return at >= t.names && t.u32(at) == 0 && (n == 1 || t.u32(at+4) > markerStep)
}

// firstAddr is the address of the first symbol, where offsets count from where they stand.
func (t *found) firstAddr() uint64 {
	return t.addr + uint64(t.offsets) + uint64(int64(int32(t.u32(t.offsets))))
}

// entry returns where the tokens of the name at off are.
func (t *found) entry(off int) (from, to int, ok bool) {
	if off >= t.tokenStart {
		return 0, 0, false
	}
	n := int(t.b[off])
	off++
	if n&0x80 != 0 { // ULEB128 of two bytes, since 6.1
		n = n&0x7f | int(t.b[off])<<7
		off++
	}
	return off, off + n, n > 0 && off+n <= t.tokenStart
}

// checkNames goes through kallsyms_names, which has to end where
// kallsyms_markers, which tells where every 256th name is, begins.
func (t *found) checkNames() bool {
	marks := make([]uint32, 0, 64)
	off := t.names
	for i := range t.count {
		if i%markerStep == 0 {
			marks = append(marks, uint32(off-t.names))
		}
		_, to, ok := t.entry(off)
		if !ok || !t.spend(to-off) {
			return false
		}
		off = to
	}
	off = t.align(off)
	if off+4*len(marks) > t.tokenStart {
		return false
	}
	for i, m := range marks {
		if t.u32(off+4*i) != m {
			return false
		}
	}
	off = t.align(off + 4*len(marks))
	if t.layout != OffsetsFirst {
		seqs := t.align(t.base + 8)
		if t.layout == NoBase {
			seqs = t.align(t.offsets + 4*t.count)
		}
		t.seqs = seqs+3*t.count <= len(t.b) && t.isSeqs(seqs)
		return off == t.tokenStart
	}
	t.seqs = off != t.tokenStart
	return !t.seqs || t.align(off+3*t.count) == t.tokenStart && t.isSeqs(off)
}

// isSeqs reports whether off may be kallsyms_seqs_of_names: numbers of symbols, of
// three bytes each, the high byte first.
func (t *found) isSeqs(off int) bool {
	if !t.spend(3 * t.count) {
		return false
	}
	for i := range t.count {
		b := t.b[off+3*i:]
		if int(b[0])<<16|int(b[1])<<8|int(b[2]) >= t.count {
			return false
		}
	}
	return true
}
