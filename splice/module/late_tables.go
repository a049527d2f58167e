package module

import (
	"debug/elf"
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/keyed"
)

// withoutModule prepares tables of an object of a module, before anything of it
// gets a place: the loader reads them before the module is there. Entries that can
// be left out are, where they would refer to it.
func (l *linker) withoutModule() {
	if l.obj.target == nil {
		return
	}
	inside := l.moduleFields()
	for i := range l.Spec.Sections {
		if row := kerneltab.Named(l.Spec.Sections[i].Name); row.Has(kerneltab.Optional) {
			l.filter(elfobj.SectionIndex(i), row.Usual(), inside)
		}
	}
	l.alternatives(inside)
	l.branches(inside)
}

// spot is a place in the object.
type spot struct {
	sec elfobj.SectionIndex
	off uint64
}

// moduleFields returns the fields that refer to the module.
func (l *linker) moduleFields() map[spot]uint64 {
	out := map[spot]uint64{}
	for i := range l.Spec.Sections {
		s := &l.Spec.Sections[i]
		if s.Type != elf.SHT_RELA {
			continue
		}
		for _, r := range s.Relas {
			if l.Syms[r.Sym].Part > 0 {
				out[spot{elfobj.SectionIndex(s.Info), r.Offset}] = relocations[r.Type]
			}
		}
	}
	return out
}

// relasOf returns the relocation section of a section, or nil.
func (l *linker) relasOf(sec elfobj.SectionIndex) *elfobj.SpecSection {
	for i := range l.Spec.Sections {
		if s := &l.Spec.Sections[i]; s.Type == elf.SHT_RELA && elfobj.SectionIndex(s.Info) == sec {
			return s
		}
	}
	return nil
}

// leads returns where a relocation leads to in the object itself.
func (l *linker) leads(r *elfobj.Rela) spot {
	s := &l.Spec.Symbols[r.Sym]
	return spot{s.Section, s.Value + uint64(r.Addend)}
}

// filter drops the entries of a table that need the module: by their keys, and where
// they have none by the calls that they are about.
func (l *linker) filter(sec elfobj.SectionIndex, layout *kerneltab.Layout, inside map[spot]uint64) {
	s, rela := &l.Spec.Sections[sec], l.relasOf(sec)
	if rela == nil || len(inside) == 0 {
		return
	}
	entry, drop := layout.Size, map[uint64]bool{}
	for i := range rela.Relas {
		r := &rela.Relas[i]
		at := r.Offset / entry * entry
		_, key := inside[spot{sec, r.Offset}]
		if !layout.Has(kerneltab.Key) {
			call := l.leads(r)
			_, key = inside[spot{call.sec, call.off + 1}]
		}
		if key {
			drop[at] = true
		}
	}
	var data []byte
	var relas []elfobj.Rela
	for at := uint64(0); at+entry <= uint64(len(s.Data)); at += entry {
		if drop[at] {
			continue
		}
		for _, r := range rela.Relas {
			if r.Offset >= at && r.Offset < at+entry {
				r.Offset += uint64(len(data)) - at
				relas = append(relas, r)
			}
		}
		data = append(data, s.Data[at:at+entry]...)
	}
	s.Data, rela.Relas = data, relas
	s.Size = uint64(len(data))
}

// alternatives refuses code that the loader may replace before a reference in it
// is filled in.
func (l *linker) alternatives(inside map[spot]uint64) {
	l.eachAlternative(func(table string, r *elfobj.Rela, at spot) {
		if _, ok := inside[at]; ok {
			l.refused.add(refuse(CodeModuleRef, "", table, r.Offset, "an alternative refers to %s", l.obj.target.Name()))
		}
	})
}

// eachAlternative visits the bytes of code that the loader may replace, with the entries that say so.
func (l *linker) eachAlternative(visit func(table string, r *elfobj.Rela, at spot)) {
	form := kerneltab.Named(kerneltab.AltInstructions).Usual()
	alt := l.layout[form.Struct]
	place, size := alt.Offsets[form.Fields[kerneltab.At].Member], alt.Offsets[form.Fields[kerneltab.Length].Member]
	for i := range l.Spec.Sections {
		s, rela := &l.Spec.Sections[i], l.relasOf(elfobj.SectionIndex(i))
		if s.Name != kerneltab.AltInstructions || rela == nil || alt.Size == 0 {
			continue
		}
		for k := range rela.Relas {
			r := &rela.Relas[k]
			length := r.Offset/alt.Size*alt.Size + size
			if r.Offset%alt.Size != place || length >= uint64(len(s.Data)) {
				continue
			}
			at := l.leads(r)
			for n := range uint64(s.Data[length]) {
				visit(s.Name, r, spot{at.sec, at.off + n})
			}
		}
	}
}

// FindingTracing is the code of the finding about a tracepoint, or a debug message, of a
// module that can't be switched in new code of that module.
const FindingTracing elfdiff.Code = "tracing-off"

// traces are the static keys that decide about nothing but what is told to who watches: how
// the names of what they are in begin, and what that is.
var traces = []struct{ prefix, what string }{
	{kerneltab.Tracepoint, "the tracepoint"},
	{"__UNIQUE_ID_ddebug", "the debug message"}, // struct _ddebug of include/linux/dynamic_debug.h
	{"descriptor.", "the debug message"},        // likewise before 5.6
}

// traceOf says what a key of that name decides about, "" when that is not only told.
func traceOf(name string) string {
	for _, t := range traces {
		if rest, ok := strings.CutPrefix(name, t.prefix); ok {
			if t.what == "the tracepoint" {
				return t.what + " " + rest
			}
			return t.what
		}
	}
	return ""
}

// branches has static branches ask for their keys that are in the module: the loader would follow
// the key before the module is there. One that can't, and whose key decides about tracing alone,
// stays as it was compiled, which for a tracepoint is off: that is a finding.
func (l *linker) branches(inside map[spot]uint64) {
	var marks keyed.Marks
	l.eachAlternative(func(_ string, _ *elfobj.Rela, at spot) {
		marks.Whole = append(marks.Whole, keyed.Place{Section: at.sec, Offset: at.off})
	})
	for _, x := range l.carried.Immediates {
		marks.Fields = append(marks.Fields, keyed.Place{Section: x.Section, Offset: x.Offset})
	}
	for i := range l.Spec.Sections {
		s := &l.Spec.Sections[i]
		rela := l.relasOf(elfobj.SectionIndex(i))
		if s.Name != kerneltab.JumpTable || rela == nil {
			continue
		}
		layout := kerneltab.Named(s.Name).Usual()
		var keys []elfobj.Rela
		var entries []uint64
		gone := map[spot]uint64{}
		for _, r := range rela.Relas {
			at := spot{elfobj.SectionIndex(i), r.Offset}
			if size, ok := inside[at]; ok && r.Offset%layout.Size == layout.Fields[kerneltab.Key].Offset {
				keys, entries = append(keys, r), append(entries, r.Offset/layout.Size*layout.Size)
				gone[at] = size
			}
		}
		failed := keyed.Branches(l.Spec, elfobj.SectionIndex(i), entries, &marks)
		for k, r := range keys {
			err, name := failed[entries[k]], l.Spec.Symbols[r.Sym].Name
			if err == nil {
				continue
			}
			if what := traceOf(name); what != "" {
				l.traceOff(what, err, r.Offset)
			} else {
				l.notKeyed(name, err, r.Offset)
			}
		}
		l.filter(elfobj.SectionIndex(i), layout, gone)
	}
	for i, p := range marks.Fields {
		l.carried.Immediates[i].Offset = p.Offset
	}
}

// notKeyed refuses a static branch whose key is in the module.
func (l *linker) notKeyed(name string, why error, offset uint64) {
	r := refuse(CodeModuleKey, name, kerneltab.JumpTable, offset, "a static branch of %s, and new code of that can't ask for its key", l.obj.target.Name())
	r.Err = why
	l.refused.addOnce(r)
}

// traceOff reports what new code does not tell, each once.
func (l *linker) traceOff(what string, why error, offset uint64) {
	f := elfdiff.Finding{
		Code: FindingTracing, Severity: elfdiff.Carried, Symbol: l.obj.target.Name(), Section: kerneltab.JumpTable, Offset: offset,
		Message: fmt.Sprintf("%s of the module stays as it was compiled in what replaces its code (%s), whoever switches it: %v", what, l.Object, why),
		Hint:    "trace the new function itself, with the function tracer or a kprobe",
	}
	for i := range l.found {
		if l.found[i].Code == f.Code && l.found[i].Message == f.Message {
			return
		}
	}
	l.found = append(l.found, f)
}
