package kallsyms

import (
	"fmt"
	"math"
)

// decode makes the symbols. All names are parts of one string.
func (t *found) decode() (*Tables, error) {
	out := &Tables{Layout: t.layout, Seqs: t.seqs, Symbols: make([]Symbol, t.count)}
	if t.layout == NoBase {
		out.Base = t.firstAddr()
	} else {
		out.Base = t.u64(t.base)
	}
	size, err := t.expandedSize()
	if err != nil {
		return nil, err
	}
	text := make([]byte, 0, size)
	ends := make([]uint32, t.count)
	off := t.names
	for i := range t.count {
		from, to, _ := t.entry(off)
		for _, c := range t.b[from:to] {
			text = append(text, t.token[c]...)
		}
		ends[i], off = uint32(len(text)), to
	}
	all := string(text)
	addrs := addresses{base: out.Base, percpu: t.layout != NoBase && t.hasAbsolute()}
	if t.layout == NoBase {
		addrs.place = t.addr + uint64(t.offsets)
	}
	start := uint32(0)
	for i := range out.Symbols {
		s := &out.Symbols[i]
		s.Type, s.Name = all[start], all[start+1:ends[i]]
		s.Addr = addrs.of(i, int32(t.u32(t.offsets+4*i)))
		start = ends[i]
		if i > 0 && s.Addr < out.Symbols[i-1].Addr {
			return nil, &Error{"kallsyms_offsets", uint64(t.offsets + 4*i), fmt.Sprintf("%s at %#x comes after %s at %#x", s.Name, s.Addr, out.Symbols[i-1].Name, out.Symbols[i-1].Addr)}
		}
	}
	return out, nil
}

// expandedSize returns how many bytes all names have together. A name has a type
// and at least one character, and fits in the kernel's buffer.
func (t *found) expandedSize() (int, error) {
	total, off := 0, t.names
	for i := range t.count {
		from, to, _ := t.entry(off)
		n := 0
		for _, c := range t.b[from:to] {
			n += len(t.token[c])
		}
		if n < 2 || n > maxName {
			return 0, &Error{"kallsyms_names", uint64(off), fmt.Sprintf("name %d has %d bytes", i, n)}
		}
		total, off = total+n, to
	}
	// Tokens save a half or so; what claims far more is not to be believed.
	if limit := maxExpansion * len(t.b); total > limit || int64(total) > math.MaxUint32 {
		return 0, &Error{"kallsyms_names", uint64(t.names), fmt.Sprintf("%d names of %d bytes together", t.count, total)}
	}
	return total, nil
}

// maxExpansion bounds the names together, in relation to the bytes they are in.
const maxExpansion = 16

// hasAbsolute reports whether offsets are those of CONFIG_KALLSYMS_ABSOLUTE_PERCPU:
// most of them are negative then. The kernel's image is too small for any to be
// negative otherwise.
func (t *found) hasAbsolute() bool {
	for i := range t.count {
		if int32(t.u32(t.offsets+4*i)) < 0 {
			return true
		}
	}
	return false
}

// addresses computes what kallsyms_sym_address of kernel/kallsyms.c (Linux 6.1)
// does.
type addresses struct {
	base   uint64
	percpu bool   // CONFIG_KALLSYMS_ABSOLUTE_PERCPU
	place  uint64 // of the first offset, where each counts from its own place; else 0
}

func (a addresses) of(i int, offset int32) uint64 {
	switch {
	case a.place != 0:
		return a.place + 4*uint64(i) + uint64(int64(offset))
	case !a.percpu:
		return a.base + uint64(uint32(offset))
	case offset >= 0:
		return uint64(offset)
	}
	return a.base - 1 - uint64(int64(offset))
}
