package prove

import (
	"debug/elf"
	"encoding/binary"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// Relocation types that linkers relax.
const (
	relPC32     = uint32(elf.R_X86_64_PC32)
	rel32S      = uint32(elf.R_X86_64_32S)
	relGOTPCREL = uint32(elf.R_X86_64_GOTPCREL)
	relGOTPCX   = uint32(elf.R_X86_64_GOTPCRELX)
	relREXGOT   = uint32(elf.R_X86_64_REX_GOTPCRELX)
	relTLSGD    = uint32(elf.R_X86_64_TLSGD)
	relTLSLD    = uint32(elf.R_X86_64_TLSLD)
	relTPSlot   = uint32(elf.R_X86_64_GOTTPOFF)
	relTPOff    = uint32(elf.R_X86_64_TPOFF32)
	relDesc     = uint32(elf.R_X86_64_GOTPC32_TLSDESC)
	relDescCall = uint32(elf.R_X86_64_TLSDESC_CALL)
)

// got returns the reference of an instruction that reads a GOT slot, if it is
// one that may be relaxed.
func (w *walker) got(pin amd64.Inst) (*object.Ref, bool) {
	refs := w.refs(int(pin.Len))
	if len(refs) != 1 || int(refs[0].Offset) != w.i+int(pin.DispOff) || pin.DispLen != 4 || !pin.IsRIPRelative() {
		return nil, false
	}
	t := refs[0].Type
	return &refs[0], t == relGOTPCREL || t == relGOTPCX || t == relREXGOT
}

// rexed splits an instruction of one opcode byte and a ModRM byte into its REX
// prefix (0 when there is none), the opcode, ModRM, and what follows.
func rexed(b []byte) (rex, op, modrm byte, size int, ok bool) {
	if len(b) > 0 && b[0]&0xf0 == 0x40 {
		rex, b, size = b[0], b[1:], 1
	}
	if len(b) < 2 {
		return 0, 0, 0, 0, false
	}
	return rex, b[0], b[1], size + 2, true
}

// sameReg reports whether run has the register in ModRM.rm that pre has in
// ModRM.reg: REX.R has become REX.B, and mod is 3.
func sameReg(rex, modrm, runRex, runModRM byte) bool {
	return runModRM == 0xc0|modrm>>3&7 && runRex&0x48 == rex&0x48 && runRex&1 == rex>>2&1 && runRex&6 == 0
}

// gotLoad:
//
//	mov foo@GOTPCREL(%rip), %reg  ->  lea foo(%rip), %reg
//	                              ->  mov $foo, %reg
func gotLoad(w *walker, pin, _ amd64.Inst) (int, int, bool) {
	n := int(pin.Len)
	if _, ok := w.got(pin); !ok || w.j+n > len(w.run) {
		return 0, 0, false
	}
	rex, op, modrm, size, ok := rexed(w.pre[w.i:])
	runRex, runOp, runModRM, runSize, runOK := rexed(w.run[w.j : w.j+n])
	if !ok || !runOK || op != 0x8b || size != runSize || size+4 != n {
		return 0, 0, false
	}
	switch {
	case runOp == 0x8d && runModRM == modrm && runRex == rex:
		w.solveAs(w.ref, w.j+size, relPC32, -4)
	case runOp == 0xc7 && sameReg(rex, modrm, runRex, runModRM):
		w.solveAs(w.ref, w.j+size, rel32S, 0)
	default:
		return 0, 0, false
	}
	w.ref++
	return n, n, true
}

// callForms are what becomes of an indirect call or jump through a GOT slot, of
// 6 bytes. disp is the offset of the displacement.
var callForms = [...]struct {
	modrm byte // of ff: /2 call, /4 jmp
	pad   int  // offset of the padding byte, -1 for none
	op    byte
	disp  int
	why   string
}{
	{0x15, 0, 0xe8, 2, "prefix, call foo: the default is addr32, -z call-nop may name another"},
	{0x15, 5, 0xe8, 1, "call foo; nop: -z call-nop=suffix-nop"},
	{0x25, 5, 0xe9, 1, "jmp foo; nop"},
}

// gotCall:
//
//	call *foo@GOTPCREL(%rip)  ->  addr32 call foo  or  call foo; nop
//	jmp  *foo@GOTPCREL(%rip)  ->  jmp foo; nop
func gotCall(w *walker, pin, _ amd64.Inst) (int, int, bool) {
	if _, ok := w.got(pin); !ok || pin.Len != 6 || w.j+6 > len(w.run) {
		return 0, 0, false
	}
	p, r := w.pre[w.i:w.i+6], w.run[w.j:w.j+6]
	for _, f := range callForms {
		if p[0] != 0xff || p[1] != f.modrm || r[f.disp-1] != f.op || r[f.pad] != 0x67 && r[f.pad] != 0x90 {
			continue
		}
		to := w.t.Addr + uint64(w.j+f.disp+4) + uint64(int64(int32(binary.LittleEndian.Uint32(r[f.disp:]))))
		w.lookAt(w.ref, w.j+f.disp, to)
		w.ref++
		return 6, 6, true
	}
	return 0, 0, false
}

// gotOperand:
//
//	test %reg, foo@GOTPCREL(%rip)   ->  test $foo, %reg
//	binop foo@GOTPCREL(%rip), %reg  ->  binop $foo, %reg
func gotOperand(w *walker, pin, _ amd64.Inst) (int, int, bool) {
	n := int(pin.Len)
	if _, ok := w.got(pin); !ok || w.j+n > len(w.run) {
		return 0, 0, false
	}
	rex, op, modrm, size, ok := rexed(w.pre[w.i:])
	runRex, runOp, runModRM, runSize, runOK := rexed(w.run[w.j : w.j+n])
	if !ok || !runOK || size != runSize || size+4 != n {
		return 0, 0, false
	}
	want := byte(0x81) // binop $imm32: the operation moves from the opcode to ModRM.reg
	switch {
	case op == 0x85:
		want, op = 0xf7, 0
	case op&0xc7 != 0x03:
		return 0, 0, false
	}
	if runOp != want || runModRM&0x38 != op&0x38 || !sameReg(rex, modrm, runRex, runModRM&^0x38|0xc0) {
		return 0, 0, false
	}
	w.solveAs(w.ref, w.j+size, rel32S, 0)
	w.ref++
	return n, n, true
}

// wild stands for a byte of a field in a sequence.
const wild = -1

// sequence is a series of instructions that linkers turn into another one of
// the same length. Fields are where the pre reference of type pre stands, and
// where run has its replacement of type run; run 0 means that nothing is left.
type sequence struct {
	from, to []int16
	pre      uint32
	field    int // offset of the field of pre's reference
	run      uint32
	runField int
	addend   int64 // what the addend grows by: a PC-relative one includes -4
	why      string
}

var fsBase = []int16{0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0} // mov %fs:0,%rax

func seq(parts ...[]int16) []int16 {
	var out []int16
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

var (
	anyField = []int16{wild, wild, wild, wild}
	gdLea    = seq([]int16{0x66, 0x48, 0x8d, 0x3d}, anyField) // data16 lea x@tlsgd(%rip),%rdi
	gdCall   = seq([]int16{0x66, 0x66, 0x48, 0xe8}, anyField) // data16 data16 rex64 call __tls_get_addr@PLT
	gdInd    = seq([]int16{0x66, 0x48, 0xff, 0x15}, anyField) // data16 rex64 call *__tls_get_addr@GOTPCREL(%rip)
	ldLea    = seq([]int16{0x48, 0x8d, 0x3d}, anyField)       // lea x@tlsld(%rip),%rdi
	ldCall   = seq([]int16{0xe8}, anyField)                   // call __tls_get_addr@PLT
	ldInd    = seq([]int16{0xff, 0x15}, anyField)             // call *__tls_get_addr@GOTPCREL(%rip)
	addSlot  = seq([]int16{0x48, 0x03, 0x05}, anyField)       // add x@gottpoff(%rip),%rax
	leaTP    = seq([]int16{0x48, 0x8d, 0x80}, anyField)       // lea x@tpoff(%rax),%rax
	descLea  = seq([]int16{0x48, 0x8d, 0x05}, anyField)       // lea x@tlsdesc(%rip),%rax
	descSlot = seq([]int16{0x48, 0x8b, 0x05}, anyField)       // mov x@gottpoff(%rip),%rax
	descMov  = seq([]int16{0x48, 0xc7, 0xc0}, anyField)       // mov $x@tpoff,%rax
)

// sequences are those of the ELF TLS ABI, sections 5.1 to 5.4, in the forms for
// x86-64 that ld and lld write.
var sequences = [...]sequence{
	{seq(gdLea, gdCall), seq(fsBase, addSlot), relTLSGD, 4, relTPSlot, 12, 0, "general dynamic becomes initial exec"},
	{seq(gdLea, gdInd), seq(fsBase, addSlot), relTLSGD, 4, relTPSlot, 12, 0, "general dynamic becomes initial exec"},
	{seq(gdLea, gdCall), seq(fsBase, leaTP), relTLSGD, 4, relTPOff, 12, 4, "general dynamic becomes local exec"},
	{seq(gdLea, gdInd), seq(fsBase, leaTP), relTLSGD, 4, relTPOff, 12, 4, "general dynamic becomes local exec"},
	{seq(ldLea, ldCall), seq([]int16{0x66, 0x66, 0x66}, fsBase), relTLSLD, 3, 0, 0, 0, "local dynamic becomes local exec"},
	{seq(ldLea, ldInd), seq([]int16{0x66, 0x66, 0x66, 0x66}, fsBase), relTLSLD, 3, 0, 0, 0, "local dynamic becomes local exec"},
	{descLea, descSlot, relDesc, 3, relTPSlot, 3, 0, "TLS descriptor becomes initial exec"},
	{descLea, descMov, relDesc, 3, relTPOff, 3, 4, "TLS descriptor becomes local exec"},
	{[]int16{0xff, 0x10}, []int16{0x66, 0x90}, relDescCall, 0, 0, 0, 0, "call of a TLS descriptor becomes nothing"},
}

func fits(b []byte, pattern []int16) bool {
	if len(b) < len(pattern) {
		return false
	}
	for i, p := range pattern {
		if p != wild && byte(p) != b[i] {
			return false
		}
	}
	return true
}

// tlsSequence applies the table of sequences.
func tlsSequence(w *walker, _, _ amd64.Inst) (int, int, bool) {
	for k := range sequences {
		s := &sequences[k]
		n := len(s.from)
		if !fits(w.pre[w.i:], s.from) || !fits(w.run[w.j:], s.to) {
			continue
		}
		refs := w.refs(n)
		if len(refs) == 0 || refs[0].Type != s.pre || int(refs[0].Offset) != w.i+s.field {
			continue
		}
		if s.run != 0 {
			w.solveAs(w.ref, w.j+s.runField, s.run, refs[0].Addend+s.addend)
		}
		w.skipRefs(n)
		return n, len(s.to), true
	}
	return 0, 0, false
}

// tlsInitialExec:
//
//	mov x@gottpoff(%rip), %reg  ->  mov $x@tpoff, %reg
//	add x@gottpoff(%rip), %reg  ->  lea x@tpoff(%reg), %reg
//	                            ->  add $x@tpoff, %reg   (rsp, r12)
func tlsInitialExec(w *walker, pin, _ amd64.Inst) (int, int, bool) {
	n := int(pin.Len)
	refs := w.refs(n)
	if len(refs) != 1 || refs[0].Type != relTPSlot || w.j+n > len(w.run) {
		return 0, 0, false
	}
	rex, op, modrm, size, ok := rexed(w.pre[w.i:])
	runRex, runOp, runModRM, runSize, runOK := rexed(w.run[w.j : w.j+n])
	if !ok || !runOK || size != runSize || size+4 != n {
		return 0, 0, false
	}
	reg := modrm >> 3 & 7
	switch {
	case op == 0x8b && runOp == 0xc7 && sameReg(rex, modrm, runRex, runModRM):
	case op == 0x03 && runOp == 0x81 && sameReg(rex, modrm, runRex, runModRM):
	case op == 0x03 && runOp == 0x8d && runModRM == 0x80|reg<<3|reg && runRex&0x48 == rex&0x48 && runRex>>2&1 == rex>>2&1 && runRex&1 == rex>>2&1:
	default:
		return 0, 0, false
	}
	w.solveAs(w.ref, w.j+size, relTPOff, refs[0].Addend+4)
	w.ref++
	return n, n, true
}
