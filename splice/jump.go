package splice

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/amd64"
)

// Form is a way to jump.
type Form uint8

// The forms, in the order in which they are preferred. Those of the hotpatch kind take two
// bytes of the function: a short jump into padding near it, where the long jump stands.
const (
	JmpRel32 Form = iota // e9 d32: 5 bytes, reaches 2 GiB
	JmpAbs64             // ff 25 0, d64: 14 bytes, reaches everything
	HotRel32             // eb d8, and e9 d32 in padding
	HotAbs64             // eb d8, and ff 25 0, d64 in padding
)

// forms holds what Plan has to know about each form.
var forms = [...]struct {
	name string
	size uint64 // of what stands at the entry, in bytes
	long Form   // what stands in padding, of the hotpatch kind
	make func(from, to uint64) ([]byte, error)
}{
	JmpRel32: {"jmp rel32", 5, JmpRel32, func(from, to uint64) ([]byte, error) {
		b, err := amd64.JmpRel32(from, to)
		return b[:], err
	}},
	JmpAbs64: {"jmp abs64", 14, JmpAbs64, func(_, to uint64) ([]byte, error) {
		b := amd64.JmpAbs64(to)
		return b[:], nil
	}},
	HotRel32: {"hotpatch rel32", amd64.JmpRel8Size, JmpRel32, nil},
	HotAbs64: {"hotpatch abs64", amd64.JmpRel8Size, JmpAbs64, nil},
}

// InPadding reports whether the form is of the hotpatch kind, of which the long jump stands
// in padding.
func (f Form) InPadding() bool { return int(f) < len(forms) && forms[f].make == nil }

// Long returns the form of the long jump: that in padding, or the form itself.
func (f Form) Long() Form { return forms[f].long }

// String returns the form as "jmp rel32" or "hotpatch rel32".
func (f Form) String() string {
	if int(f) < len(forms) {
		return forms[f].name
	}
	return fmt.Sprintf("form(%d)", uint8(f))
}

// Size returns the number of bytes of the function that the form overwrites.
func (f Form) Size() uint64 { return forms[f].size }

// A Trampoline is the bytes that redirect a function: a jump at its entry, or
// behind the ENDBR64 that has to stay there, since indirect calls arrive at it
// (Intel SDM volume 1, section 17.3).
type Trampoline struct {
	Form  Form
	At    uint64 // address of the first byte written
	To    uint64 // where it leads
	Bytes []byte // what is written
	// Pad is the long jump of the hotpatch kind, in padding; nil where there is none. Bytes is
	// the short jump to it then.
	Pad *Trampoline
}

// Disassembly returns the trampoline as objdump shows it, with its address and
// bytes. Of the hotpatch kind the jump in padding follows, behind "; ".
func (t *Trampoline) Disassembly() string {
	if t.Pad != nil {
		short := strings.ReplaceAll(amd64.Disasm(t.Bytes, t.At, nil), "\t", " ")
		return fmt.Sprintf("%x: % x  %s; %s", t.At, t.Bytes, short, t.Pad.Disassembly())
	}
	n := min(len(t.Bytes), 6)
	if t.Form == JmpRel32 {
		n = min(n, 5)
	}
	text := strings.ReplaceAll(amd64.Disasm(t.Bytes, t.At, nil), "\t", " ")
	if t.Form == JmpAbs64 {
		text += fmt.Sprintf("; .quad %#x", t.To)
	}
	return fmt.Sprintf("%x: % x  %s", t.At, t.Bytes[:n], text)
}

// Jump returns the trampoline of a form that stands at an address. The error
// says that the form does not reach.
func Jump(form Form, at, to uint64) (*Trampoline, error) {
	if int(form) >= len(forms) || form.InPadding() {
		return nil, fmt.Errorf("no form of one jump: %v", form)
	}
	b, err := forms[form].make(at, to)
	if err != nil {
		return nil, err
	}
	return &Trampoline{Form: form, At: at, To: to, Bytes: b}, nil
}

// HotJump returns the trampoline of the hotpatch kind that stands at an address, and whose
// long jump, of a form of its own, stands at pad. The error says which does not reach.
func HotJump(long Form, at, pad, to uint64) (*Trampoline, error) {
	far, err := Jump(long, pad, to)
	if err != nil {
		return nil, err
	}
	short, ok := amd64.JmpRel8(at, pad)
	if !ok {
		return nil, fmt.Errorf("no short jump goes from %#x to %#x", at, pad)
	}
	form := HotRel32
	if long == JmpAbs64 {
		form = HotAbs64
	}
	return &Trampoline{Form: form, At: at, To: to, Bytes: short[:], Pad: far}, nil
}

// A Function is code in run that is to be redirected.
type Function struct {
	Name   string
	Module string // for messages
	Addr   uint64 // run address of its entry
	Code   []byte // its bytes in run, with filling behind it that is room
	// Entries are offsets at which code or data from elsewhere leads into it,
	// such as those of its jump tables and of its cold part.
	Entries []uint64
	// Pads are where padding near it that belongs to nobody has room for a long jump.
	Pads []Pad
}

// Plan decides how to redirect f to the address to: the first form that
// reaches, fits, and overwrites nothing that something leads to. A branch to
// the first byte of the jump is fine, since that jump is an instruction; one
// to a byte inside is not. Where no jump fits and there is padding, it is a jump of
// the hotpatch kind.
//
// The error is a [*Refusal]: too-short, branch-target, undecodable or
// out-of-reach.
func Plan(f Function, to uint64) (*Trampoline, error) {
	skip, targets, err := f.scan()
	if err != nil {
		return nil, err
	}
	t, err := f.jump(skip, targets, to)
	if err == nil {
		return t, nil
	}
	if hot := f.hotJump(skip, targets, to); hot != nil {
		return hot, nil
	}
	return nil, err
}

// jump plans a jump at the entry.
func (f *Function) jump(skip uint64, targets []uint64, to uint64) (*Trampoline, error) {
	var reach error
	for form := JmpRel32; form <= JmpAbs64; form++ {
		t, err := Jump(form, f.Addr+skip, to)
		if err != nil {
			reach = err
			continue
		}
		if err := f.room(form, skip, targets); err != nil {
			if reach != nil {
				return nil, Refuse(CodeOutOfReach, f.Name, f.Module, f.Addr, "%v, and %v", reach, err.Message)
			}
			return nil, err
		}
		return t, nil
	}
	return nil, Refuse(CodeOutOfReach, f.Name, f.Module, f.Addr, "%v", reach)
}

// scan decodes the function. It returns the length of the ENDBR64 that it
// starts with, or 0, and the offsets that lead into it.
func (f *Function) scan() (skip uint64, targets []uint64, err error) {
	targets = slices.Clone(f.Entries)
	for off := uint64(0); off < uint64(len(f.Code)) && !(off > 0 && isZero(f.Code[off:])); {
		in, err := amd64.Decode(f.Code[off:])
		if err != nil {
			r := Refuse(CodeUndecodable, f.Name, f.Module, f.Addr+off, "its code does not decode at +%#x", off)
			r.Err = err
			return 0, nil, r
		}
		if off == 0 && in.Class == amd64.Endbr {
			skip = uint64(in.Len)
		}
		if to, ok := in.Target(f.Code[off:], off); ok && to < uint64(len(f.Code)) {
			targets = append(targets, to)
		}
		off += uint64(in.Len)
	}
	return skip, targets, nil
}

// room checks that a jump of the given form can stand at offset skip.
func (f *Function) room(form Form, skip uint64, targets []uint64) *Refusal {
	size := forms[form].size
	if n := uint64(len(f.Code)); n < skip+size {
		return Refuse(CodeTooShort, f.Name, f.Module, f.Addr, "%d bytes, of which %s needs %d at +%#x", n, form, size, skip)
	}
	for _, t := range targets {
		if t > skip && t < skip+size {
			return Refuse(CodeBranchTarget, f.Name, f.Module, f.Addr+t, "+%#x is a branch target, and inside the %d bytes of %s at +%#x", t, size, form, skip)
		}
	}
	return nil
}
