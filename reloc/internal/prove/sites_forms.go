package prove

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/rewrite"
)

// The forms that the rows of SiteRows allow. Each function is told the bytes of
// the whole site.

// traced: a call of a tracer that is switched off, or of some tracer.
//
//	0f 1f 44 00 00    nopl 0x0(%rax,%rax,1), or another nop of five bytes
//	e8 d32            call tracer
func traced(x *siteMatch, s *Site, run []byte, p uint64) bool {
	if amd64.IsNop5(run) {
		return true
	}
	if run[0] != 0xe8 || !x.exec(rewrite.Target(run, p, 5)) {
		return false
	}
	if x.live {
		x.patches = append(x.patches, image.Patch{Kind: image.PatchTraced, Offset: s.Off, Address: p, Target: rewrite.Target(run, p, 5)})
	}
	return true
}

// ownEndbr finds the endbr64 at the start of a function. Which of them objtool
// lists to be sealed, only the whole kernel tells.
func ownEndbr(f *siteFinder, row *siteRow, a *object.Atom) {
	if rewrite.Begins(a.Bytes, amd64.Endbr64) {
		f.add(Site{Atom: a.ID, Size: 4, Row: row, aux: object.NoAtom})
	}
}

// sealed: the poison that an endbr64 becomes.
func sealed(x *siteMatch, _ *Site, run []byte, _ uint64) bool {
	return amd64.IsSealed(run)
}

// ownPrefix returns what finds functions that are nothing but the room in front
// of another one, by the beginning of their names.
func ownPrefix(prefix string) func(*siteFinder, *siteRow, *object.Atom) {
	return func(f *siteFinder, row *siteRow, a *object.Atom) {
		if strings.HasPrefix(a.Name, prefix) && a.Size <= 32 {
			f.add(Site{Atom: a.ID, Size: a.Size, Row: row, aux: object.NoAtom})
		}
	}
}

// callDepth: padding that counts calls.
func callDepth(x *siteMatch, _ *Site, run []byte, _ uint64) bool {
	n := len(run) - rewrite.DepthCount
	return n >= 0 && rewrite.IsDepthCount(run[n:]) && rewrite.IsFilling(run, n)
}

// paravirt: a direct branch, or nothing. What stands there natively is an
// alternative of its own.
//
//	e8 d32 90         call op; nop        e9 d32 90         jmp op; nop (of jmp *slot)
func paravirt(x *siteMatch, s *Site, run []byte, p uint64) bool {
	if rewrite.IsFilling(run, len(run)) || rewrite.IsPVSlotCall(x.a.Bytes[s.Off:s.End()]) && rewrite.IsPVNative("", run) {
		return true
	}
	branch := byte(0xe8)
	if x.a.Bytes[s.Off+1] == 0x25 {
		branch = 0xe9
	}
	return len(run) >= 5 && run[0] == branch && x.exec(rewrite.Target(run, p, 5)) && rewrite.IsFilling(run[5:], len(run)-5)
}

// retpoline: the indirect branch itself, with or without lfence, or a branch to
// another thunk.
//
//	ff d0+r                  call *%r          ff e0+r cc       jmp *%r; int3
//	0f ae e8 ff d0+r         lfence; call *%r
//	7x len-2 ff e0+r         of a jcc: jumped over when its condition is false
func retpoline(x *siteMatch, s *Site, run []byte, p uint64) bool {
	pre := x.a.Bytes[s.Off:s.End()]
	cs := 0
	if pre[0] == 0x2e {
		cs = 1
	}
	refs := x.a.RefsIn(s.Off, s.End())
	if len(refs) != 1 || len(pre) < cs+5 {
		return false
	}
	if len(run) == len(pre) && run[len(run)-5] == pre[len(pre)-5] && bytes.Equal(run[:len(run)-4], pre[:len(pre)-4]) {
		return x.exec(rewrite.Target(run, p, len(run)))
	}
	reg, ok := rewrite.ThunkOf(x.m.Sym(refs[0].Sym).Name)
	return ok && rewrite.IsBareBranch(pre[cs:], reg, run)
}

// returns: a return, or a jump to another thunk.
//
//	c3 cc cc cc cc    ret; int3 ...
//	e9 d32            jmp thunk
func returns(x *siteMatch, _ *Site, run []byte, p uint64) bool {
	return string(run) == rewrite.Ret5 || x.returnThunk(run, p)
}

// returnThunk reports whether run jumps to a return thunk, which run's symbols
// name such where there are any.
func (x *siteMatch) returnThunk(run []byte, p uint64) bool {
	if len(run) < 5 || run[0] != 0xe9 {
		return false
	}
	to := rewrite.Target(run, p, 5)
	if !x.exec(to) {
		return false
	}
	if x.m.NoSymbols || !x.m.Image.HasAllSymbols(x.m.ModuleOf(to)) {
		return true
	}
	for _, s := range x.m.Image.SymbolsAt(to) {
		if rewrite.IsReturnThunk(s.Name) {
			return true
		}
	}
	return false
}

// unlocked: ds instead of lock.
//
//	3e                ds
func unlocked(x *siteMatch, s *Site, run []byte, _ uint64) bool {
	return run[0] == 0x3e && x.a.Bytes[s.Off] == 0xf0
}

// jumpLabel: a jump to the target of the label, or a nop of the same length.
//
//	66 90             eb d8
//	0f 1f 44 00 00    e9 d32
func jumpLabel(x *siteMatch, s *Site, run []byte, p uint64) bool {
	size, ok := wideJumpLabel(x, s, run, p)
	return ok && size == len(run)
}

// wideJumpLabel is jumpLabel for a site whose length may differ: where the
// assembler knew how far the target is, it is shorter.
func wideJumpLabel(x *siteMatch, s *Site, run []byte, p uint64) (int, bool) {
	pre := x.a.Bytes[s.Off:s.End()]
	if !rewrite.IsLabel(pre) {
		return 0, false // something else, that a table only claims to be one
	}
	switch {
	case amd64.IsNop5(run):
		return 5, true
	case len(run) >= 2 && run[0] == 0x66 && run[1] == 0x90:
		return 2, true
	}
	n := 0
	to := uint64(0)
	switch {
	case len(run) >= 5 && run[0] == 0xe9:
		n, to = 5, rewrite.Target(run, p, 5)
	case len(run) >= 2 && run[0] == 0xeb:
		n, to = 2, p+2+uint64(int64(int8(run[1])))
	default:
		return 0, false
	}
	switch g := x.m.Pre.Atom(s.aux); {
	case s.aux == x.a.ID:
		x.effects = append(x.effects, effect{kind: effectBranch, p: p, to: s.auxOff, place: to})
	case g != nil && g.Kind == object.Func:
		x.effects = append(x.effects, effect{kind: effectBind, key: Key{InAtom, int32(s.aux), s.auxOff}, place: to})
	default:
		return 0, false
	}
	return n, true
}

// staticCall: a call of some function, of none, or of one that becomes an instruction.
//
//	e8 d32, e9 d32    call func, jmp func
//	0f 8x d32         jcc func (clang)
//	0f 1f 44 00 00    no function
//	2e 2e 2e 31 c0    cs cs cs xor %eax,%eax, and the like
//	c3 cc cc cc cc    no function, at the end; or a jump to the return thunk
func staticCall(x *siteMatch, s *Site, run []byte, p uint64) bool {
	pre := x.a.Bytes[s.Off:s.End()]
	switch n := len(run); {
	case n == 6 && pre[0] == 0x0f:
		return run[0] == 0x0f && run[1] == pre[1] && x.exec(rewrite.Target(run, p, 6))
	case n != 5:
		return false
	case run[0] == pre[0] && (pre[0] == 0xe8 || pre[0] == 0xe9):
		return x.exec(rewrite.Target(run, p, 5))
	case pre[0] == 0xe8:
		return amd64.IsNop5(run) || rewrite.IsStaticInsn("", run)
	case pre[0] == 0xe9:
		return string(run) == rewrite.Ret5
	}
	return false
}

// ownTrampoline finds the jump of a static call's trampoline. It ends with an
// instruction by which it can be told (arch/x86/include/asm/static_call.h):
//
//	e9 d32            jmp func
//	0f b9 cc          ud1 %esp,%ecx
func ownTrampoline(f *siteFinder, row *siteRow, a *object.Atom) {
	if strings.HasPrefix(a.Name, kerneltab.StaticCallTrampoline) && a.Size == 8 && len(a.Bytes) == 8 && string(a.Bytes[5:]) == "\x0f\xb9\xcc" {
		f.add(Site{Atom: a.ID, Size: 5, Row: row, aux: object.NoAtom})
	}
}

// trampoline: a jump to any function, or a return.
//
//	e9 d32            jmp func, jmp thunk
//	c3 cc cc cc cc    ret
//	2e 2e 2e 31 c0    of older versions: followed by a ret
func trampoline(x *siteMatch, _ *Site, run []byte, p uint64) bool {
	return string(run) == rewrite.Ret5 || run[0] == 0xe9 && x.exec(rewrite.Target(run, p, 5))
}

// runtimePointer: some value, the same at all sites.
func runtimePointer(x *siteMatch, s *Site, run []byte, _ uint64) bool {
	x.effects = append(x.effects, effect{kind: effectBind, key: Key{Space: inRuntime, ID: int32(s.aux)}, place: binary.LittleEndian.Uint64(run)})
	return true
}

// runtimeShift: some count of bits, the same at all sites.
func runtimeShift(x *siteMatch, s *Site, run []byte, _ uint64) bool {
	x.effects = append(x.effects, effect{kind: effectBind, key: Key{Space: inRuntime, ID: int32(s.aux)}, place: uint64(run[0])})
	return run[0] < 64
}

// runtimeMask: the low bits of some number of them, or what the file has, the same at all sites.
func runtimeMask(x *siteMatch, s *Site, run []byte, _ uint64) bool {
	mask := binary.LittleEndian.Uint32(run)
	x.effects = append(x.effects, effect{kind: effectBind, key: Key{Space: inRuntime, ID: int32(s.aux)}, place: uint64(mask)})
	return mask&(mask+1) == 0 || bytes.Equal(run, x.a.Bytes[s.Off:s.End()])
}

// kcfiCheck is the length of the check in front of an indirect call:
//
//	41 ba i32         mov $-hash,%r10d
//	45 03 53 f1       add -0xf(%r11),%r10d
//	74 02             je 1f
//	0f 0b             ud2; 1:
const kcfiCheck = 14

// cfiCheck: another hash, a jump over it, or the caller's part of FineIBT.
//
//	eb 0c ...                                  jmp over the rest
//	41 ba i32 49 83 eb 10 0f 1f 40 00          mov $hash,%r10d; sub $16,%r11; nop4
func cfiCheck(x *siteMatch, s *Site, run []byte, _ uint64) bool {
	pre := x.a.Bytes[s.Off:s.End()]
	if len(run) != kcfiCheck || string(pre[:2]) != "\x41\xba" || string(pre[6:]) != "\x45\x03\x53\xf1\x74\x02\x0f\x0b" {
		return false
	}
	switch {
	case run[0] == 0xeb && run[1] == 0x0c:
		return bytes.Equal(run[6:], pre[6:])
	case run[0] != 0x41 || run[1] != 0xba:
		return false
	}
	return bytes.Equal(run[6:], pre[6:]) || string(run[6:]) == "\x49\x83\xeb\x10\x0f\x1f\x40\x00"
}

// cfiPrefix: another hash, or FineIBT's check.
//
//	b8 i32 90 x 11                                  mov $hash,%eax
//	90 x 11 b8 i32                                  with padding in front
//	f3 0f 1e fa 41 81 ea i32 74 02 0f 0b 90         endbr64; sub $hash,%r10d; je; ud2
func cfiPrefix(x *siteMatch, s *Site, run []byte, _ uint64) bool {
	pre := x.a.Bytes[s.Off:s.End()]
	if len(run) != 16 || len(pre) != 16 {
		return false
	}
	i := bytes.IndexByte(pre, 0xb8)
	if i < 0 || i > 11 {
		return false
	}
	if run[i] == 0xb8 && bytes.Equal(run[:i], pre[:i]) && bytes.Equal(run[i+5:], pre[i+5:]) {
		return true
	}
	return string(run[:7]) == "\xf3\x0f\x1e\xfa\x41\x81\xea" && run[11] == 0x74 && (run[12] == 0x02 || run[12] == 0x03) && run[13] == 0x0f && run[14] == 0x0b && run[15] == 0x90
}
