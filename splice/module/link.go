package module

import (
	"debug/elf"
	"errors"
	"slices"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/internal/btfids"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// relocations are the types that the loader applies (apply_relocate_add in
// arch/x86/kernel/module.c), with the size of their fields in bytes.
var relocations = map[uint32]uint64{
	uint32(elf.R_X86_64_NONE): 0, uint32(elf.R_X86_64_64): 8, uint32(elf.R_X86_64_32): 4, uint32(elf.R_X86_64_32S): 4,
	uint32(elf.R_X86_64_PC32): 4, uint32(elf.R_X86_64_PLT32): 4, uint32(elf.R_X86_64_PC64): 8,
}

// link links what all pairs carry into the module. What one brings along, others
// can use.
func (b *builder) link(pairs []Pair) {
	b.given, b.shared = pairs, map[string]offer{}
	var all []*linker
	var names []*splice.Part
	for i := range pairs {
		if d := pairs[i].Diff; d.Changes() == 0 && len(d.Refusals) == 0 {
			continue // it only counts as given
		}
		if l := b.extract(&pairs[i]); l != nil {
			all = append(all, l)
			b.offer(l)
			names = append(names, &l.part)
		}
	}
	b.names = splice.NewNames(names)
	for _, l := range all {
		l.externals()
	}
	for _, l := range all {
		l.withoutModule()
		l.originals()
		l.sections()
		l.symbols()
		l.overruled()
	}
	b.findPins(all)
	for _, l := range all {
		b.unseen, l.tails = b.unseen || l.hasUnseen(), l.pair.Diff.TailCalled()
		l.relocations()
		l.overwrites()
		l.initials()
		l.immediates()
		for i := range l.carried.Replacements {
			l.replace(&l.carried.Replacements[i])
		}
	}
	replaced := map[string]bool{}
	for _, l := range all {
		for i := range l.carried.Replacements {
			if r := &l.carried.Replacements[i]; !l.instead[r.Pre] {
				replaced[r.Name] = true
			}
		}
	}
	for _, l := range all {
		l.tailCalled(replaced)
	}
	b.checkLent()
	b.checkUnpin()
}

// offer notes the symbols that an object of the update brings along for others:
// those that are global, and new.
func (b *builder) offer(l *linker) {
	old := map[string]bool{}
	for _, s := range l.pair.Diff.Pre.Symbols() {
		if s.IsDefined() {
			old[s.Name] = true
		}
	}
	for i := 1; i < len(l.Spec.Symbols); i++ {
		s := &l.Spec.Symbols[i]
		if !s.IsDefined() || s.Bind() == elf.STB_LOCAL {
			continue
		}
		if old[s.Name] {
			if _, twice := b.shared[s.Name]; twice {
				b.shared[s.Name] = offer{} // nothing tells which one is meant
			} else {
				b.shared[s.Name] = offer{l, ko.Dest{From: &l.Placing, Index: i}}
			}
			continue
		}
		if _, twice := b.offers[s.Name]; twice {
			b.refused.add(refuse(CodeDuplicate, s.Name, l.Object, 0, "two objects bring it along"))
		}
		b.offers[s.Name] = offer{l, ko.Dest{From: &l.Placing, Index: i}}
	}
}

// extract takes what one pair carries.
func (b *builder) extract(p *Pair) *linker {
	if !b.finished(p.Diff.Post) {
		return nil
	}
	x, err := elfdiff.Extract(p.Diff)
	if err != nil {
		var refused *elfdiff.RefusedError
		if errors.As(err, &refused) {
			for i := range refused.Refusals {
				b.refused.add(&elfdiff.RefusedError{Refusals: refused.Refusals[i : i+1]})
			}
			return nil
		}
		b.refused.add(err)
		return nil
	}
	part := splice.Part{Diff: p.Diff, Match: p.Match, Image: b.run}
	if p.Target != nil {
		part.Image = p.Target.run
	}
	return &linker{
		builder: b, Placing: ko.Placing{To: b.File, Spec: x.Spec, Object: p.Diff.Post.Name(), Padding: uint64(b.image.Padding())},
		pair: p, part: part, obj: b.objectOf(p.Target), carried: x,
	}
}

// linker links one extracted object.
type linker struct {
	*builder
	ko.Placing
	pair     *Pair
	part     splice.Part
	obj      *kobject
	carried  *extract.Extracted
	tails    []extract.TailCall // see [elfdiff.Diff.TailCalled]
	external map[elfobj.SymbolIndex]bool
	there    map[elfobj.SectionIndex]ko.Dest // sections that the running kernel has, see originals
	inner    map[object.AtomID][]uint64      // see entries; nil until it is asked for
	stores   *uses                           // of pre, see wrote; nil until they are asked for
	taken    *uses                           // likewise, see took
	early    map[elfobj.SymbolIndex]bool     // see isEarly; nil until it is asked for
	instead  map[object.AtomID]bool          // of pre: functions that others stand for, see overruled
}

// sections gives each section of the object its place.
func (l *linker) sections() {
	l.Homes = make([]ko.Home, len(l.Spec.Sections))
	for i := 1; i < len(l.Spec.Sections); i++ {
		s := &l.Spec.Sections[i]
		if !ko.Travels(s) {
			continue
		}
		if _, ok := callbackOf(s.Name); ok {
			continue // see relocations
		}
		if _, ok := l.there[elfobj.SectionIndex(i)]; ok {
			continue // the running kernel has it
		}
		data := s.Data
		if row := kerneltab.Carried(s.Name); row != nil && row.Name == kerneltab.TypeIDs {
			var errs []error
			data, errs = btfids.Fill(l.Spec, i, l.typeID)
			l.refused = append(l.refused, errs...)
		}
		if err := l.Place(i, data); err != nil {
			l.refused.add(l.noRoom(s))
		}
	}
}

// hintOwnCode is for code in a section of its own.
const hintOwnCode = "leave it in an ordinary section; where it is the trampoline of a new static call, call the function itself"

// noRoom refuses what is in a section that a module can't have.
func (l *linker) noRoom(s *elfobj.SpecSection) *splice.Refusal {
	r := refuse(CodeSection, "", s.Name, 0, "%s has something in it that would have to travel", l.Object)
	switch row := kerneltab.Of(s.Name); {
	case s.Flags&elf.SHF_EXECINSTR != 0 && row.Has(kerneltab.Unpatched):
		r.Message, r.Hint = "code in it would have to travel, and is safe nowhere else", hints[CodeNoFentry]
	case s.Flags&elf.SHF_EXECINSTR != 0:
		r.Message, r.Hint = "code in it would have to travel, and a module has no such section", hintOwnCode
	case row != nil && row.What != "":
		r.Message, r.Hint = "it has "+row.What+", which would have to travel, and a livepatch can't have them", "leave out what makes this entry"
	}
	return r
}

// typeID returns the number of a type of the running kernel.
func (l *linker) typeID(id btfids.Slot) (uint32, error) {
	types, err := l.builder.types.read()
	if err != nil {
		r := refuse(CodeTypeID, id.Name, kerneltab.TypeIDs, id.Offset, "this kernel does not say which number the %s of that name has", id.Kind)
		r.Err = err
		return 0, r
	}
	n, ok := types.ID(id.Kind, id.Name)
	if !ok {
		return 0, refuse(CodeTypeID, id.Name, kerneltab.TypeIDs, id.Offset, "this kernel's BTF has no %s of that name", id.Kind)
	}
	return n, nil
}

// externals resolves the symbols that the object does not define.
func (l *linker) externals() {
	undefined := map[string]elfobj.SymbolIndex{}
	for i, s := range l.pair.Diff.Pre.Symbols() {
		if i > 0 && !s.IsDefined() {
			undefined[s.Name] = elfobj.SymbolIndex(i)
		}
	}
	l.Syms = make([]ko.Dest, len(l.Spec.Symbols))
	l.external = map[elfobj.SymbolIndex]bool{}
	for i := range l.carried.Externals {
		e := &l.carried.Externals[i]
		t, err := l.resolve(undefined, e)
		if err != nil {
			t, err = l.unshared(e.Name, err)
		}
		if err != nil {
			l.refused.add(err)
		}
		l.external[e.Symbol], l.Syms[e.Symbol] = true, t
	}
	for _, r := range l.part.Defined() {
		l.refused.add(r)
	}
	for i := range l.carried.Alignments {
		l.aligned(undefined, &l.carried.Alignments[i])
	}
}

// symbols defines those of the object. All become local: nothing is exported.
func (l *linker) symbols() {
	for i := 1; i < len(l.Spec.Symbols); i++ {
		if !l.external[elfobj.SymbolIndex(i)] {
			l.define(i, &l.Spec.Symbols[i])
		}
	}
}

func (l *linker) define(i int, s *elfobj.Symbol) {
	if s.Section == elfobj.SecAbs {
		l.Syms[i] = l.absolute(s.Name, s.Value)
		return
	}
	if to, ok := l.there[s.Section]; ok {
		to.Addend += int64(s.Value)
		l.Syms[i] = to
		return
	}
	if s.Section == elfobj.SecUndef || int(s.Section) >= len(l.Homes) || l.Homes[s.Section].Section == nil {
		return // of a section that was refused, or is not carried
	}
	h := l.Homes[s.Section]
	if s.Type() == elf.STT_SECTION {
		l.Syms[i] = ko.Dest{Symbol: h.Section.Anchor, Addend: int64(h.Offset), Memory: h.Section.Memory()}
		return
	}
	out := *s
	out.Info = elf.ST_INFO(elf.STB_LOCAL, s.Type())
	out.Section, out.Value = h.Section.Index, h.Offset+s.Value
	l.Syms[i] = ko.Dest{Symbol: l.AddSymbol(out), Memory: h.Section.Memory()}
}

// relocations copies those of what is carried.
func (l *linker) relocations() {
	for i := range l.Spec.Sections {
		s := &l.Spec.Sections[i]
		if s.Type != elf.SHT_RELA || int(s.Info) >= len(l.Homes) {
			continue
		}
		if name, ok := callbackOf(l.Spec.Sections[s.Info].Name); ok {
			for _, r := range s.Relas {
				t := l.Syms[r.Sym].Final()
				l.callback(name, l.Spec.Sections[s.Info].Name, r.Type, ko.Dest{Symbol: t.Symbol, Addend: t.Addend + r.Addend})
			}
		}
		if l.Homes[s.Info].Section == nil {
			continue
		}
		h := l.Homes[s.Info]
		if h.Section.Flags&elf.SHF_EXECINSTR != 0 {
			l.accesses(&l.Spec.Sections[s.Info], s.Relas)
		}
		for _, r := range s.Relas {
			if _, ok := relocations[r.Type]; !ok {
				l.refused.add(refuse(CodeRelocation, "", l.Spec.Sections[s.Info].Name, r.Offset, "the module loader does not apply %v", elf.R_X86_64(r.Type)))
				continue
			}
			t := l.Syms[r.Sym].Final()
			if own, ok := l.copyFor(h.Section, &r); ok {
				t = own
			}
			l.pointers(&l.Spec.Sections[s.Info], &r, t)
			if t.Part > 0 {
				l.late(h.Section, h.Offset+r.Offset, &r, t)
				continue
			}
			h.Carry(&r, t)
		}
	}
}

// objtools are tables that objtool makes, and whether an object has something to be in them. An
// object that lacks one, for a kernel that has it, was never shown to objtool.
var objtools = []struct {
	table string
	wants func(o *object.Object) bool
}{
	{kerneltab.ORCAddresses, hasCode},
	{kerneltab.ReturnSites, hasReturns},
}

func hasCode(o *object.Object) bool {
	return slices.ContainsFunc(o.File.Sections, func(s *elfobj.Section) bool { return s.Flags&elf.SHF_EXECINSTR != 0 && s.Size > 0 })
}

// hasReturns reports whether functions return through the thunk: where all end in calls of
// others, none does.
func hasReturns(o *object.Object) bool {
	return slices.ContainsFunc(o.Symbols(), func(s elfobj.Symbol) bool { return s.Name == kerneltab.ReturnThunk })
}

// finished refuses an object that objtool has not seen: its code would have no
// reliable stack, and its returns no place in the loader's list.
func (b *builder) finished(o *object.Object) bool {
	for i := range objtools {
		t := &objtools[i]
		if !b.image.Has(t.table) || !t.wants(o) {
			continue
		}
		found := false
		for range o.File.SectionsNamed(t.table) {
			found = true
		}
		if !found {
			b.refused.add(refuse(CodeNoObjtool, o.Name(), t.table, 0, "the kernel has this table, the object has not"))
			return false
		}
	}
	return true
}
