package module

import (
	"debug/elf"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/internal/symname"
)

// A SourcePatch is a patch of source that a module was made of.
type SourcePatch struct {
	Name   string `json:"name"`   // of its file
	Digest string `json:"digest"` // SHA-256 of the diff, hexadecimal
}

// An Origin is what a module says of itself in its .modinfo, and [Read] finds there. Its lists
// are never null in JSON.
type Origin struct {
	Patches []SourcePatch `json:"patches"` // [Options].Patches
	Fixes   []string      `json:"fixes"`   // [Options].Fixes
	// Functions are what it replaces, as livepatch has it: "show,0", and in modules
	// "8021q:show,0".
	Functions []string `json:"functions"`
	// Data are the constants and the variables that it writes to.
	Data     []string `json:"data"`
	Replaces string   `json:"replaces"` // ID of [Options].Earlier, "" for none
}

// FindingStays is the code of the finding about data that an earlier update has written: it
// stays as it is.
const FindingStays elfdiff.Code = "data-stays"

// origin says what the update is made of and does.
func (b *builder) origin() *Origin {
	o := newOrigin()
	o.Patches, o.Fixes = append(o.Patches, b.opt.Patches...), append(o.Fixes, b.opt.Fixes...)
	add := func(f *Function) {
		name := fmt.Sprintf("%s,%d", f.Name, f.Position)
		if f.Module != "" {
			name = f.Module + ":" + name
		}
		o.Functions = append(o.Functions, name)
	}
	for _, x := range b.objects {
		for i := range x.patched {
			add(&x.patched[i].Function)
		}
		for i := range x.jumps {
			add(&x.jumps[i].Function)
		}
		if x.exit != nil {
			add(&x.exit.Function)
		}
	}
	for i := range b.probes {
		add(&b.probes[i].Function)
	}
	for i := range b.constants.list {
		o.Data = append(o.Data, b.constants.list[i].key())
	}
	for i := range b.settings {
		o.Data = append(o.Data, b.settings[i].Name)
	}
	for _, x := range b.objects {
		for i := range x.settings {
			o.Data = append(o.Data, x.name()+":"+x.settings[i].Name)
		}
	}
	if b.opt.Earlier != nil {
		o.Replaces = b.opt.Earlier.ID
	}
	return o
}

// lines are its lines in .modinfo.
func (o *Origin) lines() (out [][2]string) {
	for _, p := range o.Patches {
		out = append(out, [2]string{"patch", p.Digest + " " + p.Name})
	}
	for _, x := range []struct {
		key  string
		list []string
	}{{"function", o.Functions}, {"data", o.Data}} {
		for _, s := range x.list {
			out = append(out, [2]string{x.key, s})
		}
	}
	if o.Replaces != "" {
		out = append(out, [2]string{"replaces", o.Replaces})
	}
	return out
}

// read takes a line of .modinfo.
func (o *Origin) read(key, value string) {
	switch key {
	case "patch":
		digest, name, _ := strings.Cut(value, " ")
		o.Patches = append(o.Patches, SourcePatch{name, digest})
	case "fixes":
		o.Fixes = append(o.Fixes, value)
	case "function":
		o.Functions = append(o.Functions, value)
	case "data":
		o.Data = append(o.Data, value)
	case "replaces":
		o.Replaces = value
	}
}

// newOrigin returns one that says nothing.
func newOrigin() *Origin {
	return &Origin{Patches: []SourcePatch{}, Fixes: []string{}, Functions: []string{}, Data: []string{}}
}

// checkState says which variables of the earlier update this one has too. What that has written to its own is lost to
// this one, and while tasks go over, those of both are in use.
func (b *builder) checkState(pairs []Pair) {
	if b.opt.Earlier == nil {
		return
	}
	had := variables(b.opt.Earlier.image)
	for i := range pairs {
		d := pairs[i].Diff
		for k := range d.Data {
			ch := &d.Data[k]
			if ch.Status != verdict.New || !d.Included(ch.Post) || !had[symname.Variable(ch.Name)] {
				continue
			}
			_, harmless := object.FreshStem(ch.Name)
			if a := d.Post.Atom(ch.Post); harmless || a.Kind != object.Data || !kerneltab.Of(d.Post.SectionName(a.Section)).HoldsState() {
				continue
			}
			b.report(b.anew(d, ch))
		}
	}
}

// anew is the finding about such a variable. What is lost with the old value is something to know; that a lock is
// there twice has to be judged.
func (b *builder) anew(d *elfdiff.Diff, ch *verdict.Change) elfdiff.Finding {
	f := elfdiff.NewFinding(finding.CodeStateAnew, ch.Name, b.opt.Earlier.Name+" has a variable of that name, and this update has another one, which begins with its initial value; until all tasks have gone over, both are in use")
	if d.HoldsLock(ch.Post) {
		f.Message += ", and it has a lock in it"
		return f
	}
	f.Severity, f.Accept = elfdiff.Carried, ""
	f.Hint = "keep what has to last in a shadow variable of an object of the kernel (gosplice.h)"
	return f
}

// variables are the names of the writable variables that a module has.
func variables(image []byte) map[string]bool {
	names := map[string]bool{}
	f, err := elfobj.Parse(image)
	if err != nil {
		return names // of one that was not read from a file
	}
	list, err := f.Symbols()
	if err != nil {
		return names
	}
	for i := range list {
		s := &list[i]
		if s.Type() == elf.STT_OBJECT && int(s.Section) < len(f.Sections) && f.Sections[s.Section].Flags&elf.SHF_WRITE != 0 {
			names[symname.Variable(s.Name)] = true
		}
	}
	return names
}

// checkEarlier holds the update against the one that it replaces.
func (b *builder) checkEarlier() {
	e := b.opt.Earlier
	if e == nil {
		return
	}
	if id := fmt.Sprintf("%x", b.id); e.Kernel != id {
		b.refused.add(refuse(CodeOtherBuild, e.Name, "", 0, "the earlier update is for the kernel %.12s, and this one for %.12s", e.Kernel, id))
	}
	if e.Name == b.opt.Name {
		r := refuse(CodeName, e.Name, "", 0, "the earlier update has this name, and is still loaded when this one comes")
		r.Hint = "choose another name (Options.Name)"
		b.refused.add(r)
	}
	if e.Origin == nil || len(e.Origin.Functions)+len(e.Origin.Data)+len(e.Origin.Patches) == 0 {
		b.refused.add(refuse(CodeEarlier, e.Name, "", 0, "the earlier update does not say what it does: a version of this package made it that did not write that down"))
		return
	}
	now := b.origin()
	for _, d := range e.Origin.Data {
		if slices.ContainsFunc(b.constants.list, func(x Data) bool { return x.key() == d }) {
			b.refused.add(refuse(CodeEarlier, d, "", 0, "the earlier update has written there already, which stays: what this one would write over is not what it is compared with"))
			continue
		}
		b.report(elfdiff.Finding{
			Code: FindingStays, Severity: elfdiff.Carried, Symbol: d,
			Message: fmt.Sprintf("%s has written to it, which stays when that is replaced, and when this one is disabled", e.Name),
		})
	}
	if f, ok := lost(e, now); ok {
		b.report(f)
	}
}

// lost says what an earlier update has that another one has not. Where it was made of patches
// that are all in the other one too, nothing is: that one is newer.
func lost(e *Module, now *Origin) (elfdiff.Finding, bool) {
	var patches []string
	for _, p := range e.Origin.Patches {
		if !slices.ContainsFunc(now.Patches, func(x SourcePatch) bool { return x.Digest == p.Digest }) {
			patches = append(patches, p.Name)
		}
	}
	if len(e.Origin.Patches) > 0 && len(patches) == 0 {
		return elfdiff.Finding{}, false
	}
	var parts []string
	for _, x := range []struct {
		list      []string
		one, many string
	}{
		{patches, "1 patch of it is not in this update", "%d patches of it are not in this update"},
		{less(e.Origin.Fixes, now.Fixes), "1 fix", "%d fixes"},
		{less(e.Origin.Functions, now.Functions), "1 function goes back to what the kernel has", "%d functions go back to what the kernel has"},
	} {
		if text := all(x.list, x.one, x.many); text != "" {
			parts = append(parts, text)
		}
	}
	if len(parts) == 0 {
		return elfdiff.Finding{}, false
	}
	return elfdiff.NewFinding(finding.CodeLost, e.Name, "what it does goes away with it: "+strings.Join(parts, "; ")), true
}

// less returns what one list has and another has not.
func less(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// all is some without a bound: who judges has to see everything.
func all(list []string, one, many string) string {
	if len(list) == 0 {
		return ""
	}
	text := one
	if len(list) > 1 {
		text = fmt.Sprintf(many, len(list))
	}
	return text + ": " + strings.Join(list, ", ")
}
