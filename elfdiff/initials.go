package elfdiff

import (
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/internal/extraction"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/internal/members"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// initialise notes a variable whose members can be set, and includes what their new
// values refer to. Otherwise it says why they can't.
func (in *includer) initialise(ch *verdict.Change) {
	a, b := &in.Pre.Atoms[ch.Pre], &in.Post.Atoms[ch.Post]
	if a.Kind != object.Data || b.Kind != object.Data || a.Size != b.Size || ch.Reasons[0].Code == verdict.ReasonKind {
		return
	}
	members, why := in.initialMembers(ch, a, b)
	if why != "" {
		in.unset[ch.Post] = why
		return
	}
	in.carried.Initials = append(in.carried.Initials, extraction.Initial{Pre: a.ID, Post: b.ID, Members: members})
	in.isSet[ch.Post] = true
	in.report(findingAt(in.Post, CodeInitials, b.ID, ch.Reasons[0].PostOffset, "%s", in.initialText(ch)))
	for i := range b.Refs {
		if extraction.Covered(members, &b.Refs[i]) {
			in.reference(b, &b.Refs[i])
		}
	}
}

// initialText lists the members with both values.
func (in *includer) initialText(ch *verdict.Change) string {
	const shown = 4
	list := in.DataMembers(ch)
	var parts []string
	for i := range list[:min(len(list), shown)] {
		text := list[i].String()
		if list[i].Name == "" && list[i].Offset == 0 { // the variable itself
			_, text, _ = strings.Cut(text, ": ")
		}
		parts = append(parts, text)
	}
	if n := len(list) - shown; n > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(parts, "; ")
}

// initialMembers lists the words of a variable that differ, or says why they can't be
// set one by one.
func (in *includer) initialMembers(ch *verdict.Change, a, b *object.Atom) (list []extract.InitialMember, why string) {
	if strings.HasPrefix(in.Post.SectionName(b.Section), kerneltab.PerCPU) {
		return nil, "each processor has its own"
	}
	if isKey(in.Pre, a) || isKey(in.Post, b) {
		return nil, "code that asks for it is rewritten when it is switched"
	}
	differ := in.DataMembers(ch)
	if len(differ) >= maxDataMembers {
		return nil, fmt.Sprintf("more than %d members differ", maxDataMembers-1)
	}
	align := min(alignOf(in.Pre, a), alignOf(in.Post, b), maxWord)
	for i := range differ {
		w, ok := wordOf(a.Size, &differ[i], align)
		if at, _ := members.At(in.Post, ch.Post, differ[i].Offset*8); at.Letter {
			return nil, fmt.Sprintf("%s is a part of a text", ch.Name+differ[i].Name)
		}
		if !ok {
			return nil, fmt.Sprintf("%s is no aligned word", ch.Name+differ[i].Name)
		}
		if w.Name = ch.Name + differ[i].Name; differ[i].Name == "" && w.Size != a.Size {
			if w.Name = insn.PlaceText(ch.Name, int64(w.Offset)); in.adjoins(list, &w, b) {
				return nil, fmt.Sprintf("without debug information, what belongs together at %s is not known", w.Name)
			}
		}
		list = joined(list, w)
	}
	return list, in.halves(list, a, b)
}

// isKey reports whether a variable is the key of static branches: one that they name, or a static_key of
// include/linux/jump_label.h, Linux 6.1, by its type.
func isKey(o *object.Object, a *object.Atom) bool {
	for _, u := range o.Users(a.ID) {
		if o.SectionName(o.Atoms[u].Section) == kerneltab.JumpTable {
			return true
		}
	}
	var t dtypes.Resolved
	s, typ := dtypes.OfVariable(o, a)
	return typ != 0 && s.Resolve(&t, typ) && strings.HasPrefix(dtypes.TagText(&t.Entry), "struct static_key")
}

// adjoins reports whether a word of which nothing is known goes on where the one
// before it ends, without an address in it that sets it apart.
func (in *includer) adjoins(list []extract.InitialMember, w *extract.InitialMember, b *object.Atom) bool {
	n := len(list)
	return n > 0 && list[n-1].Offset+list[n-1].Size == w.Offset && len(b.RefsIn(w.Offset, w.Offset+w.Size)) == 0
}

// joined appends a word. Aligned words that overlap are one in the other: several
// bit-fields are in one.
func joined(list []extract.InitialMember, w extract.InitialMember) []extract.InitialMember {
	for len(list) > 0 {
		last := &list[len(list)-1]
		if w.Offset >= last.Offset+last.Size {
			break
		}
		if w.Name != last.Name {
			w.Name = last.Name + ", " + w.Name
		}
		if last.Size >= w.Size {
			last.Name = w.Name
			return list
		}
		list = list[:len(list)-1]
	}
	return append(list, w)
}

// halves finds a reference that is partly in a word.
func (in *includer) halves(list []extract.InitialMember, a, b *object.Atom) string {
	for _, x := range []*object.Atom{a, b} {
		for i := range x.Refs {
			r := &x.Refs[i]
			for k := range list {
				lo, hi := list[k].Offset, list[k].Offset+list[k].Size
				if end := r.Offset + members.Stride(r); r.Offset < hi && end > lo && (r.Offset < lo || end > hi) {
					return fmt.Sprintf("a reference at +%#x is partly in %s", r.Offset, list[k].Name)
				}
			}
		}
	}
	return ""
}

// wordOf returns the smallest aligned word that a member is in; the largest one where
// it is not known what member that is.
func wordOf(size uint64, m *DataMember, align uint64) (w extract.InitialMember, ok bool) {
	for n := uint64(1); n <= align; n *= 2 {
		off := m.Offset &^ (n - 1)
		if off+n < m.Offset+m.Size || off+n > size {
			continue
		}
		w, ok = extract.InitialMember{Offset: off, Size: n}, true
		if m.Name != "" {
			break
		}
	}
	return w, ok
}

// alignOf returns the alignment of an atom's address that is certain, bytes.
func alignOf(o *object.Object, a *object.Atom) uint64 {
	return extraction.AlignAt(o.File.Sections[a.Section].Addralign, a.Offset)
}

// overwrite notes a constant that can be overwritten, and includes what its new
// content refers to.
func (in *includer) overwrite(ch *verdict.Change) {
	a, b := &in.Pre.Atoms[ch.Pre], &in.Post.Atoms[ch.Post]
	if a.Kind != object.Const || b.Kind != object.Const || a.Size != b.Size || a.NoBits || b.NoBits || in.copied[ch.Post] ||
		in.Pre.InCode(a) || in.Post.InCode(b) {
		return
	}
	in.carried.InPlace = append(in.carried.InPlace, extraction.Overwrite{Pre: a.ID, Post: b.ID})
	in.report(findingAt(in.Post, CodeInPlace, b.ID, ch.Reasons[0].PostOffset, "%s", ch.Reasons[0]))
	for i := range b.Refs {
		in.reference(b, &b.Refs[i])
	}
}

// isOverwritten reports whether an object of post is written over that of pre.
func (d *Diff) isOverwritten(post object.AtomID) bool {
	for _, p := range d.carried.InPlace {
		if p.Post == post {
			return true
		}
	}
	return false
}
