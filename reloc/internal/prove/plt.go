package prove

import (
	"debug/elf"
	"encoding/binary"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc/image"
)

// A stub is an entry of a procedure linkage table: code that jumps to the
// address in a GOT slot. The forms differ by linker and by options; what they
// share is an indirect jump through a RIP-relative slot, perhaps behind
// endbr64:
//
//	ff 25 d32                jmp *slot(%rip)           .plt, .plt.got
//	f2 ff 25 d32             bnd jmp *slot(%rip)       .plt.sec, .plt.bnd
//	f3 0f 1e fa [f2] ff 25   endbr64; jmp *slot(%rip)  .plt.sec, .plt with -z ibtplt
type stub struct {
	slot uint64     // address of the GOT slot
	desc image.Slot // the dynamic relocation that fills it
	ok   bool
}

// stubAt decodes a PLT entry at addr. A function of the program may look just
// the same, so that the slot has to be one that the dynamic linker fills in
// with the address of a function.
func (m *Comparer) stubAt(addr uint64) stub {
	if !m.linked {
		return stub{} // there is no dynamic linker
	}
	if s, ok := m.stubs[addr]; ok {
		return s
	}
	s := m.decodeStub(addr)
	m.stubs[addr] = s
	return s
}

func (m *Comparer) decodeStub(addr uint64) stub {
	r := m.View.RegionAt(addr)
	if r == nil || !r.Exec || addr%8 != 0 { // entries have 8 or 16 bytes
		return stub{}
	}
	b, err := m.View.UpTo(addr, 16)
	if err != nil {
		return stub{}
	}
	at := addr
	skip := func(prefix string) {
		if len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix {
			b, at = b[len(prefix):], at+uint64(len(prefix))
		}
	}
	skip(amd64.Endbr64)
	skip("\xf2")
	if len(b) < 6 || b[0] != 0xff || b[1] != 0x25 {
		return stub{}
	}
	s := stub{slot: at + 6 + uint64(int64(int32(binary.LittleEndian.Uint32(b[2:]))))}
	s.desc, s.ok = m.slotAt(s.slot)
	s.ok = s.ok && addressSlots[s.desc.Type]
	return s
}

// addressSlots are the dynamic relocations that put the address of a symbol
// into a slot.
var addressSlots = map[elf.R_X86_64]bool{
	elf.R_X86_64_JMP_SLOT:  true,
	elf.R_X86_64_GLOB_DAT:  true,
	elf.R_X86_64_IRELATIVE: true,
	elf.R_X86_64_64:        true,
}

// slotAt returns the dynamic relocation for the word at addr.
func (m *Comparer) slotAt(addr uint64) (image.Slot, bool) {
	return m.Image.SlotAt(addr)
}

// bound returns the final address in a GOT slot, when it is known: a slot of a
// file holds nothing yet unless the file defines the symbol, and one that is
// bound lazily leads back into the PLT until the first call.
func (m *Comparer) bound(at uint64, s image.Slot) (uint64, bool) {
	v, ok := m.View.Word(at)
	if !ok || v == 0 {
		return 0, false
	}
	r := m.View.RegionAt(v)
	if r == nil {
		return 0, false
	}
	if s.IFunc && m.isFile(at) {
		return 0, false // holds the resolver at best
	}
	if s.Type == elf.R_X86_64_JMP_SLOT && !s.Defined && m.isFile(at) {
		return 0, false
	}
	if s.Type == elf.R_X86_64_JMP_SLOT && m.isLazy(v) {
		return 0, false
	}
	return v, true
}

// isFile reports whether the word at addr is as it was linked, not as the
// dynamic linker left it.
func (m *Comparer) isFile(addr uint64) bool { return !m.Image.IsLive() }

// isLazy reports whether v is the second half of a lazy PLT entry: it pushes
// the relocation's index and jumps to the resolver.
//
//	68 i32 e9 d32                            push $i; jmp PLT0
//	f3 0f 1e fa 68 i32 [f2] e9 d32           endbr64; push $i; jmp PLT0
func (m *Comparer) isLazy(v uint64) bool {
	b, err := m.View.UpTo(v, 16)
	if err != nil {
		return false
	}
	if len(b) > 4 && string(b[:4]) == amd64.Endbr64 {
		b = b[4:]
	}
	if len(b) < 7 || b[0] != 0x68 {
		return false
	}
	return b[5] == 0xe9 || b[5] == 0xf2 && b[6] == 0xe9
}
