package elfdiff

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/internal/compare"
	"github.com/gosplice/gosplice/elfdiff/internal/correlate"
	"github.com/gosplice/gosplice/elfdiff/internal/extraction"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/internal/places"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/internal/progress"
	"github.com/gosplice/gosplice/internal/symname"
)

// Options adjusts a comparison. The zero value is strict.
type Options struct {
	// Tables has the entries of tables that describe code (exception fix-ups,
	// static branches, alternatives, ...) travel with the functions that they
	// are about. It is for targets whose loader reads such tables, which is
	// that of the kernel. Without it, a function that owns such an entry is
	// refused, see [CodeSpecialSection].
	//
	// It also says that pre is code of a kernel that runs: what was for its start
	// only is over, see [CodeInitCode].
	Tables bool
	// Accept lists what a person has looked at, and takes responsibility for:
	// refusals of these codes, or of these codes about one symbol, become findings,
	// which keep the reason. What comes of each is in [Finding].Accept; codes that have
	// none can't be accepted.
	Accept []Acceptance
	// InPlace has changed constants of the same size, that others know by their
	// address, overwritten where they are: see
	// [Extracted].InPlace. The target must be able to do so.
	InPlace bool
	// Initials has members of writable variables whose initial value differs set, where
	// they still hold the old one when the update is applied: see
	// [Extracted].Initials. The target must be able to do so. Without it, such a
	// variable needs judgement, see [CodeDataChanged].
	Initials bool
	// Types has the types compared that changed code uses, by debug information:
	// a layout, a constant or a signature that changed needs judgement. See
	// [Diff.Types].
	Types bool
	// Progress, when set, is told how many of the steps of a comparison are done. The
	// stage is "compare".
	Progress func(stage string, done, total int)
}

// Compare decides for every function and data object of post whether it is
// the same as in pre, changed, new or removed, and whether the changes can be
// carried. Both objects should come from one compiler with the same options;
// -ffunction-sections and -fdata-sections make the result more certain, but
// are not needed.
//
// What is not a change: other addresses and section orders, references through
// a section symbol instead of a symbol, merged string offsets, renumbered
// static locals and compiler-made suffixes, padding, the width of jumps, and
// line numbers, where the debug information of both objects proves them.
//
// It takes some milliseconds for the objects of a kernel; [CompareContext] is for what may
// be larger, or hostile.
func Compare(pre, post *object.Object, opt Options) (*Diff, error) {
	return CompareContext(context.Background(), pre, post, opt)
}

// CompareContext is Compare with a context, which ends it between two functions, or between
// two steps of what follows, with the context's error.
func CompareContext(ctx context.Context, pre, post *object.Object, opt Options) (*Diff, error) {
	if !given(pre) || !given(post) {
		return nil, errNoObject
	}
	if a, b := pre.File.Machine, post.File.Machine; a != b {
		return nil, fmt.Errorf("compare: pre is for %v, post for %v", a, b)
	}
	places.Of(pre) // which says what is a literal
	places.Of(post)
	d := &Diff{Pre: pre, Post: post, carried: extraction.Carried{Included: make([]bool, len(post.Atoms)), Tables: opt.Tables}}
	j := &judge{Diff: d, ctx: ctx, reported: map[Finding]bool{}, shown: map[object.AtomID]string{}, accept: opt.Accept, updates: opt.InPlace, sets: opt.Initials}
	steps := []func(){
		j.missing, j.correlated, j.exceptions, j.entries, j.leaving, j.propagate, j.leaving, j.others, j.symbols, j.exports, j.splits, j.compilers,
		j.debugInfo, j.unwinds, j.tables, j.withoutEffect, j.include, j.constructors, j.tableEntries, j.members, j.leftovers, j.asides,
	}
	if opt.Types {
		d.typed = true
		steps = append(steps, j.meaning)
	}
	stage := progress.Func(opt.Progress).Begin("compare", len(steps))
	for _, step := range steps {
		step()
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("compare %s: %w", pre.Name(), err)
		}
		stage.Done()
	}
	return d, nil
}

// judge is the state of one comparison.
type judge struct {
	*Diff
	ctx   context.Context // of the one call that makes it
	c     *compare.Comparer
	list  []verdict.Change // verdicts on the pairs, by pre's id
	index []int32          // into list, by post's id
	carry []object.AtomID  // changed constants that travel as copies
	// shown says what gives a changed constant of post its identity.
	shown map[object.AtomID]string
	// reported holds the codes and places of the findings so far.
	reported map[Finding]bool
	accept   []Acceptance
	unnamed  map[string]bool // sections that a rest was reported of
	// usedTexts are the pieces of code that entries of tables bring along.
	usedTexts map[*object.Object]map[object.AtomID][]codeRange
	updates   bool // Options.InPlace
	sets      bool // Options.Initials
}

// pairs compares all twins.
func (j *judge) pairs() {
	for id := range j.Pre.Atoms {
		twin := j.twins.Post[id]
		if twin == object.NoAtom {
			continue
		}
		if j.ctx.Err() != nil {
			return
		}
		a, b := &j.Pre.Atoms[id], &j.Post.Atoms[twin]
		ch := verdict.Change{Name: a.Name, Kind: b.Kind, Pre: a.ID, Post: b.ID, Rule: j.twins.Rule[id]}
		if a.Kind == object.Func {
			r, incidental := j.c.Function(a, b)
			if r == nil {
				r = j.c.Next(a, b)
			}
			ch.Incidental = incidental
			if r != nil {
				ch.Status, ch.Reasons = verdict.Changed, []verdict.Reason{*r}
			}
		} else if r := data(j.c, a, b); r != nil {
			ch.Status, ch.Reasons = verdict.Changed, []verdict.Reason{*r}
		} else {
			ch.Incidental = j.c.SetAside(a, b)
		}
		j.index[twin] = int32(len(j.list))
		j.list = append(j.list, ch)
	}
}

// data compares two data objects.
func data(c *compare.Comparer, a, b *object.Atom) *verdict.Reason {
	switch {
	case a.Kind != b.Kind:
		return &verdict.Reason{Code: verdict.ReasonKind, PreText: a.Kind.String(), PostText: b.Kind.String()}
	case storageOf(c.Pre, a) != storageOf(c.Post, b):
		return &verdict.Reason{Code: verdict.ReasonKind, PreText: storageOf(c.Pre, a).String(), PostText: storageOf(c.Post, b).String()}
	}
	return held(c, a, b)
}

// held compares what two data objects hold.
func held(c *compare.Comparer, a, b *object.Atom) *verdict.Reason {
	switch {
	case a.Size != b.Size:
		return &verdict.Reason{Code: verdict.ReasonSize, PreText: fmt.Sprintf("%d bytes", a.Size), PostText: fmt.Sprintf("%d bytes", b.Size)}
	case a.NoBits || b.NoBits:
		if isZero(a) && isZero(b) {
			return nil
		}
		return &verdict.Reason{Code: verdict.ReasonBytes, Detail: "zero on one side"}
	}
	if r := typeSet(c, a, b); r != nil {
		return r
	}
	c.Pending = c.Pending[:0]
	for i := 0; i < max(len(a.Refs), len(b.Refs)); i++ {
		if i >= len(a.Refs) || i >= len(b.Refs) || a.Refs[i].Offset != b.Refs[i].Offset {
			return firstRef(c, a, b, i)
		}
		if code := c.Refs(&a.Refs[i], &b.Refs[i]); code != "" {
			return refReason(c, code, a, b, i)
		}
	}
	if x, y := c.Placeless(a, b); !compare.SameOutside(x.Bytes, y.Bytes, a.Refs) {
		return bytesReason(x, y)
	}
	return c.CheckPlaces(nil)
}

// typeSet compares the names of the types that a set of type numbers has: the
// numbers themselves are zero until the kernel is linked.
func typeSet(c *compare.Comparer, a, b *object.Atom) *verdict.Reason {
	if !strings.HasPrefix(a.Name, symname.BTFPrefix) {
		return nil
	}
	for i := range max(len(a.Symbols), len(b.Symbols)) {
		p, q := memberAt(c.Pre, a, i), memberAt(c.Post, b, i)
		if p != q {
			return &verdict.Reason{Code: verdict.ReasonReference, PreOffset: p.off, PostOffset: q.off, PreText: p.name, PostText: q.name}
		}
	}
	return nil
}

// member is a name for a place in an atom, without a compiler's numbers.
type member struct {
	name string
	off  uint64
}

func memberAt(o *object.Object, a *object.Atom, i int) member {
	if i >= len(a.Symbols) {
		return member{"no type", 0}
	}
	s := o.Symbol(a.Symbols[i])
	return member{symname.Stem(s.Name), s.Value - a.Offset}
}

func isZero(a *object.Atom) bool {
	return len(a.Refs) == 0 && (a.NoBits || len(bytes.Trim(a.Bytes, "\x00")) == 0)
}

func refReason(c *compare.Comparer, code verdict.ReasonCode, a, b *object.Atom, i int) *verdict.Reason {
	x, y := &a.Refs[i], &b.Refs[i]
	return &verdict.Reason{Code: code, PreOffset: x.Offset, PostOffset: y.Offset, PreText: insn.RefText(c.Pre, x), PostText: insn.RefText(c.Post, y)}
}

// firstRef explains that one side has a reference where the other has none.
func firstRef(c *compare.Comparer, a, b *object.Atom, i int) *verdict.Reason {
	r := &verdict.Reason{Code: verdict.ReasonReference, PreText: "no reference", PostText: "no reference"}
	if i < len(a.Refs) && (i >= len(b.Refs) || a.Refs[i].Offset < b.Refs[i].Offset) {
		r.PreOffset, r.PreText = a.Refs[i].Offset, insn.RefText(c.Pre, &a.Refs[i])
		r.PostOffset = r.PreOffset
	} else {
		r.PostOffset, r.PostText = b.Refs[i].Offset, insn.RefText(c.Post, &b.Refs[i])
		r.PreOffset = r.PostOffset
	}
	return r
}

// bytesReason shows the first bytes that differ.
func bytesReason(a, b *object.Atom) *verdict.Reason {
	i := 0
	for i < len(a.Bytes) && i < len(b.Bytes) && a.Bytes[i] == b.Bytes[i] {
		i++
	}
	show := func(s []byte) string { return fmt.Sprintf("% x", s[i:min(i+8, len(s))]) }
	return &verdict.Reason{Code: verdict.ReasonBytes, PreOffset: uint64(i), PostOffset: uint64(i), PreText: show(a.Bytes), PostText: show(b.Bytes)}
}

// exceptions compares the exception tables of functions: .eh_frame leads from
// the code to its LSDA.
func (j *judge) exceptions() {
	pre, post := lsdas(j.Pre), lsdas(j.Post)
	for i := range j.list {
		ch := &j.list[i]
		a, b := pre[ch.Pre], post[ch.Post]
		if ch.Kind != object.Func || ch.Status == verdict.Changed || a == nil && b == nil {
			continue
		}
		if a == nil || b == nil || j.c.Isolated(a, b) != "" {
			j.changed(ch.Post, verdict.Reason{Code: verdict.ReasonException, Detail: "the exception table differs"})
		} else if r := j.otherCell(a.Target); r != nil {
			j.changed(ch.Post, verdict.Reason{Code: verdict.ReasonException, Detail: "the exception table differs: " + r.PreText + " -> " + r.PostText})
		}
	}
}

// otherCell returns the reason why a cell that an exception table of pre reads differs, or nil. Cells
// are paired where they have no name too, so that the table alone looks the same.
func (j *judge) otherCell(table object.AtomID) *verdict.Reason {
	for _, r := range j.Pre.Atoms[table].Refs {
		if r.Target == object.NoAtom || j.twins.Post[r.Target] == object.NoAtom || !isCell(j.Pre, r.Target) {
			continue
		}
		if i := j.index[j.twins.Post[r.Target]]; i >= 0 && j.list[i].Status == verdict.Changed {
			return &j.list[i].Reasons[0]
		}
	}
	return nil
}

// lsdas maps functions to the references to their exception tables.
func lsdas(o *object.Object) map[object.AtomID]*object.Ref {
	m := map[object.AtomID]*object.Ref{}
	for i := range o.Atoms {
		a := &o.Atoms[i]
		if a.Kind != object.Unwind || a.Owner == object.NoAtom {
			continue
		}
		for k := range a.Refs {
			if t := a.Refs[k].Target; t != object.NoAtom && o.Atoms[t].Kind == object.LSDA {
				m[a.Owner] = &a.Refs[k]
			}
		}
	}
	return m
}

// others adds the verdicts on what has no twin, and sorts all into Functions
// and Data.
func (j *judge) others() {
	put := func(ch verdict.Change) {
		if ch.Kind == object.Func {
			j.Functions = append(j.Functions, ch)
		} else {
			j.Data = append(j.Data, ch)
		}
	}
	i := 0
	for id := range j.Pre.Atoms {
		a := &j.Pre.Atoms[id]
		if i < len(j.list) && j.list[i].Pre == object.AtomID(id) {
			ch := j.list[i]
			if a.Name == "" {
				ch.Name = insn.Describe(j.Pre, a.ID, 0)
			}
			if a.Name != "" || ch.Status != verdict.Same || len(ch.Incidental) > 0 {
				put(ch)
			}
			i++
			continue
		}
		if correlate.ClassOf(a) != 0 && a.Name != "" && !a.IsLiteral() {
			put(verdict.Change{Name: a.Name, Kind: a.Kind, Pre: a.ID, Post: object.NoAtom, Status: verdict.Removed})
			j.removed(a)
		}
	}
	for id := range j.Post.Atoms {
		a := &j.Post.Atoms[id]
		if j.twins.Pre[id] == object.NoAtom && correlate.ClassOf(a) != 0 && a.Name != "" && !a.IsLiteral() {
			put(verdict.Change{Name: a.Name, Kind: a.Kind, Pre: object.NoAtom, Post: a.ID, Status: verdict.New})
		}
	}
}

func (j *judge) removed(a *object.Atom) {
	if r := j.past(j.Pre, a.ID); r != nil {
		j.noEffect(j.Pre, a.ID, r, "gone")
		return
	}
	if isPrefixPadding(a) {
		return
	}
	if a.Kind == object.Data {
		j.report(findingAt(j.Pre, CodeUnreferencedState, a.ID, 0, "post has no such variable"))
		return
	}
	j.report(findingAt(j.Pre, CodeRemoved, a.ID, 0, "post has no such %s", a.Kind))
}

// compilers compares what the compilers left in .comment.
func (j *judge) compilers() {
	if isBlank(j.Pre) || isBlank(j.Post) {
		return
	}
	a, b := comment(j.Pre), comment(j.Post)
	if !bytes.Equal(a, b) {
		clean := func(s []byte) []byte { return bytes.Trim(bytes.ReplaceAll(s, []byte{0}, []byte{' '}), " ") }
		j.report(findingAt(j.Post, CodeCompiler, object.NoAtom, 0, "pre was made by %q, post by %q", clean(a), clean(b)))
	}
}

// debugInfo reports debug information that is not read because of its size:
// what it would prove, such as that a number is a line, is then not proven.
func (j *judge) debugInfo() {
	for i, o := range []*object.Object{j.Pre, j.Post} {
		if err := o.File.CheckCompressed(); err != nil {
			j.report(findingAt(o, CodeNoDebug, object.NoAtom, 0, "the debug information of %s counts as missing: %v", [2]string{"pre", "post"}[i], err))
			return
		}
	}
}

// isBlank reports whether an object stands for a file that is not there: it has nothing but the
// tables of an ELF file. A compiler leaves at least a comment.
func isBlank(o *object.Object) bool {
	return !slices.ContainsFunc(o.File.Sections, func(s *elfobj.Section) bool {
		return s.Type != elf.SHT_NULL && s.Type != elf.SHT_STRTAB && s.Type != elf.SHT_SYMTAB
	})
}

func comment(o *object.Object) []byte {
	for s := range o.File.SectionsNamed(kerneltab.Comment) {
		if b, err := s.Data(); err == nil {
			return b
		}
	}
	return nil
}
