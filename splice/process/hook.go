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
	p.rec.Format = hookedFormat
	return nil
}

// hook appends the code of one hook to the stubs.
func (u *unwinder) hook(p *plan, next, table uint64) (recordHook, error) {
	f := splice.Function{Name: findFDE, Module: u.module, Addr: u.addr, Code: u.code}
	entry := p.at.stubs + uint64(len(p.stub))
	direct, err := splice.Plan(f, entry)
	if err != nil {
		return recordHook{}, err
	}
	n := uint64(len(direct.Bytes))
	if direct.At/splice.PageSize != (direct.At+n-1)/splice.PageSize {
		return recordHook{}, splice.Refuse(splice.CodePageCrossing, f.Name, f.Module, direct.At, "the %d bytes of the jump lie in two pages", n)
	}
	skip := direct.At - f.Addr
	h := recordHook{
		Module: u.module, Address: u.addr, At: direct.At, Orig: f.Code[skip : skip+n], Direct: direct.Bytes,
		Entry: entry, Next: next, OldPath: entry + hookRoom,
	}
	code := []byte(hookCode)
	for _, field := range []struct{ off, to uint64 }{
		{hookLow, p.at.code}, {hookHigh, p.at.stubs}, {hookTable, table}, {hookNext, next},
	} {
		binary.LittleEndian.PutUint32(code[field.off:], uint32(field.to-(entry+field.off+4)))
	}
	p.stub = append(p.stub, filled(code)...)
	old, err := movedPrologue(&f, skip, n, h.OldPath)
	if err != nil {
		r := splice.Refuse(splice.CodeMoved, f.Name, f.Module, f.Addr, "its first instructions can't be moved")
		r.Err = err
		return recordHook{}, r
	}
	p.stub = append(p.stub, filled(old)...)
	return h, nil
}

// hookAreas are the bytes that the hooks are written over, but for the first: a
// thread that is about to run that runs the jump.
func (r *record) hookAreas() []area {
	var out []area
	for i := range r.Hooks {
		h := &r.Hooks[i]
		out = append(out, area{findFDE, h.At + 1, h.At + uint64(len(h.Orig))})
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
		for o := range hooksAt(others, h.At) {
			if !ok && bytes.Equal(now, o.Direct) {
				next, ok = o.Entry, true
			}
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

func (h *recordHook) uninstall(mem *ptrace.Mem, others []*record) error {
	now, err1 := readBytes(mem, h.At, len(h.Orig))
	slot, err2 := readBytes(mem, h.Next, 8)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	next := binary.LittleEndian.Uint64(slot)
	if bytes.Equal(now, h.Direct) {
		return h.giveWay(mem, next, others)
	}
	known := bytes.Equal(now, h.Orig)
	for o := range hooksAt(others, h.At) {
		known = known || bytes.Equal(now, o.Direct)
		b, err := readBytes(mem, o.Next, 8)
		if err != nil {
			return err
		}
		if binary.LittleEndian.Uint64(b) != h.Entry {
			continue
		}
		if next == h.OldPath {
			next = o.OldPath
		}
		return writeSlot(mem, o.Next, next)
	}
	if !known {
		return splice.Refuse(splice.CodeRedirected, findFDE, h.Module, h.At, "something else was written over the start of the unwinder")
	}
	return nil // it is in no chain
}

// giveWay takes out the hook that the jump leads to.
func (h *recordHook) giveWay(mem *ptrace.Mem, next uint64, others []*record) error {
	to := h.Orig
	if next != h.OldPath {
		to = nil
		for o := range hooksAt(others, h.At) {
			if o.Entry == next {
				to = o.Direct
			}
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
