package elfdiff

import (
	"encoding/binary"
	"fmt"

	"github.com/gosplice/gosplice/internal/amd64"
)

// Register numbers as they stand in the opcode of mov $imm32,%r32, with the bit of
// a REX prefix.
const (
	opMovImm32 = 0xb8
	regCX      = 1
	regDX      = 2
	regSI      = 6
	reg8       = 8
)

// lineSinks are functions that take a line number, and the register that it is
// passed in (psABI section 3.2.3): the second argument in SI, the third in DX, the
// fourth in CX, the fifth in R8. They are asked only where neither object has debug
// information, and no bug table says the line.
var lineSinks = map[string]byte{
	"__assert_fail": regDX, // glibc assert.h: expression, file, line, function
	"__assert":      regDX, // expression, file, line
	"__assert_rtn":  regDX, // function, file, line, expression

	"__might_sleep":          regSI, // Linux kernel/sched/core.c: file, line
	"__might_resched":        regSI,
	"__might_fault":          regSI,
	"__cant_sleep":           regSI,
	"__cant_migrate":         regSI,
	"__warn":                 regSI, // kernel/panic.c: file, line
	"warn_slowpath_fmt":      regSI,
	"lockdep_rcu_suspicious": regSI, // kernel/locking/lockdep.c: file, line

	// fs/ext4/ext4.h, ext4_jbd2.h, xattr.c and extents.c of Linux 6.1 and 6.12
	"__ext4_journal_get_write_access":  regSI,
	"__ext4_journal_get_create_access": regSI,
	"__ext4_forget":                    regSI,
	"__ext4_handle_dirty_metadata":     regSI,
	"__ext4_journal_stop":              regSI,
	"__ext4_journal_start_sb":          regSI,
	"__ext4_journal_start_reserved":    regSI,
	"__ext4_ext_dirty":                 regSI,
	"__ext4_ext_check":                 regSI,
	"__read_extent_tree_block":         regSI,
	"__ext4_grp_locked_error":          regSI,
	"__ext4_error":                     regDX,
	"__ext4_error_inode":               regDX,
	"__ext4_error_file":                regDX,
	"__ext4_std_error":                 regDX,
	"__ext4_abort":                     regDX,
	"__ext4_warning":                   regDX,
	"__ext4_warning_inode":             regDX,
	"__ext4_mark_inode_dirty":          regCX,
	"__ext4_xattr_check_block":         regCX,
	"__ext4_iget":                      reg8,

	// fs/btrfs/messages.h of Linux 6.12, ctree.h of 6.1: file system or transaction,
	// function, line
	"__btrfs_handle_fs_error":   regDX,
	"__btrfs_abort_transaction": regDX,
	"__btrfs_panic":             regDX,
}

// lineArgument accepts a claim when the instruction loads the line argument of
// the next call, and that call goes to a known function.
func (w *walk) lineArgument(cl *claim) (string, bool) {
	k, _, ok := callAfter(w.pre.o, w.pre.a, cl.at.pre, false)
	if !ok || len(k.refs) != 1 || cl.text {
		return "", false
	}
	load := cursor{o: k.o, a: k.a, off: cl.at.pre}
	if _, err := load.load(); err != nil {
		return "", false
	}
	name := k.o.refText(&k.refs[0])
	sink, known := lineSinks[name]
	return "the line argument of " + name, known && sink == loaded(&load)
}

// loaded returns the register that mov $imm32,%r32 loads.
func loaded(k *cursor) byte {
	b := k.bytes()
	reg := b[k.in.OpOff] & 7
	if at := int(k.in.OpOff) - 1; at >= 0 && b[at]&0xf1 == 0x41 { // REX.B
		reg |= 8
	}
	return reg
}

// maxMacro bounds the lines that the use of a macro is spread over.
const maxMacro = 16

// lineOfMacro decides where a macro is used on several lines, of which clang takes
// __LINE__ for the last and the line table has the first. The bug tables have to say
// it, or a known function takes it and it is as far from the line of the call in
// both.
func (w *walk) lineOfMacro(cl *claim, places []step) (string, bool) {
	if proof, ok := w.lineOfBug(cl); ok {
		return proof, true
	}
	proof, ok := w.lineArgument(cl)
	if !ok {
		return "", false
	}
	for _, at := range places {
		p, ok1 := w.c.pre.lines().At(addr(w.pre.a, at.pre))
		q, ok2 := w.c.post.lines().At(addr(w.post.a, at.post))
		if !ok1 || !ok2 || p.Base() != q.Base() {
			continue
		}
		n := int64(cl.pre) - int64(p.Line)
		if n > 0 && n < maxMacro && int64(cl.post)-int64(q.Line) == n {
			return fmt.Sprintf("%s, %d lines behind its first", proof, n), true
		}
	}
	return "", false
}

// lineOfBug accepts a claim when the call that the instruction loads an argument of
// is that of a warning: what follows it is an instruction that traps, for which the
// bug tables of both objects give these very lines.
func (w *walk) lineOfBug(cl *claim) (string, bool) {
	p, at, ok1 := bugAfter(w.pre.o, w.pre.a, cl.at.pre, cl.text)
	q, _, ok2 := bugAfter(w.post.o, w.post.a, cl.at.post, cl.text)
	if !ok1 || !ok2 || !cl.are(int(p), int(q)) {
		return "", false
	}
	return fmt.Sprintf("the bug tables say that +%#x is at line %d, and at line %d", at, p, q), true
}

// bugAfter returns the line that the bug table gives for the instruction behind the
// call that the one at off loads an argument of.
func bugAfter(o *Object, a *Atom, off uint64, text bool) (line uint16, at uint64, ok bool) {
	k, _, ok := callAfter(o, a, off, text)
	if !ok || k.in.Class != amd64.Call {
		return 0, 0, false
	}
	k.advance()
	for _, e := range entriesOf(o.indexEntries().of(a.ID), entryRuleOf(bugTable)) {
		if s := e.site(); s.TargetOff == int64(k.off) && len(e.bytes) >= bugLineEnd {
			return binary.LittleEndian.Uint16(e.bytes[bugLine:]), k.off, true
		}
	}
	return 0, 0, false
}
