package keyed

import (
	"errors"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// The bits of a key's field beside its address (include/linux/jump_label.h).
const (
	bitBranch = 1 // the branch is taken while the key is off
	bits      = 3
)

// Errors say why branches stay what they are.
var (
	errEntry  = errors.New("the entry has not the form of one")
	errSite   = errors.New("it is no branch as compilers make them")
	errDecode = errors.New("the code around it does not decode")
	errLed    = errors.New("nothing tells where what leads into its code leads to")
	errInside = errors.New("something leads into an instruction")
	errLonger = errors.New("an instruction would have to be longer that can't be")
)

// A Place is a place in an object.
type Place struct {
	Section elfobj.SectionIndex
	Offset  uint64 // bytes
}

// Marks are places in code that no relocation tells of.
type Marks struct {
	Whole  []Place // bytes that the loader may replace: their number stays
	Fields []Place // of instructions; they follow these
}

// A branch is one, as its entry tells.
type branch struct {
	entry  uint64 // its offset in the table
	at     Place
	target elfobj.Rela
	key    elfobj.Rela
}

// Branches has the branches of some entries of a table, by their offsets, ask for their keys. It
// returns why those stay that can't. The entries themselves stay, and are for the caller to remove.
func Branches(spec *elfobj.Spec, table elfobj.SectionIndex, entries []uint64, marks *Marks) map[uint64]error {
	w := newRewriter(spec, marks)
	failed := map[uint64]error{}
	in := map[elfobj.SectionIndex][]branch{}
	var order []elfobj.SectionIndex
	byEntry := w.byEntry(table)
	for _, entry := range entries {
		b, ok := byEntry[entry]
		if !ok || b.at.Section == elfobj.SecUndef || int(b.at.Section) >= len(spec.Sections) {
			failed[entry] = errEntry
			continue
		}
		if in[b.at.Section] == nil {
			order = append(order, b.at.Section)
		}
		in[b.at.Section] = append(in[b.at.Section], *b)
	}
	for _, sec := range order {
		if err := w.rewrite(sec, in[sec]); err != nil {
			for _, b := range in[sec] {
				failed[b.entry] = err
			}
		}
	}
	return failed
}

// byEntry reads the entries of a table that are whole.
func (w *rewriter) byEntry(table elfobj.SectionIndex) map[uint64]*branch {
	layout := kerneltab.Named(kerneltab.JumpTable).Usual()
	all, found := map[uint64]*branch{}, map[uint64]int{}
	for _, r := range w.relas(table) {
		entry := r.Offset / layout.Size * layout.Size
		b := all[entry]
		if b == nil {
			b = &branch{entry: entry}
			all[entry] = b
		}
		switch r.Offset - entry {
		case layout.Fields[kerneltab.At].Offset:
			b.at = w.leads(&r)
		case layout.Fields[kerneltab.Target].Offset:
			b.target = r
		case layout.Fields[kerneltab.Key].Offset:
			b.key = r
		default:
			continue
		}
		found[entry]++
	}
	for entry, n := range found {
		if n != 3 {
			delete(all, entry)
		}
	}
	return all
}

// rewrite does those of one section. It looks at all that can fail before it changes anything.
func (w *rewriter) rewrite(sec elfobj.SectionIndex, list []branch) error {
	c, err := w.decode(sec, list)
	if err != nil {
		return err
	}
	if err := c.place(); err != nil {
		return err
	}
	refs, err := w.references(c)
	if err != nil {
		return err
	}
	code, relas := c.write()
	refs.relas[sec] = append(refs.kept, relas...)
	w.apply(c, code, refs)
	return nil
}
