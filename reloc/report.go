package reloc

import (
	"bytes"
	"debug/elf"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// result makes the Result of what is decided.
func (m *solver) result() *Result {
	r := &Result{
		Functions: make([]FuncResult, len(m.funcs)),
		atoms:     make([]uint64, len(m.c.Pre.Atoms)),
		located:   make([]bool, len(m.c.Pre.Atoms)),
		bySymbol:  make([]int32, len(m.c.Pre.Symbols())),
		funcs:     m.fnOf,
	}
	for i := range m.funcs {
		r.Functions[i] = m.verdict(&m.funcs[i])
	}
	for id := range m.c.Pre.Atoms {
		if i := m.fnOf[id]; i >= 0 {
			if t := m.funcs[i].done; t != nil {
				r.atoms[id], r.located[id] = t.Addr, true
				continue
			} else if !m.funcs[i].freed {
				continue
			}
		}
		if v := m.known(prove.Key{Space: prove.InAtom, ID: int32(id)}); v != nil {
			r.atoms[id], r.located[id] = v.value, true
		}
	}
	m.listValues(r)
	r.ownNames()
	return r
}

// ownNames copies the names: those of pre share the memory of its file, all of
// which a result would keep.
func (r *Result) ownNames() {
	n := 0
	for i := range r.Functions {
		n += len(r.Functions[i].Name)
	}
	for i := range r.Symbols {
		n += len(r.Symbols[i].Name)
	}
	var b strings.Builder
	b.Grow(n)
	for i := range r.Functions {
		b.WriteString(r.Functions[i].Name)
	}
	for i := range r.Symbols {
		b.WriteString(r.Symbols[i].Name)
	}
	all := b.String()
	own := func(name *string) { *name, all = all[:len(*name)], all[len(*name):] }
	for i := range r.Functions {
		own(&r.Functions[i].Name)
	}
	for i := range r.Symbols {
		own(&r.Symbols[i].Name)
	}
}

// verdict makes the result of one function.
func (m *solver) verdict(f *fn) FuncResult {
	out := FuncResult{Atom: f.atom.ID, Name: f.atom.Name, Weak: f.weak, Freed: f.freed}
	switch {
	case f.done != nil:
		out.Verdict, out.By, out.Address, out.Size, out.Shifts = Matched, f.by, f.done.Addr, f.done.Size, shiftsOf(f.done)
		out.Patches = m.patchesOf(f.done)
		out.RunName, out.SymPos = m.position(f.atom.Name, f.done.Addr)
	case f.open && (len(f.remain) > 0 || f.small && len(f.cands) == 0 || f.more):
		out.Verdict, out.Candidates, out.More = Ambiguous, slices.Clone(f.remain), f.more || f.small
		out.Undecided = m.whatDecides(f)
	case f.err != nil && !m.chance(f):
		out.Verdict, out.Address = Mismatch, f.err.Addr
		out.Mismatch = m.explain(f)
	}
	if out.Verdict == Matched || out.Verdict == Mismatch {
		out.Redirect = m.redirectOf(f, &out)
	}
	if out.Verdict != Matched {
		if other, ok := m.replacement(f); ok {
			out.Verdict, out.Candidates, out.More, out.Replacement = Absent, nil, false, other
		}
	}
	m.log.Debug("verdict", "function", f.atom.Name, "verdict", out.Verdict)
	return out
}

// shiftsOf returns the shifts of a function.
func shiftsOf(t *attempt) []Shift {
	if len(t.Shifts) == 0 {
		return nil
	}
	out := make([]Shift, len(t.Shifts))
	for i, s := range t.Shifts {
		out[i] = Shift(s)
	}
	return out
}

// whatDecides says what would decide about a function that matches at several
// places, or that is too small to be searched for.
func (m *solver) whatDecides(f *fn) string {
	what := []string{"a match of something that refers to it"}
	if m.c.NoSymbols || len(m.c.AtomPlaces(f.atom.ID)) == 0 {
		what = append(what, "a symbol")
	} else if !slices.ContainsFunc(m.c.Image.Lookup(f.atom.Name), func(s image.Symbol) bool { return s.File != "" }) {
		what = append(what, "symbols with the names of their files, as .symtab has them")
	}
	if m.c.Image.IsKernel() {
		what = append(what, "a match of the function next to it in "+m.c.ChainName(f.atom))
	}
	why := fmt.Sprintf("%d places hold the same code", len(f.remain))
	switch {
	case len(f.remain) == 0:
		why = fmt.Sprintf("%d bytes without references are too few to search for", f.fixed)
	case f.more:
		why = "more places hold the same code than are looked at"
	case len(f.remain) == 1:
		why = fmt.Sprintf("one place holds the same code, but %d bytes may well be there by chance", f.fixed)
	}
	return why + "; it takes " + strings.Join(what, ", or ")
}

// position returns the symbol of run at an address, the one of the name that it
// has in pre if there is one, and its position among those of that name.
func (m *solver) position(name string, addr uint64) (string, uint64) {
	if m.c.NoSymbols {
		return "", 0
	}
	var found *image.Symbol
	list := m.c.Image.SymbolsAt(addr)
	for i := range list {
		s := &list[i]
		if s.Name == name {
			found = s
			break
		}
		if found == nil && s.IsFunc() && s.Type != elf.STT_NOTYPE {
			found = s
		}
	}
	if found == nil {
		return "", 0
	}
	pos, _ := m.c.Image.SymPos(*found)
	return found.Name, pos
}

// chance reports whether the place where a function was found to differ may
// have nothing to do with it: some bytes that a search found, or a definition
// that replaced a weak one.
func (m *solver) chance(f *fn) bool {
	if f.weak {
		return !m.isWeakAt(f.atom.Name, f.err.Addr)
	}
	for _, c := range f.cands {
		if c.by != BySearch {
			return false
		}
	}
	if f.state == Mismatch {
		return false
	}
	return len(f.cands) != 1 || f.fixed < tiers[1]
}

// explain completes an error with the instructions around the place. It copies
// them, so that the error keeps neither pre nor what was read of run.
func (m *solver) explain(f *fn) *MismatchError {
	e := newMismatch(f.atom.Name, f.err)
	if e.Func == "" {
		e.Func = m.c.Label(f.atom.ID)
	}
	pre := f.atom.Bytes
	e.pre = around(pre, 0, e.Offset, nil)
	img := m.c.Image // the error is not to keep more than that
	sym := func(addr uint64) (string, uint64, bool) { return prove.Symbolize(img, addr) }
	if m.c.NoSymbols {
		sym = nil
	}
	if run, err := m.c.View.UpTo(e.Addr, uint64(len(pre))*2+64); err == nil {
		e.run = around(run, e.Addr, e.RunOffset, sym)
		if e.Reason != ReasonContent && len(e.Run) == 0 {
			e.Run = prove.InstAt(run, int(min(e.RunOffset, uint64(len(run)))))
		}
	}
	if e.Reason != ReasonContent && len(e.Pre) == 0 {
		e.Pre = prove.InstAt(pre, int(min(e.Offset, uint64(len(pre)))))
	}
	e.Pre, e.Run = bytes.Clone(e.Pre), bytes.Clone(e.Run)
	return e
}

// around cuts a listing of a few instructions before and after off. The mark
// is the instruction that off lies in.
func around(code []byte, base, off uint64, sym func(uint64) (string, uint64, bool)) listing {
	const before, after = 4, 4
	var starts []uint64
	at, mark := uint64(0), uint64(0)
	behind := 0
	for at < uint64(len(code)) && behind <= after {
		starts = append(starts, at)
		n := uint64(1)
		if in, err := amd64.Decode(code[at:]); err == nil {
			n = uint64(in.Len)
		}
		if at <= off {
			mark = at
		} else {
			behind++
		}
		at += n
	}
	i, _ := slices.BinarySearch(starts, mark)
	lo := uint64(0)
	if len(starts) > 0 {
		lo = starts[max(0, i-before)]
	}
	return listing{code: bytes.Clone(code[lo:at]), base: base + lo, off: lo, mark: mark, sym: sym}
}
