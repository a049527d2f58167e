//go:build linux && amd64

package process

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/internal/ehframe"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/splice"
)

// recordHook is the jump by which one copy of the program's unwinder finds the
// unwind information of the new code. Those of several updates form a chain: the
// jump leads to the hook that was put there last, each leads on by its slot to the
// one before, and the last to the displaced start of the unwinder's own function.
// So each can be taken out, in any order, by one write.
type recordHook struct {
	Module  string `json:"module"`
	Address uint64 `json:"address"` // entry of _Unwind_Find_FDE
	At      uint64 `json:"at"`      // where the jump stands
	Orig    []byte `json:"orig"`    // what stands there without any hook
	Direct  []byte `json:"direct"`  // the jump to the code of this hook
	Entry   uint64 `json:"entry"`   // of that code
	Next    uint64 `json:"next"`    // the slot that says where it leads on
	OldPath uint64 `json:"old_path"`

	gone bool // with the module that it was in
}

// hookCode is what runs in front of _Unwind_Find_FDE(void *pc, struct dwarf_eh_bases
// *bases) (libgcc, unwind-dw2-fde.h): where pc is in the new code it fills bases
// with the start of the function and returns its FDE, else it goes on as before. It
// takes no lock, and changes no register that a function has to preserve.
//
//	     endbr64
//	     lea    code(%rip),%rax
//	     cmp    %rax,%rdi
//	     jb     next
//	     lea    end(%rip),%rax
//	     cmp    %rax,%rdi
//	     jae    next
//	     lea    table(%rip),%rax
//	loop: mov   (%rax),%r10        // start, end, FDE; a start of 0 ends the table
//	     test   %r10,%r10
//	     je     next
//	     cmp    %r10,%rdi
//	     jb     skip
//	     cmp    8(%rax),%rdi
//	     jb     found
//	skip: add   $24,%rax
//	     jmp    loop
//	found: movq $0,(%rsi)          // tbase, dbase, func
//	     movq   $0,8(%rsi)
//	     mov    %r10,16(%rsi)
//	     mov    16(%rax),%rax
//	     ret
//	next: jmp   *slot(%rip)
const hookCode = "\xf3\x0f\x1e\xfa" +
	"\x48\x8d\x05\x00\x00\x00\x00" + "\x48\x39\xc7" + "\x72\x44" +
	"\x48\x8d\x05\x00\x00\x00\x00" + "\x48\x39\xc7" + "\x73\x38" +
	"\x48\x8d\x05\x00\x00\x00\x00" +
	"\x4c\x8b\x10" + "\x4d\x85\xd2" + "\x74\x29" +
	"\x4c\x39\xd7" + "\x72\x06" + "\x48\x3b\x78\x08" + "\x72\x06" +
	"\x48\x83\xc0\x18" + "\xeb\xe7" +
	"\x48\xc7\x06\x00\x00\x00\x00" + "\x48\xc7\x46\x08\x00\x00\x00\x00" + "\x4c\x89\x56\x10" + "\x48\x8b\x40\x10" + "\xc3" +
	"\xff\x25\x00\x00\x00\x00"

// The displacements of hookCode, each four bytes that end an instruction.
const (
	hookLow, hookHigh, hookTable, hookNext = 7, 19, 31, 86
	hookRoom                               = 96 // with filling, a multiple of stubSize
	hookEntry                              = 24 // bytes of a row of the table
)

// hooksRoom bounds what the slots and the table of the hooks take, in bytes.
func (p *plan) hooksRoom() uint64 {
	if len(p.unwinders) == 0 {
		return 0
	}
	const least = 16 // bytes of an FDE
	return pages(uint64(len(p.unwinders))*8 + (p.linker.FrameBytes()/least+1)*hookEntry)
}

// hook makes the hooks: code behind the stubs, slots and table in a part of the
// constants.
func (p *plan) hook() error {
	p.hooks, p.rec.Hooks = nil, nil
	if len(p.unwinders) == 0 {
		return nil
	}
	table := p.at.hooks + uint64(len(p.unwinders))*8
	var rows []byte
	for _, f := range p.linked.EHFrames {
		at := p.at.consts + f[0]
		t, err := ehframe.New(ehframe.Section{Addr: at, Data: p.linked.Const.Bytes[f[0]:f[1]]}, ehframe.Section{}, 0)
		if err != nil {
			return err
		}
		for fde, err := range t.FDEs() {
			if err != nil {
				return err
			}
			for _, v := range []uint64{fde.Start, fde.End, at + fde.Offset} {
				rows = binary.LittleEndian.AppendUint64(rows, v)
			}
		}
	}
	rows = append(rows, make([]byte, hookEntry)...)
	for i := range p.unwinders {
		h, err := p.unwinders[i].hook(p, p.at.hooks+uint64(i)*8, table)
		if err != nil {
			return err
		}
		p.rec.Hooks = append(p.rec.Hooks, h)
		p.hooks = binary.LittleEndian.AppendUint64(p.hooks, h.OldPath)
	}
	p.hooks = append(p.hooks, rows...)
	if uint64(len(p.hooks)) > p.hooksRoom() {
		return fmt.Errorf("link: hooks of %#x bytes in %#x", len(p.hooks), p.hooksRoom())
	}
	p.rec.Format = max(p.rec.Format, hookedFormat)
	return nil
}

// hookAreas are the bytes that the hooks are written over, but for the first: a
// thread that is about to run that runs the jump. They are those of the longest jump,
// since another place for the region may take another one.
func (r *record) hookAreas() []area {
	var out []area
	for i := range r.Hooks {
		h := &r.Hooks[i]
		out = append(out, area{findFDE, h.At + 1, h.At + splice.JmpAbs64.Size()})
	}
	return out
}

func readBytes(mem readerAt, addr uint64, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := mem.ReadAddr(b, addr)
	return b, err
}

// install leads the unwinders of the stopped process to the new code. Until
// redirections are written nothing comes of it.
func (r *record) install(mem *ptrace.Mem, others []*record) error {
	for i := range r.Hooks {
		h := &r.Hooks[i]
		now, err := readBytes(mem, h.At, len(h.Orig))
		if err != nil {
			return err
		}
		next, ok := h.OldPath, bytes.Equal(now, h.Orig)
		if o := hookWith(others, h.At, func(o *recordHook) bool { return bytes.Equal(now, o.Direct) }); o != nil && !ok {
			next, ok = o.Entry, true
		}
		if !ok {
			return splice.Refuse(splice.CodeRedirected, findFDE, h.Module, h.At, "something else was written over the start of the unwinder")
		}
		if err := writeSlot(mem, h.Next, next); err != nil {
			return err
		}
		if _, err := mem.WriteAddr(h.Direct, h.At); err != nil {
			return err
		}
	}
	return nil
}

func readSlot(mem *ptrace.Mem, slot uint64) (uint64, error) {
	b, err := readBytes(mem, slot, 8)
	return binary.LittleEndian.Uint64(b), err
}

func writeSlot(mem *ptrace.Mem, slot, to uint64) error {
	_, err := mem.WriteAddr(binary.LittleEndian.AppendUint64(nil, to), slot)
	return err
}

// hooksAt goes over the hooks of records that stand at an address.
func hooksAt(records []*record, at uint64) func(func(*recordHook) bool) {
	return func(yield func(*recordHook) bool) {
		for _, r := range records {
			for i := range r.Hooks {
				if r.Hooks[i].At == at && !yield(&r.Hooks[i]) {
					return
				}
			}
		}
	}
}

// uninstall takes the hooks of an update out of their chains. No thread is in
// their code.
func (r *record) uninstall(mem *ptrace.Mem, records []*record) error {
	others := slices.DeleteFunc(slices.Clone(records), func(o *record) bool { return o == r || o.Start == r.Start })
	for i := range r.Hooks {
		if err := r.Hooks[i].uninstall(mem, others); err != nil {
			return err
		}
	}
	return nil
}

// uninstall goes along the chain, from the hook that the jump leads to: that of an
// update which a killed tool left behind may be in none, whatever its slot holds.
func (h *recordHook) uninstall(mem *ptrace.Mem, others []*record) error {
	if h.gone {
		return nil
	}
	next, err := readSlot(mem, h.Next)
	if err != nil {
		return err
	}
	front, err := h.front(mem, others)
	if front == nil || err != nil {
		return err
	}
	if front == h {
		return h.giveWay(mem, next, others)
	}
	for seen := map[*recordHook]bool{}; front != nil && !seen[front]; {
		seen[front] = true
		to, err := readSlot(mem, front.Next)
		if err != nil {
			return err
		}
		if to == h.Entry {
			if next == h.OldPath {
				next = front.OldPath
			}
			return writeSlot(mem, front.Next, next)
		}
		if to == front.OldPath {
			return nil // it is not in the chain
		}
		front = hookWith(others, h.At, func(o *recordHook) bool { return o.Entry == to })
	}
	return splice.Refuse(splice.CodeRedirected, findFDE, h.Module, h.At, "the hooks of the unwinder lead to what is of no update")
}

// front returns the hook that the jump leads to, nil when there is no jump.
func (h *recordHook) front(mem *ptrace.Mem, others []*record) (*recordHook, error) {
	now, err := readBytes(mem, h.At, int(splice.JmpAbs64.Size()))
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(now, h.Direct) {
		return h, nil
	}
	o := hookWith(others, h.At, func(o *recordHook) bool { return bytes.HasPrefix(now, o.Direct) })
	if o == nil && !bytes.HasPrefix(now, h.Orig) {
		return nil, splice.Refuse(splice.CodeRedirected, findFDE, h.Module, h.At, "something else was written over the start of the unwinder")
	}
	return o, nil
}

// hookWith returns the first hook of records at an address of which is holds, or nil.
func hookWith(records []*record, at uint64, is func(*recordHook) bool) *recordHook {
	for h := range hooksAt(records, at) {
		if is(h) {
			return h
		}
	}
	return nil
}

// giveWay takes out the hook that the jump leads to.
func (h *recordHook) giveWay(mem *ptrace.Mem, next uint64, others []*record) error {
	to := h.Orig
	if next != h.OldPath {
		to = nil
		if o := hookWith(others, h.At, func(o *recordHook) bool { return o.Entry == next }); o != nil {
			to = o.Direct
		}
	}
	if len(to) != len(h.Orig) {
		return splice.Refuse(splice.CodeRedirected, findFDE, h.Module, h.Next, "the hook leads on to %#x, which is of no update", next)
	}
	_, err := mem.WriteAddr(to, h.At)
	return err
}

// checkHook checks that the parts of a hook fit together, as [record.checkRedirect]
// does.
func (r *record) checkHook(h *recordHook) error {
	slots := extent{r.Start, r.Code[0]}
	switch {
	case !r.Code.contains(h.Entry), !r.Code.contains(h.OldPath):
		return fmt.Errorf("it leads to %#x and %#x", h.Entry, h.OldPath)
	case !slots.holds(extent{h.Next, h.Next + 8}):
		return fmt.Errorf("slot at %#x", h.Next)
	case h.At < h.Address, h.At-h.Address > 16, h.At > 1<<48, (extent{r.Start, r.End}).contains(h.At), len(h.Direct) != len(h.Orig):
		return fmt.Errorf("a jump at %#x", h.At)
	}
	for form := splice.JmpRel32; form <= splice.JmpAbs64; form++ {
		if j, err := splice.Jump(form, h.At, h.Entry); err == nil && bytes.Equal(j.Bytes, h.Direct) {
			return nil
		}
	}
	return errors.New("its jump does not lead where it says")
}
