package report

import (
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/web"
	"github.com/gosplice/gosplice/internal/words"
)

// load is what travels of one kind.
type load struct {
	kind  object.Kind
	atoms []*object.Atom // of post
	bytes uint64
}

// loadKinds lists the kinds in the order in which they are shown, and what one
// of each is called. Entries of tables are no atoms: see tablesOf.
var loadKinds = []struct {
	kind object.Kind
	noun string
}{
	{object.Func, "function"},
	{object.Data, "variable"},
	{object.Const, "constant"},
	{object.TLS, "thread-local variable"},
	{object.String, "string"},
	{object.Merge, "merged constant"},
	{object.Special, "table"},
	{object.LSDA, "exception table"},
	{object.Unwind, "unwinding record"},
}

// loadsOf groups what an update takes with it; nothing where there is nothing to
// carry.
func loadsOf(d *elfdiff.Diff) []load {
	if o := d.Outcome(); o == elfdiff.OutcomeSame || o == elfdiff.OutcomeIgnored {
		return nil
	}
	by := map[object.Kind]*load{}
	for i := range d.Post.Atoms {
		a := &d.Post.Atoms[i]
		if !d.Included(a.ID) {
			continue
		}
		l := by[a.Kind]
		if l == nil {
			l = &load{kind: a.Kind}
			by[a.Kind] = l
		}
		l.atoms = append(l.atoms, a)
		l.bytes += a.Size
	}
	var out []load
	for _, k := range loadKinds {
		if l := by[k.kind]; l != nil {
			out = append(out, *l)
		}
	}
	return out
}

// noun names what the load is, for its number.
func (l *load) noun() string {
	for _, k := range loadKinds {
		if k.kind == l.kind {
			return words.Nouns(len(l.atoms), k.noun)
		}
	}
	return l.kind.String()
}

// loadText says on one line what travels.
func loadText(d *elfdiff.Diff) string {
	var parts []string
	for _, l := range loadsOf(d) {
		parts = append(parts, web.Thousands(len(l.atoms))+" "+l.noun())
	}
	return strings.Join(parts, ", ")
}

// table is a table about code of which entries travel.
type table struct {
	name  string
	bytes uint64
}

// tablesOf lists the tables of an extracted object, which are those of post that
// the same sections are.
func tablesOf(d *elfdiff.Diff, x *extract.Extracted) []table {
	special := map[string]bool{}
	for i := range d.Post.Atoms {
		if a := &d.Post.Atoms[i]; a.Kind == object.Special {
			special[d.Post.File.Sections[a.Section].Name] = true
		}
	}
	var out []table
	for i := range x.Spec.Sections {
		if s := &x.Spec.Sections[i]; special[s.Name] && s.Size > 0 {
			out = append(out, table{s.Name, s.Size})
		}
	}
	return out
}
