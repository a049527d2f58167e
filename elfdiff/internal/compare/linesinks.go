package compare

import (
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/debug"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/internal/tables"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// lineSinks are functions that take a line number, with the numbers of the arguments
// that it may be, from 0: they differ between versions. They are asked where no
// name of a file or function goes with the line, and where neither object has debug
// information and no bug table says it.
var lineSinks = map[string][]int{
	"__assert_fail": {2}, // glibc assert.h: expression, file, line, function
	"__assert":      {2}, // expression, file, line
	"__assert_rtn":  {2}, // function, file, line, expression

	"__might_sleep":          {1}, // Linux kernel/sched/core.c: file, line
	"__might_resched":        {1},
	"__might_fault":          {1},
	"__cant_sleep":           {1},
	"__cant_migrate":         {1},
	"__warn":                 {1}, // kernel/panic.c: file, line
	"warn_slowpath_fmt":      {1},
	"lockdep_rcu_suspicious": {1}, // kernel/locking/lockdep.c: file, line
	"__invalid_creds":        {2}, // kernel/cred.c: credentials, file, line

	// fs/ext4 and fs/jbd2 of Linux 6.1 and 6.12
	"__ext4_journal_get_write_access":  {1},
	"__ext4_journal_get_create_access": {1},
	"__ext4_forget":                    {1},
	"__ext4_handle_dirty_metadata":     {1},
	"__ext4_journal_stop":              {1},
	"__ext4_journal_start":             {1},
	"__ext4_journal_start_sb":          {1, 2},
	"__ext4_journal_start_reserved":    {1},
	"__ext4_ext_dirty":                 {1},
	"__ext4_ext_check":                 {1},
	"__read_extent_tree_block":         {1},
	"__ext4_grp_locked_error":          {1},
	"__ext4_check_dir_entry":           {1},
	"ext4_journal_abort_handle":        {1},
	"ext4_check_blockref":              {1},
	"__check_block_validity":           {2},
	"__ext4_error":                     {2},
	"__ext4_error_inode":               {2},
	"__ext4_error_file":                {2},
	"__ext4_std_error":                 {2},
	"__ext4_abort":                     {2},
	"__ext4_warning":                   {2},
	"__ext4_warning_inode":             {2},
	"__warn_no_space_for_csum":         {2},
	"__ext4_mark_inode_dirty":          {3},
	"__ext4_xattr_check_block":         {3},
	"check_igot_inode":                 {3},
	"__ext4_iget":                      {4},
	"__ext4_read_dirblock":             {4},
	"__xattr_check_inode":              {4},
	"ext4_handle_error":                {6},
	"check_xattrs":                     {6},
	"__ext4_new_inode":                 {9},
	"jbd2_journal_start_reserved":      {2},
	"jbd2__journal_start":              {6},

	// fs/btrfs/messages.h of Linux 6.12, ctree.h of 6.1: file system or transaction,
	// function, line
	"__btrfs_handle_fs_error":   {2},
	"__btrfs_abort_transaction": {2},
	"__btrfs_panic":             {2},
	"assertfail":                {2},

	// drivers/acpi/acpica: name of the module, line
	"acpi_error":                         {1},
	"acpi_exception":                     {1},
	"acpi_warning":                       {1},
	"acpi_info":                          {1},
	"acpi_bios_error":                    {1},
	"acpi_bios_exception":                {1},
	"acpi_bios_warning":                  {1},
	"acpi_ut_create_internal_object_dbg": {1},
	"acpi_ut_allocate_object_desc_dbg":   {1},
	"acpi_ut_method_error":               {1},
	"acpi_ut_namespace_error":            {1},
	"acpi_ut_prefixed_namespace_error":   {1},
	"acpi_ut_predefined_warning":         {1},
	"acpi_ut_predefined_info":            {1},
	"acpi_ut_predefined_bios_error":      {1},
}

// isLineSink reports whether a function is known to take a line in a register, or on
// the stack.
func isLineSink(name string, reg byte) bool {
	return slices.ContainsFunc(lineSinks[name], func(n int) bool {
		if n < len(insn.ArgumentRegisters) {
			return insn.ArgumentRegisters[n] == reg
		}
		return reg == insn.OnStack
	})
}

// lineArgument accepts a claim when the instruction loads the line argument of
// the next call, and that call goes to a known function.
func (w *walk) lineArgument(cl *claim) (string, bool) {
	k, _, ok := insn.CallAfter(w.pre.Object, w.pre.Atom, cl.at.pre, false)
	if !ok || len(k.Refs) != 1 || cl.text {
		return "", false
	}
	load := insn.Cursor{Object: w.pre.Object, Atom: w.pre.Atom, Off: cl.at.pre}
	if _, err := load.Load(); err != nil {
		return "", false
	}
	name := insn.RefText(k.Object, &k.Refs[0])
	reg, _ := insn.ArgumentOf(&load) // CallAfter has seen that it is one
	return "the line argument of " + name, isLineSink(name, reg)
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
		p, ok1 := debug.LineTable(w.c.Pre).At(debug.Addr(w.pre.Atom, at.pre))
		q, ok2 := debug.LineTable(w.c.Post).At(debug.Addr(w.post.Atom, at.post))
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
	p, at, ok1 := bugAfter(w.pre.Object, w.pre.Atom, cl.at.pre, cl.text)
	q, _, ok2 := bugAfter(w.post.Object, w.post.Atom, cl.at.post, cl.text)
	if !ok1 || !ok2 || !cl.are(int(p), int(q)) {
		return "", false
	}
	return fmt.Sprintf("the bug tables say that +%#x is at line %d, and at line %d", at, p, q), true
}

// bugAfter returns the line that the bug table gives for the instruction behind the
// call that the one at off loads an argument of.
func bugAfter(o *object.Object, a *object.Atom, off uint64, text bool) (line uint16, at uint64, ok bool) {
	k, _, ok := insn.CallAfter(o, a, off, text)
	if !ok || k.Inst.Class != amd64.Call {
		return 0, 0, false
	}
	k.Advance()
	for _, e := range tables.OfRow(tables.Of(o).Of(a.ID), kerneltab.Named(kerneltab.BugTable)) {
		if line, ok := tables.LineOf(&e); ok && e.Site().TargetOff == int64(k.Off) {
			return line, k.Off, true
		}
	}
	return 0, 0, false
}
