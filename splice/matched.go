package splice

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc"
)

// matched answers questions about one part.
type matched struct {
	*Part
	*builder
	byName map[string]elfobj.SymbolIndex     // undefined symbols of pre
	cold   map[object.AtomID][]object.AtomID // cold parts of pre's functions
	inner  map[object.AtomID][]uint64        // offsets in pre's functions that something refers to
	named  map[object.AtomID][]uint64        // likewise, but for what tells where there is room in front of a function
	texts  map[uint64][]byte                 // regions of code in run, by address
}

// index goes over pre once for all the questions to come.
func (m *matched) index() {
	m.byName = map[string]elfobj.SymbolIndex{}
	m.cold, m.inner = map[object.AtomID][]object.AtomID{}, map[object.AtomID][]uint64{}
	m.named, m.texts = map[object.AtomID][]uint64{}, map[uint64][]byte{}
	pre := m.Diff.Pre
	syms := pre.Symbols()
	for i := range syms {
		if i > 0 && !syms[i].IsDefined() {
			m.byName[syms[i].Name] = elfobj.SymbolIndex(i)
		}
	}
	for i := range pre.Atoms {
		a := &pre.Atoms[i]
		if a.Kind == object.Func && a.Owner != object.NoAtom {
			m.cold[a.Owner] = append(m.cold[a.Owner], a.ID)
		}
		if a.Kind == object.Unwind || a.Kind == object.Meta {
			continue
		}
		for k := range a.Refs {
			r := &a.Refs[k]
			if r.Target != object.NoAtom && r.TargetOff > 0 && pre.Atom(r.Target).Kind == object.Func {
				m.inner[r.Target] = append(m.inner[r.Target], uint64(r.TargetOff))
				if pre.File.Sections[a.Section].Name != kerneltab.Patchable {
					m.named[r.Target] = append(m.named[r.Target], uint64(r.TargetOff))
				}
			}
		}
	}
}

// redirect describes the function that r replaces, with its cold parts.
func (m *matched) redirect(r *extract.Replacement) (Redirect, bool) {
	out := Redirect{Function: r.Name, Symbol: uint32(r.New)}
	body, ok := m.span(r.Pre)
	if !ok {
		return out, false
	}
	f := m.Match.Func(r.Pre)
	out.By = f.By.String()
	if again, err := m.names.Check(m.Part, r.Pre); again || err != nil {
		if err != nil {
			m.refuse(err)
		}
		return out, false
	}
	body.Bytes = append(body.Bytes, m.padding(r.Pre, f)...)
	out.Old = append(out.Old, body)
	for _, id := range m.cold[r.Pre] {
		cold, ok := m.span(id)
		if !ok {
			return out, false
		}
		out.Old = append(out.Old, cold)
	}
	out.Entries = m.entriesOf(r.Pre, f)
	var err error
	out.Pads, err = m.way(r, f, body.Bytes, out.Entries)
	var ref *Refusal
	if errors.As(err, &ref) {
		m.refuse(ref)
	}
	return out, err == nil
}

// way checks that the function can be redirected at its entry. It returns padding for the long
// part of a jump where a plain one can't be made.
func (m *matched) way(r *extract.Replacement, f *reloc.FuncResult, code []byte, entries []uint64) ([]Span, error) {
	fn := Function{Name: r.Name, Addr: f.Address, Code: code, Entries: entries}
	plain, err := Plan(fn, f.Address)
	if err == nil && !plain.Crosses() {
		return nil, nil
	}
	var spans []Span
	for _, p := range m.pads(r.Pre, f) {
		fn.Pads, spans = append(fn.Pads, p.Pad), append(spans, p.span)
	}
	if len(spans) > 0 && Hot(fn, f.Address) != nil || err == nil {
		return spans, nil
	}
	var ref *Refusal
	if errors.As(err, &ref) && (ref.Code == CodeTooShort || ref.Code == CodeBranchTarget) {
		ref.Message += "; " + noPads(len(spans))
	}
	return nil, err
}

// noPads says why there is no jump of the hotpatch kind.
func noPads(n int) string {
	if n > 0 {
		return "two bytes of it can't become a short jump into the padding near it either"
	}
	return "and no padding within reach of a short jump is known to be nobody's"
}

// span reads the run bytes of a function that has to be matched.
func (m *matched) span(pre object.AtomID) (Span, bool) {
	a := m.Diff.Pre.Atom(pre)
	f := m.Match.Func(pre)
	if f == nil || f.Verdict != reloc.Matched {
		r := notMatched(a, f)
		if hint := m.absentHint(a); hint != "" && f != nil && f.Verdict == reloc.Absent {
			r.Hint = hint
		}
		m.refuse(r)
		return Span{}, false
	}
	place, ok := m.place(f.Address)
	if !ok {
		m.refuse(Refuse(CodeNoModule, a.Name, "", f.Address, "its code belongs to no file"))
		return Span{}, false
	}
	code := make([]byte, f.Size)
	if err := m.Image.ReadAddr(code, f.Address); err != nil {
		r := Refuse(CodeNotMatched, a.Name, "", f.Address, "its code can't be read")
		r.Err = err
		m.refuse(r)
		return Span{}, false
	}
	return Span{Place: place, Bytes: code}, true
}

// padding returns the bytes behind a function in run that are room for a jump. Pre
// proves that they are nothing else, by having the start of another function right
// behind them, or else the symbols of run do.
func (m *matched) padding(pre object.AtomID, f *reloc.FuncResult) []byte {
	if b := m.between(pre, f); len(b) > 0 {
		return b
	}
	if f.Size >= forms[JmpAbs64].size+endbrSize {
		return nil // there is room
	}
	return m.Padding(f.Address+f.Size, 0)
}

// endbrSize is the length of ENDBR64.
const endbrSize = 4

// between returns the nops between two functions that follow each other in pre and
// in run.
func (m *matched) between(pre object.AtomID, f *reloc.FuncResult) []byte {
	atoms := m.Diff.Pre.Atoms
	if int(pre)+1 >= len(atoms) {
		return nil
	}
	a, next := &atoms[pre], &atoms[pre+1]
	if next.Section != a.Section || next.Kind != object.Func || next.Offset <= a.End() || next.Offset-a.End() >= maxPadding {
		return nil
	}
	g := m.Match.Func(next.ID)
	if g == nil || g.Verdict != reloc.Matched || g.Address-f.Address-f.Size >= maxPadding {
		return nil
	}
	b := make([]byte, g.Address-f.Address-f.Size)
	if m.Image.ReadAddr(b, f.Address+f.Size) != nil || amd64.NopLen(b) != len(b) {
		return nil
	}
	return b
}

func notMatched(a *object.Atom, f *reloc.FuncResult) *Refusal {
	if f == nil {
		return Refuse(CodeNotMatched, a.Name, "", 0, "it was not looked for")
	}
	r := Refuse(CodeNotMatched, a.Name, "", f.Address, "run-pre matching says %s", f.Verdict)
	switch {
	case f.Mismatch != nil:
		r.Err = f.Mismatch
		if hint, ok := mismatchHints[f.Mismatch.Reason]; ok {
			r.Hint = hint
		}
	case len(f.Candidates) > 0:
		r.Message += fmt.Sprintf(" between %#x", f.Candidates)
		r.Hint = "give the other objects of the same file as well, which tell copies apart; what is mapped twice (dlmopen) can't be patched"
	case f.Verdict == reloc.Absent:
		r.Hint = hints[CodeNotMatched] + "; code that the process has copied into memory of no file is not looked at"
	}
	return r
}

// absentHint says what helps where a function of pre is not in the program, and the program's symbols tell why; "" where they
// do not.
func (m *matched) absentHint(a *object.Atom) string {
	names := m.Diff.Pre.Globals(a)
	if len(names) == 0 || len(m.Image.Modules()) == 0 {
		return ""
	}
	for _, name := range names {
		if list := m.Image.Lookup(name); len(list) > 0 {
			for _, i := range a.Symbols {
				if m.Diff.Pre.Symbol(i).IsWeak() {
					return "its name is weak in pre, and the program has another definition of it: change that one, and leave this one as it is"
				}
			}
			return ""
		}
	}
	for i := range m.Image.Modules() {
		if mod := &m.Image.Modules()[i]; mod.Main && m.Image.HasAllSymbols(i) {
			return "the program has no such name: where the linker has left it out, since nothing uses it (--gc-sections), leave it as it is in the patch, or give it another name"
		}
	}
	return ""
}

// mismatchHints say what helps where run differs in a way that no other pre mends.
var mismatchHints = map[reloc.Reason]string{
	reloc.ReasonRedirected:  "revert the update that has redirected it first",
	reloc.ReasonBreakpoint:  "take the breakpoint out, and end the debugger",
	reloc.ReasonUnreadable:  "see whether the file that is mapped there was truncated, or its memory is protected",
	reloc.ReasonUnsupported: "compile without what makes this relocation (-mcmodel=large, -mcmodel=medium), also what runs; or change another function",
}

// entriesOf lists the offsets in run at which anything but the function's own
// code leads into it.
func (m *matched) entriesOf(pre object.AtomID, f *reloc.FuncResult) []uint64 {
	var list []uint64
	for _, off := range m.inner[pre] {
		list = append(list, f.RunOffset(off))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// place turns a run address into a place.
func (m *matched) place(addr uint64) (Place, bool) {
	mod, _ := m.Image.ModuleAt(addr)
	if mod == nil {
		return Place{}, false
	}
	want := Module{Name: mod.Name, Path: mod.Path, BuildID: hex.EncodeToString(mod.BuildID), Main: mod.Main}
	i := slices.Index(m.update.Modules, want)
	if i < 0 {
		i = len(m.update.Modules)
		m.update.Modules = append(m.update.Modules, want)
	}
	return Place{Module: i, Addr: addr - mod.Bias}, true
}

// importOf says what an undefined symbol is.
func (m *matched) importOf(e *extract.External) Import {
	im := Import{Symbol: uint32(e.Symbol), Name: e.Name}
	if e.Pre == object.NoAtom {
		if i, ok := m.byName[e.Name]; ok {
			if v, ok := m.Match.SymbolValue(i); ok {
				m.setValue(&im, &v)
			}
		}
		return im
	}
	a := m.Diff.Pre.Atom(e.Pre)
	for _, s := range a.Symbols {
		if v, ok := m.Match.SymbolValue(s); ok {
			m.setValue(&im, &v)
		}
	}
	if m.Match.TLSBlock != 0 && a.Kind == object.TLS {
		im.TLSBlock = m.placed(m.Match.TLSBlock)
	}
	if addr, ok := m.Match.AtomAddr(e.Pre); ok && a.Kind != object.TLS {
		im.Address = m.placed(addr)
	}
	if !im.Known() {
		m.refuse(Refuse(CodeNotLocated, cmp.Or(e.Name, "?"), "", 0, "run-pre matching did not find this %s of %s", a.Kind, m.Diff.Pre.Name()))
	}
	return im
}

func (m *matched) placed(addr uint64) *Place {
	if p, ok := m.place(addr); ok {
		return &p
	}
	return nil
}

// setValue copies what matching found out about a symbol.
func (m *matched) setValue(im *Import, v *reloc.Value) {
	for _, f := range []struct {
		use reloc.Use
		set func()
	}{
		{reloc.UseAddress, func() { im.Address = m.placed(v.Address) }},
		{reloc.UsePLT, func() { im.PLT = m.placed(v.PLT) }},
		{reloc.UseGOT, func() { im.GOT = m.placed(v.GOT) }},
		{reloc.UseTLSSlot, func() { im.TLSSlot = m.placed(v.TLSSlot) }},
		{reloc.UseTPOff, func() { im.TPOff = &v.TPOff }},
		{reloc.UseTLS, func() { im.TLS = &v.TLS }},
	} {
		if v.Has&f.use != 0 {
			f.set()
		}
	}
}
