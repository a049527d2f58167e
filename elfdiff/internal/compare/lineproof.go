package compare

import (
	"bytes"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/internal/debug"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// claim is an immediate that differs, and may be a line number. Whether it is
// one is decided when the whole function was walked.
type claim struct {
	at        step
	pre, post uint64
	text      bool // the number stands in a string
	place     bool // behind the name of a source file
	reason    verdict.Reason
}

// proveLine decides a claim. The proof is the debug information of both
// objects: the two values are the lines that their line tables give for the
// instruction, for the call that it loads an argument of, or for the call that
// one of both was inlined by. A value that is only near such a line, or that
// moved as the code did, proves nothing.
//
// Without debug information on either side the bug tables have to say it, or it has
// to be the argument of a function that is known to take a line.
func (w *walk) proveLine(cl *claim) (proof string, ok bool) {
	pre, post := debug.LineTable(w.c.Pre), debug.LineTable(w.c.Post)
	if pre == nil && post == nil {
		if proof, ok := w.lineOfBug(cl); ok {
			return proof, true
		}
		return w.lineArgument(cl)
	}
	if pre == nil || post == nil || !w.isSunk(cl) {
		return "", false
	}
	call, isArgument := w.nextCall(cl)
	places := []step{cl.at}
	if isArgument {
		places = append(places, call)
	}
	for _, at := range places {
		p, ok1 := pre.At(debug.Addr(w.pre.Atom, at.pre))
		q, ok2 := post.At(debug.Addr(w.post.Atom, at.post))
		if ok1 && ok2 && cl.are(p.Line, q.Line) && p.Base() == q.Base() {
			return fmt.Sprintf("the line tables place +%#x at line %d, and +%#x at line %d", at.pre, p.Line, at.post, q.Line), true
		}
	}
	for _, at := range places {
		p, q := debug.CallLines(w.c.Pre, w.pre.Atom, at.pre), debug.CallLines(w.c.Post, w.post.Atom, at.post)
		for i := range min(len(p), len(q)) {
			if cl.are(p[i], q[i]) {
				return fmt.Sprintf("+%#x was inlined by a call in line %d, and +%#x by one in line %d", at.pre, p[i], at.post, q[i]), true
			}
		}
	}
	return w.lineOfMacro(cl, places)
}

// isSunk reports whether a number goes where lines go: it is an argument of a
// function that is known to take one, or of a call that takes the name of the file
// or of the function with it; or it stands in a text behind the name of a file. What
// is returned, stored or compared is no line, whatever line it happens to be on.
func (w *walk) isSunk(cl *claim) bool {
	if cl.text && cl.place {
		return true
	}
	f, ok := w.flowAt(w.pre.Object, w.pre.Atom, cl.at.pre, cl.text)
	if !ok {
		return false
	}
	if !cl.text && isLineSink(f.callee, f.reg) {
		return true
	}
	return f.place != ""
}

// are reports whether the values are the lines p and q, which moved.
func (cl *claim) are(p, q int) bool {
	return p != q && cl.pre == uint64(p) && cl.post == uint64(q)
}

// nextCall finds the calls that the instructions of a claim load an argument
// of: the next ones, with no branch and no other load of that register before
// them.
func (w *walk) nextCall(cl *claim) (call step, ok bool) {
	p, _, ok1 := insn.CallAfter(w.pre.Object, w.pre.Atom, cl.at.pre, cl.text)
	q, _, ok2 := insn.CallAfter(w.post.Object, w.post.Atom, cl.at.post, cl.text)
	return step{p.Off, q.Off}, ok1 && ok2
}

// lineInText returns the claim that two strings differ in nothing but a line
// number, as those made of __FILE__ and __LINE__ do.
func (c *Comparer) lineInText(a, b *object.Ref) (pre, post uint64, place, ok bool) {
	if a.Target == object.NoAtom || b.Target == object.NoAtom {
		return 0, 0, false, false
	}
	x, okx := object.Tail(&c.Pre.Atoms[a.Target], a.TargetOff)
	y, oky := object.Tail(&c.Post.Atoms[b.Target], b.TargetOff)
	if !okx || !oky {
		return 0, 0, false, false
	}
	i := 0
	for i < len(x) && i < len(y) && x[i] == y[i] {
		i++
	}
	for i > 0 && isDigit(x[i-1]) {
		i--
	}
	p, n := leadingNumber(x[i:])
	q, m := leadingNumber(y[i:])
	return p, q, endsInSourceName(x[:i]), n > 0 && m > 0 && bytes.Equal(x[i+n:], y[i+m:])
}

// endsInSourceName reports whether a text ends in the name of a source file and one
// character that separates it from a line.
func endsInSourceName(s []byte) bool {
	s = bytes.TrimRight(s, " ")
	if len(s) < 2 || !bytes.ContainsAny(s[len(s)-1:], ":(,@#") {
		return false
	}
	s = s[:len(s)-1]
	if i := bytes.LastIndexAny(s, " \t("); i >= 0 {
		s = s[i+1:]
	}
	return insn.IsSourceName(s)
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// leadingNumber reads a decimal number of at most nine digits.
func leadingNumber(b []byte) (v uint64, n int) {
	for n < len(b) && n < 9 && isDigit(b[n]) {
		v = v*10 + uint64(b[n]-'0')
		n++
	}
	return v, n
}
