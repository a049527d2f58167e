package elfdiff

import (
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// isWalked reports whether a section is a table that code can go through: for one
// whose name is an identifier in C, linkers make the symbols __start_NAME and
// __stop_NAME (GNU ld, "Input section example").
func isWalked(section string) bool {
	for i := range len(section) {
		c := section[i]
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return section != ""
}

// tableEntries reports entries of tables that only pre or only post has, by the
// objects that they are: whoever goes through a table does so from its start to its
// end, and what travels is at neither.
func (j *judge) tableEntries() {
	for i := range j.Data {
		ch := &j.Data[i]
		switch {
		case ch.Status == verdict.New && j.carriesTables && isProbeless(j.Post.SectionName(j.Post.Atoms[ch.Post].Section)):
			j.probeless(ch)
		case ch.Status == verdict.New && j.isEntry(j.Post, ch.Post) && !j.isHook(ch.Post):
			j.report(findingAt(j.Post, CodeTableEntry, ch.Post, 0, "it is new in a table that goes by its section"))
		case ch.Status == verdict.Removed && j.isEntry(j.Pre, ch.Pre):
			j.report(findingAt(j.Pre, CodeTableEntry, ch.Pre, 0, "post has no such entry in a table that goes by its section"))
		}
	}
}

// isProbeless reports whether a section is the list of functions that no kprobe may be
// put on.
func isProbeless(section string) bool {
	r := kerneltab.Of(section)
	return r != nil && r.Name == kerneltab.KprobeBlacklist
}

// probeless says that the mark of a new function is not carried.
func (j *judge) probeless(ch *verdict.Change) {
	f := findingAt(j.Post, CodeTableEntry, ch.Post, 0, "it is not carried, so that kprobes can be put on the function that it is about")
	f.Severity, f.Accept = Ignored, ""
	j.report(f)
}

// isEntry reports whether an object seems to be in memory as an entry of a table:
// by the name of its section, or since nothing else tells where it is.
func (j *judge) isEntry(o *object.Object, id object.AtomID) bool {
	a := &o.Atoms[id]
	section := o.SectionName(a.Section)
	if isPlain(section) || a.Kind == object.TLS || a.Size == 0 || j.past(o, id) != nil {
		return false
	}
	if j.carriesTables && kerneltab.Of(section).Has(kerneltab.PerModule) {
		return false
	}
	return isWalked(section) || o.IsLocal(a) && len(o.Users(id)) == 0
}
