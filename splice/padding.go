package splice

import (
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// maxPadding bounds how far functions are aligned, in bytes.
const maxPadding = 64

// maxZeros bounds the zeros that count as padding: more may be data among the code.
const maxZeros = 16

// Padding returns the bytes behind code in run, which ends at an address, that belong
// to nobody: they fill the gap up to the next symbol with what assemblers and linkers
// fill code with. That is room for a jump that is longer than a function. It is none
// where the symbol table was stripped, so that something without a name could be
// there. reserve is how many bytes in front of the next symbol belong to that.
func (p *Part) Padding(end, reserve uint64) []byte {
	if p.Image == nil {
		return nil
	}
	_, module := p.Image.ModuleAt(end)
	region := p.Image.RegionAt(end)
	if region == nil || !region.Exec || !p.Image.HasAllSymbols(module) || p.patchable() {
		return nil
	}
	if s, _, ok := p.Image.SymbolAt(end); ok && (s.Addr == end || s.Size > 0) {
		return nil
	}
	next := region.End
	if at, ok := p.Image.NextSymbol(end); ok {
		next = min(next, at)
	}
	if next-end < reserve || next-end >= maxPadding+reserve {
		return nil
	}
	b := make([]byte, next-end-reserve)
	if p.Image.ReadAddr(b, end) != nil || !fills(b) {
		return nil
	}
	return b
}

// patchable reports whether functions of the object have room in front of them that is
// theirs (gcc -fpatchable-function-entry=N,M).
func (p *Part) patchable() bool {
	for range p.Diff.Pre.File.SectionsNamed(kerneltab.Patchable) {
		return true
	}
	return false
}

// fills reports whether bytes are nothing but filling: nops, int3, or some zeros.
func fills(b []byte) bool {
	zeros := 0
	for len(b) > 0 {
		n := amd64.NopLen(b)
		if n == 0 && b[0] == 0 {
			zeros++
		}
		if n == 0 && (b[0] == opInt3 || b[0] == 0) {
			n = 1
		}
		if n == 0 {
			return false
		}
		b = b[n:]
	}
	return zeros < maxZeros
}

const opInt3 = 0xcc

// isZero reports whether bytes that are left of a function are zeros: they do not
// execute, and are filling where Padding found them.
func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
