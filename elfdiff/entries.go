package elfdiff

import (
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
)

// entryRule is one row of the table of sections whose entries travel one by
// one: each describes one place in the code, and belongs to the function that
// it lies in. Layouts are those of Linux 6.1 and 6.12 on x86-64; what reads
// them is the kernel's module loader.
type entryRule struct {
	section string
	// sizes are those that an entry can have, in bytes. The first that fits
	// the relocations of a table is taken.
	sizes []uint64
	// owner is the offset in the entry of the reference to the place.
	owner uint64
	// text names the section that holds code which an entry brings along. Its
	// field is at textAt, and the length of the code in the last byte of the
	// entry.
	text   string
	textAt uint64
	// rows names a section that holds one row for each entry, rowSize bytes.
	rows    string
	rowSize uint64
	// why says what becomes of code whose entries were left behind.
	why string
}

const altReplacement = ".altinstr_replacement"

var entryRules = []entryRule{
	// kernel/trace/ftrace.c: addresses of calls of __fentry__
	{section: "__mcount_loc", sizes: []uint64{8}, why: "it could not be traced, nor patched again"},
	// struct alt_instr in arch/x86/include/asm/alternative.h: site, replacement, feature, lengths
	{section: ".altinstructions", sizes: []uint64{12, 14}, text: altReplacement, textAt: 4, why: "it would run the instructions of the oldest processors"},
	// struct paravirt_patch_site in arch/x86/include/asm/paravirt_types.h of Linux 6.1
	{section: ".parainstructions", sizes: []uint64{16}, why: "its indirect calls would stay"},
	// arch/x86/include/asm/alternative.h: LOCK_PREFIX
	{section: ".smp_locks", sizes: []uint64{4}, why: "lock prefixes would stay on one processor"},
	// tools/objtool/check.c writes these four: self-relative addresses
	{section: ".retpoline_sites", sizes: []uint64{4}, why: "its indirect branches would go through thunks"},
	{section: ".return_sites", sizes: []uint64{4}, why: "its returns would go through a thunk that is not for it"},
	{section: ".call_sites", sizes: []uint64{4}, why: "its calls would not be counted"},
	{section: ".static_call_sites", sizes: []uint64{8}, why: "its static calls would go through trampolines"},
	// struct jump_entry in include/linux/jump_label.h: site, target, key
	{section: object.JumpTable, sizes: []uint64{16}, why: "its static branches would never change"},
	// struct bug_entry in include/asm-generic/bug.h
	{section: "__bug_table", sizes: []uint64{12}, why: "a warning would be fatal"},
	// struct exception_table_entry in arch/x86/include/asm/extable.h
	{section: "__ex_table", sizes: []uint64{12}, why: "a fault in user memory would be fatal"},
	// struct orc_entry in arch/x86/include/asm/orc_types.h: addresses apart from their rows
	{section: orcAddresses, sizes: []uint64{4}, rows: orcRows, rowSize: orcRow, why: "stacks with it could not be unwound"},
}

const (
	orcRows      = ".orc_unwind"
	orcAddresses = ".orc_unwind_ip"
	orcRow       = 6 // sizeof(struct orc_entry)
)

// entryRuleOf returns the row for a section, or nil.
func entryRuleOf(section string) *entryRule {
	for i := range entryRules {
		if entryRules[i].section == section {
			return &entryRules[i]
		}
	}
	return nil
}

// An entry is one entry of a table that describes code.
type entry struct {
	table *object.Atom
	rule  *entryRule
	off   uint64 // from the start of the table, bytes
	bytes []byte
	refs  []object.Ref // offsets are from the start of the table
	owner int          // index in refs of the reference to the place
}

// site returns the reference to the place that the entry describes.
func (e *entry) site() *object.Ref { return &e.refs[e.owner] }

// textOf returns where in the section of replacements the code of an entry is.
// ok is false when it has none, or lies out of bounds.
func textOf(o *object.Object, e *entry, r *object.Ref) (t *object.Atom, lo, hi uint64, ok bool) {
	if e.rule.text == "" || r.Offset != e.off+e.rule.textAt || r.Target == object.NoAtom {
		return nil, 0, 0, false
	}
	t = &o.Atoms[r.Target]
	n := uint64(e.bytes[len(e.bytes)-1])
	if o.SectionName(t.Section) != e.rule.text || r.TargetOff < 0 || uint64(r.TargetOff) > t.Size || n > t.Size-uint64(r.TargetOff) {
		return nil, 0, 0, false
	}
	return t, uint64(r.TargetOff), uint64(r.TargetOff) + n, true
}

// entriesIn cuts a table into entries. ok is false when its relocations do not
// fit any size that entries can have.
func entriesIn(o *object.Object, a *object.Atom, rule *entryRule) (list []entry, ok bool) {
	size, ok := entrySize(a, rule)
	if !ok {
		return nil, false
	}
	list = make([]entry, 0, a.Size/size)
	cutTable(a, rule, size, func(e entry) { list = append(list, e) })
	return list, true
}

// entrySize returns the first size of the rule's that fits a table: each entry
// has a reference to a place. When none does, the relocations may show another.
func entrySize(a *object.Atom, rule *entryRule) (size uint64, ok bool) {
	for _, size := range rule.sizes {
		if uint64(len(a.Bytes)) != a.Size || a.Size%size != 0 {
			continue
		}
		n := uint64(0)
		cutTable(a, rule, size, func(entry) { n++ })
		if n == a.Size/size {
			return size, true
		}
	}
	return inferSize(a, rule)
}

// maxEntry bounds the size of an entry that is inferred, in bytes.
const maxEntry = 256

// inferSize finds the size of entries by the relocations: the smallest distance
// after which those of a table repeat, from its first entry to its last.
func inferSize(a *object.Atom, rule *entryRule) (uint64, bool) {
	if len(a.Refs) == 0 || uint64(len(a.Bytes)) != a.Size {
		return 0, false
	}
	for n := 1; n < len(a.Refs); n++ {
		size := a.Refs[n].Offset - a.Refs[0].Offset
		if size == 0 || size > maxEntry {
			return 0, false
		}
		if a.Size%size == 0 && repeats(a, n, size) {
			return size, rule.rows == "" && slices.ContainsFunc(a.Refs[:n], func(r object.Ref) bool { return r.Offset == rule.owner })
		}
	}
	return 0, false
}

// repeats reports whether each n relocations are like the n before, size bytes
// on.
func repeats(a *object.Atom, n int, size uint64) bool {
	if len(a.Refs)%n != 0 || uint64(len(a.Refs)/n) != a.Size/size {
		return false
	}
	for i := n; i < len(a.Refs); i++ {
		if x, y := &a.Refs[i-n], &a.Refs[i]; y.Offset-x.Offset != size || y.Type != x.Type {
			return false
		}
	}
	return true
}

// cutTable yields the entries of a table, up to one without a reference to a
// place.
func cutTable(a *object.Atom, rule *entryRule, size uint64, yield func(entry)) {
	next := 0
	for off := uint64(0); off < a.Size; off += size {
		first := next
		owner := -1
		for ; next < len(a.Refs) && a.Refs[next].Offset < off+size; next++ {
			if a.Refs[next].Offset == off+rule.owner {
				owner = next - first
			}
		}
		if owner < 0 {
			return
		}
		yield(entry{table: a, rule: rule, off: off, bytes: a.Bytes[off : off+size], refs: a.Refs[first:next], owner: owner})
	}
}

// entryIndex holds the entries of all tables by the functions that they belong
// to.
type entryIndex struct {
	entries []entry // by owner, then by table and offset
	first   []int32 // by atom and one more: its first entry
	orc     []orcSource
	damaged []*object.Atom // tables that no rule fits
}

// of returns the entries about a function, those of one table together.
func (x *entryIndex) of(id object.AtomID) []entry { return x.entries[x.first[id]:x.first[id+1]] }

// indexEntries reads the tables of an object when it is called first.
func indexEntries(o *object.Object) *entryIndex {
	return object.Memo(o, func(o *object.Object) *entryIndex { return readEntries(o) })
}

// ruledTable is a table whose entries have a known size.
type ruledTable struct {
	atom *object.Atom
	rule *entryRule
	size uint64
}

// sortByRule brings the tables of one name together, in the order in which the
// names are met: there may be one for each group of sections.
func sortByRule(tables []ruledTable) {
	var met []*entryRule
	for _, t := range tables {
		if !slices.Contains(met, t.rule) {
			met = append(met, t.rule)
		}
	}
	slices.SortStableFunc(tables, func(a, b ruledTable) int {
		return cmp.Compare(slices.Index(met, a.rule), slices.Index(met, b.rule))
	})
}

// readEntries counts the entries of each owner, and then puts them in place.
func readEntries(o *object.Object) *entryIndex {
	x := &entryIndex{first: make([]int32, len(o.Atoms)+1)}
	var tables []ruledTable
	for i := range o.Atoms {
		a := &o.Atoms[i]
		if a.Kind != object.Special {
			continue
		}
		rule := entryRuleOf(o.SectionName(a.Section))
		if rule == nil {
			continue
		}
		size, ok := entrySize(a, rule)
		switch {
		case !ok || rule.rows != "" && !addOrc(o, x, a, rule, size):
			x.damaged = append(x.damaged, a)
		case rule.rows == "":
			tables = append(tables, ruledTable{a, rule, size})
		}
	}
	sortByRule(tables)
	owned := func(do func(e *entry, owner object.AtomID)) {
		for _, t := range tables {
			cutTable(t.atom, t.rule, t.size, func(e entry) {
				if id := e.site().Target; id != object.NoAtom {
					do(&e, id)
				}
			})
		}
	}
	owned(func(_ *entry, id object.AtomID) { x.first[id+1]++ })
	for i := 1; i < len(x.first); i++ {
		x.first[i] += x.first[i-1]
	}
	x.entries = make([]entry, x.first[len(o.Atoms)])
	next := slices.Clone(x.first)
	owned(func(e *entry, id object.AtomID) {
		x.entries[next[id]] = *e
		next[id]++
	})
	return x
}
