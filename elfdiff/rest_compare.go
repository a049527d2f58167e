package elfdiff

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/internal/compare"
	"github.com/gosplice/gosplice/elfdiff/internal/extraction"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/internal/places"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/internal/symname"
)

// leftovers compares what no verdict is about. Rests of sections of one name
// correspond by their content; in which order they stand is the linker's affair.
func (j *judge) leftovers() {
	r := restMatcher{judge: j, seed: maphash.MakeSeed()}
	pre, post := j.rests(j.Pre, j.twins.Post), j.rests(j.Post, j.twins.Pre)
	if len(pre)+len(post) == 0 {
		return
	}
	found := map[uint64][]int{}
	for i := range pre {
		if k, ok := r.key(0, &pre[i]); ok {
			found[k] = append(found[k], i)
		}
	}
	same := make([]bool, len(pre))
	for i := range post {
		k, ok := r.key(1, &post[i])
		if !ok {
			continue
		}
		list := found[k]
		n := slices.IndexFunc(list[:min(len(list), maxAlike)], func(p int) bool { return r.same(&pre[p], &post[i]) })
		if n < 0 {
			j.leftover(j.Post, &post[i])
			continue
		}
		same[list[n]] = true
		list[n] = list[0]
		found[k] = list[1:]
	}
	for i := range pre {
		if _, ok := r.key(0, &pre[i]); ok && !same[i] {
			j.leftover(j.Pre, &pre[i])
		}
	}
}

// maxAlike bounds how many rests of one key one is compared with.
const maxAlike = 16

// isMerged reports whether a linker puts the literals of a section where it likes, among those of others, so that nobody reads
// one but who refers to it: a compiler may leave one whose use it has folded. Sections that are named like a variable
// have __start_ and __stop_ symbols.
func isMerged(o *object.Object, s elfobj.SectionIndex) bool {
	return o.KindOf(s).IsLiteral() && strings.HasPrefix(o.SectionName(s), ".")
}

// leftover reports a rest that only one of both has; for a section once.
func (j *judge) leftover(o *object.Object, x *rest) {
	f := newFinding(CodeUnnamed)
	if r := pastRowOf(o.SectionName(x.section)); r != nil && j.carried.Tables {
		f = newFinding(classCodes[r.Class])
	}
	f.Section, f.Offset = o.SectionName(x.section), x.off
	for i := range x.refs {
		if t := o.Atom(x.refs[i].Target); t != nil && t.Kind == object.Func {
			f.Symbol = t.Name
			break
		}
	}
	side := "pre"
	if o == j.Post {
		side = "post"
	}
	f.Message = "only " + side + " has " + compare.PlainBytes(x.bytes) + " there, which no symbol names"
	if !x.head && isMerged(o, x.section) {
		f.Severity, f.Accept, f.Hint = Ignored, "", "a linker puts it where it likes, and nobody reads it but who refers to it"
	}
	if name := j.newTracepoint(o, x); name != "" {
		f.Severity, f.Accept, f.Symbol = Ignored, "", name
		f.Message, f.Hint = "the tracepoint is new, and not in the list of those that can be switched on", "it stays off: start the fixed kernel to trace it"
		j.report(f)
		return
	}
	if j.unnamed == nil {
		j.unnamed = map[string]bool{}
	}
	if !j.unnamed[f.Section] {
		j.unnamed[f.Section] = true
		j.report(f)
	}
}

// newTracepoint names the tracepoint of post that an entry in the list of them is about, where it is new: code does without.
func (j *judge) newTracepoint(o *object.Object, x *rest) string {
	if r := kerneltab.Of(o.SectionName(x.section)); o != j.Post || !j.carried.Tables || r == nil || r.Name != kerneltab.TracepointList || len(x.refs) != 1 {
		return ""
	}
	t := o.Atom(x.refs[0].Target)
	if t == nil || j.twins.Pre[t.ID] != object.NoAtom {
		return ""
	}
	return t.Name
}

// restMatcher makes keys of rests that are equal where these are the same.
type restMatcher struct {
	*judge
	seed maphash.Seed
}

// key digests a rest. ok is false for an entry about a function that is not the
// same: with that it is judged.
func (r *restMatcher) key(side int, x *rest) (uint64, bool) {
	o, twin := r.Pre, r.twins.Post
	if side == 1 {
		o, twin = r.Post, r.twins.Pre
	}
	section := o.SectionName(x.section)
	about := r.byEntries(section)
	var h maphash.Hash
	h.SetSeed(r.seed)
	h.WriteString(symname.Stem(section))
	h.WriteByte(0)
	from := 0
	content := x.bytes
	if isPlain(section) && !o.KindOf(x.section).IsLiteral() && len(x.refs) == 0 {
		content = []byte(strings.TrimRight(string(content), "\x00")) // what fills up to the next object
	}
	for i := range x.refs {
		ref := &x.refs[i]
		lo := min(int(ref.Offset), len(content))
		h.Write(content[min(from, lo):lo])
		from = max(from, lo+amd64.FieldSize(ref.Type))
		if about && ref.Target != object.NoAtom && o.Atoms[ref.Target].Kind == object.Func && !r.unchanged(side, ref.Target) {
			return 0, false
		}
		r.target(&h, o, twin, ref)
	}
	h.Write(content[min(from, len(content)):])
	return h.Sum64(), true
}

// target adds what a reference means, as far as that is the same on both sides.
func (r *restMatcher) target(h *maphash.Hash, o *object.Object, twin []object.AtomID, ref *object.Ref) {
	var b [20]byte
	binary.LittleEndian.PutUint64(b[:], ref.Offset)
	binary.LittleEndian.PutUint32(b[8:], amd64.TypeClass(ref.Type))
	if ref.Target == object.NoAtom {
		h.Write(b[:])
		h.WriteString(o.Symbol(ref.Sym).Name)
		return
	}
	t := &o.Atoms[ref.Target]
	id := twin[t.ID]
	if o == r.Post && id != object.NoAtom {
		id = t.ID
	}
	binary.LittleEndian.PutUint32(b[12:], uint32(id))
	h.Write(b[:])
	r.literal(h, o, t, ref.TargetOff, maxDepth)
}

const (
	maxDepth  = 2   // how far the key of a rest follows literals
	maxDigest = 256 // bytes of each that it depends on
)

// literal adds the content of a literal, and of those that it leads to.
func (r *restMatcher) literal(h *maphash.Hash, o *object.Object, t *object.Atom, off int64, depth int) {
	if !t.IsLiteral() {
		return
	}
	if t.Kind != object.String {
		t = places.Without(o, t, places.Of(o)[t.ID])
		content := bytes.Clone(t.Bytes[:min(len(t.Bytes), maxDigest)])
		extraction.ClearFields(content, t)
		h.Write(bytes.TrimRight(content, "\x00"))
	} else if s, ok := object.Tail(t, off); ok {
		h.Write(s[:min(len(s), maxDigest)])
	}
	for i := range t.Refs[:min(len(t.Refs), insn.MaxShown)] {
		if next := o.Atom(t.Refs[i].Target); next != nil && depth > 0 {
			r.literal(h, o, next, t.Refs[i].TargetOff, depth-1)
		}
	}
}

// unchanged reports whether a function has a twin and is the same.
func (r *restMatcher) unchanged(side int, id object.AtomID) bool {
	post := id
	if side == 0 {
		post = r.twins.Post[id]
	}
	if post == object.NoAtom || r.index[post] < 0 {
		return false
	}
	return r.list[r.index[post]].Status == verdict.Same
}

// same compares two rests of one key. Of a function that travels the places move,
// which unknown and special report.
func (r *restMatcher) same(a, b *rest) bool {
	if len(a.refs) != len(b.refs) {
		return false
	}
	for i := range a.refs {
		x, y := &a.refs[i], &b.refs[i]
		if x.Target != object.NoAtom && y.Target != object.NoAtom && r.twins.Post[x.Target] == y.Target && r.Post.Atoms[y.Target].Kind == object.Func && !r.unchanged(1, y.Target) {
			continue
		}
		if x.Offset != y.Offset || r.c.Isolated(x, y) != "" {
			return false
		}
	}
	return true
}
