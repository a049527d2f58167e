package kernel

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A Fact is what a [kerneltab.Fact] is in one kernel.
type Fact struct {
	Name  string
	Value string
	// Form is the form that the table has for it; nil for none.
	Form *kerneltab.Form
	// Known are the forms that the table has.
	Known []kerneltab.Form
	Where string // what has to be added for another form, and where
}

// absent is the value of what a kernel does not have.
const absent = "none"

// Facts tells what the image has of what generations differ in. l is what [Image.Survey]
// returns, nil for a kernel that does not say how its structures are laid out. What the kernel was
// built without has no facts.
func (k *Image) Facts(l Layout) []Fact {
	var out []Fact
	for _, row := range kerneltab.EntryTables() {
		if f, ok := k.tableFact(row, l); ok {
			out = append(out, f)
		}
	}
	for _, row := range []struct {
		fact  kerneltab.Fact
		value string
	}{
		{kerneltab.ORCFact(), k.orcValue(l)},
		{kerneltab.Exports, k.exportsValue()},
		{kerneltab.Anchor, k.anchorValue()},
		{kerneltab.ModuleMemory, moduleValue(l)},
	} {
		if row.fact.Name != kerneltab.ORCFact().Name || !k.without("orc_entry") {
			out = append(out, known(&row.fact, row.value))
		}
	}
	for i := range kerneltab.Structures {
		row := &kerneltab.Structures[i]
		if k.without(row.Name) {
			continue
		}
		out = append(out, known(row, membersOf(l, row.Name)))
	}
	return out
}

func known(row *kerneltab.Fact, value string) Fact {
	return Fact{Name: row.Name, Value: value, Form: row.Form(value), Known: row.Forms, Where: row.Where}
}

// tableFact compares the entries of a table with the layouts of its row. ok is false where
// the kernel has no such table.
func (k *Image) tableFact(row *kerneltab.Section, l Layout) (f Fact, ok bool) {
	f = Fact{Name: cmp.Or(row.What, "exports") + " (" + row.Name + ")", Value: absent, Where: "a Layout in the row of " + row.Name + " in internal/kerneltab, and what reads its fields"}
	name := row.Usual().Struct
	s, typed := l[name]
	_, there := k.Bounds(row)
	if !there && !k.Has(row.Name) {
		return f, false
	}
	if typed {
		f.Value = shape(&s)
	} else {
		f.Value = "no struct " + name + " in " + k.typesIn()
	}
	for i := range row.Layouts {
		form := &row.Layouts[i]
		known := kerneltab.Form{Value: layoutShape(form), Versions: form.Versions}
		f.Known = append(f.Known, known)
		if typed && fits(form, &s) {
			f.Form = &known
		}
	}
	return f, true
}

// fits reports whether a structure is what a layout says.
func fits(form *kerneltab.Layout, s *Struct) bool {
	if form.Size != s.Size {
		return false
	}
	for i := range form.Fields {
		x := &form.Fields[i]
		if at, ok := s.Offsets[x.Member]; x.Size > 0 && x.Member != "" && (!ok || at != x.Offset) {
			return false
		}
	}
	return true
}

// shape shows a structure: its size, and its members with their offsets.
func shape(s *Struct) string { return showShape(s.Size, s.Offsets) }

// layoutShape shows a layout as shape does.
func layoutShape(form *kerneltab.Layout) string {
	members := map[string]uint64{}
	for i := range form.Fields {
		if x := &form.Fields[i]; x.Size > 0 {
			members[x.Member] = x.Offset
		}
	}
	return showShape(form.Size, members)
}

func showShape(size uint64, members map[string]uint64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d bytes", size)
	for i, name := range byOffset(members) {
		fmt.Fprintf(&b, "%s %s %d", map[bool]string{true: ":", false: ","}[i == 0], name, members[name])
	}
	return b.String()
}

func byOffset(members map[string]uint64) []string {
	return slices.SortedFunc(maps.Keys(members), func(a, b string) int {
		return cmp.Or(cmp.Compare(members[a], members[b]), strings.Compare(a, b))
	})
}

// membersOf lists the members of a structure, in order.
func membersOf(l Layout, name string) string {
	s, ok := l[name]
	if !ok {
		return absent
	}
	return strings.Join(byOffset(s.Offsets), " ")
}

// orcValue tells the form of struct orc_entry: its size, the width of its member type, and
// the digest that the build makes of the structure and of the numbers in it.
func (k *Image) orcValue(l Layout) string {
	s, ok := l["orc_entry"]
	if !ok {
		return absent
	}
	return kerneltab.ORCValue(s.Size, s.Bits["type"], k.ORCHeader())
}

// ORCHeader returns the digest of struct orc_entry and of the numbers in it that the build
// keeps in a section (scripts/orc_hash.sh); "" where it keeps none, as until Linux 6.3. In memory
// the section is in front of the addresses of the rows (ORC_UNWIND_TABLE in
// include/asm-generic/vmlinux.lds.h of Linux 6.12), and no symbol says whether it is there: what
// stands in that place is taken for one if it is a digest that is known.
func (k *Image) ORCHeader() string {
	if k.live {
		return k.headerInMemory()
	}
	for s := range k.File.SectionsNamed(kerneltab.ORCHeader) {
		if b, err := s.Data(); err == nil {
			return hex.EncodeToString(b)
		}
		return "unreadable"
	}
	return ""
}

func (k *Image) headerInMemory() string {
	rows, err := k.Symbol(startORC)
	if err != nil {
		return ""
	}
	b, err := k.Read(rows.Addr-kerneltab.ORCHeaderSize, kerneltab.ORCHeaderSize)
	if header := hex.EncodeToString(b); err == nil && kerneltab.KnowsORC(header) {
		return header
	}
	return ""
}

// exportsValue tells how the exports are listed, and whether each has a CRC.
func (k *Image) exportsValue() string {
	row, crcs := kerneltab.Named(kerneltab.KSymTab), kerneltab.Named(kerneltab.KCRCTab)
	var lists []string
	entries, sums := uint64(0), uint64(0)
	for _, suffix := range []string{"", kerneltab.GPL} {
		if span, err := k.span(row.Bounds.Start+suffix, row.Bounds.Stop+suffix); err == nil {
			lists = append(lists, row.Name+suffix)
			entries += (span[1] - span[0]) / row.Entry()
		}
		if span, err := k.span(crcs.Bounds.Start+suffix, crcs.Bounds.Stop+suffix); err == nil {
			sums += (span[1] - span[0]) / 4
		}
	}
	flags := kerneltab.Named(kerneltab.KFlagsTab)
	if _, ok := k.Bounds(flags); ok {
		lists = append(lists, flags.Name)
	}
	switch {
	case len(lists) == 0:
		return absent
	case sums == 0:
		return strings.Join(lists, ", ") + "; no CRCs"
	case sums == entries:
		return strings.Join(lists, ", ") + "; a CRC each"
	}
	return fmt.Sprintf("%s; %d CRCs for %d exports", strings.Join(lists, ", "), sums, entries)
}

// anchorValue names the export by which all of the image is reached.
func (k *Image) anchorValue() string {
	exports, err := k.Exports()
	if err != nil {
		return absent
	}
	for i := range kerneltab.Anchor.Forms {
		if name := kerneltab.Anchor.Forms[i].Value; exports[name].Addr != 0 {
			return name
		}
	}
	return absent
}

// moduleValue tells how struct module keeps the pieces of memory of a module.
func moduleValue(l Layout) string {
	var has []string
	for _, f := range kerneltab.ModuleMemory.Forms {
		if _, ok := l["module"].Offsets[f.Value]; ok {
			has = append(has, f.Value)
		}
	}
	return cmp.Or(strings.Join(has, " "), absent)
}
