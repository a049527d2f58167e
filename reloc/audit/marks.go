package audit

import (
	"encoding/binary"
	"iter"

	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/internal/rewrite"
)

// marks are the places of a vmlinux that say what the kernel writes at its
// sites: link addresses, 0 where there is none.
type marks struct {
	// thunks has the registers of the retpolines, and counting those of what
	// takes their place with call depth tracking: by call or jump.
	thunks   map[uint64]int
	counting [2]uint64
	returns  uint64            // of x86_return_thunk, which holds what functions return through
	nops     [2]uint64         // functions of pv_ops that do nothing
	bugs     [2]uint64         // those that stand for none
	natives  map[uint64]string // names of functions of pv_ops that become instructions
	inlined  map[uint64]string // names of functions whose static calls do
	hot      [2]uint64         // from, to: the per-CPU variable that calls are counted in
	// replacements is the content of .altinstr_replacement.
	replacements     []byte
	replacementsAddr uint64
}

// readMarks looks for them. Names are those of Linux 5.10 to 7.3.
func (a *auditor) readMarks() error {
	at := func(name string) uint64 {
		if list := a.file.Symbols(name); len(list) == 1 {
			return list[0].Addr
		}
		return 0
	}
	m := &a.marks
	m.thunks = make(map[uint64]int)
	for reg := range rewrite.Thunks {
		if addr := at(rewrite.ThunkName(reg)); addr != 0 {
			m.thunks[addr] = reg
		}
	}
	m.counting = [2]uint64{at("__x86_indirect_call_thunk_array"), at("__x86_indirect_jump_thunk_array")}
	m.returns = at("x86_return_thunk")
	m.nops = [2]uint64{at("_paravirt_nop"), at("nop_func")}
	named := func(names iter.Seq[string]) map[uint64]string {
		list := make(map[uint64]string)
		for name := range names {
			for _, s := range a.file.Symbols(name) { // a function that headers have may be there more than once
				list[s.Addr] = name
			}
		}
		return list
	}
	m.natives, m.inlined = named(rewrite.PVNatives), named(rewrite.StaticInsns)
	m.bugs = [2]uint64{at("paravirt_BUG"), at("BUG_func")}
	for _, s := range a.file.Symbols("pcpu_hot") {
		m.hot = [2]uint64{s.Addr, s.Addr + s.Size}
	}
	for s := range a.file.File.SectionsNamed(kerneltab.AltReplacement) {
		b, err := s.Data()
		if err != nil {
			return err
		}
		m.replacements, m.replacementsAddr = b, s.Addr
	}
	return nil
}

// replacement returns n bytes of the replacement of an alternative.
func (m *marks) replacement(addr, n uint64) ([]byte, bool) {
	off := addr - m.replacementsAddr
	if addr < m.replacementsAddr || off > uint64(len(m.replacements)) || n > uint64(len(m.replacements))-off {
		return nil, false
	}
	return m.replacements[off : off+n], true
}

// relative32 returns where a field of an entry leads that counts from itself.
func relative32(s *kernel.Site, e []byte, off uint64) uint64 {
	return s.Entry + off + uint64(int64(int32(binary.LittleEndian.Uint32(e[off:]))))
}
