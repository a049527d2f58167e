package elfdiff

import (
	"slices"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// left judges the data objects that are not the same, and do not travel.
func (in *includer) left() {
	for i := range in.Data {
		ch := &in.Data[i]
		if ch.Status != verdict.Changed || in.carried.Included[ch.Post] || in.past(in.Post, ch.Post) != nil {
			continue
		}
		if in.copied[ch.Post] && !in.mayBeUsed(ch.Post) {
			in.report(in.unread(ch))
			continue
		}
		if !in.isOverwritten(ch.Post) && !in.isSet[ch.Post] {
			in.report(in.leftBehind(ch))
		}
	}
}

// mayBeUsed reports whether code that travels may mean a changed constant that does not
// travel, by a reference that was taken for one to its neighbour.
func (in *includer) mayBeUsed(id object.AtomID) bool {
	return slices.ContainsFunc(usersOf(in.Post, &in.Post.Atoms[id]), func(u object.AtomID) bool { return in.carried.Included[u] })
}

// unread explains why a changed constant does not travel: nothing that travels
// uses it, since those who do have run.
func (in *includer) unread(ch *verdict.Change) Finding {
	return findingAt(in.Post, CodeInitCode, ch.Post, ch.Reasons[0].PostOffset, "changed: %s: only code of the start uses it", ch.Reasons[0])
}

// leftBehind says what it means that a changed object stays as it is in the
// running program.
func (in *includer) leftBehind(ch *verdict.Change) Finding {
	why := ch.Reasons[0]
	f := findingAt(in.Pre, dataCode(ch), ch.Pre, why.PreOffset, "%s", why)
	if no := in.unset[ch.Post]; no != "" {
		f.Message += ": it can't be set: " + no
		f.Hint = finding.HintOwnFunction
	}
	if f.Code == CodeKindChanged && storageOf(in.Pre, &in.Pre.Atoms[ch.Pre]) != storageOf(in.Post, &in.Post.Atoms[ch.Post]) {
		f.Hint = finding.HintAnotherName
	}
	switch program := !in.carried.Tables; { // nothing of it is overwritten, or set
	case f.Code == CodeConstShared && (program || why.Code == verdict.ReasonSize):
		f.Hint = finding.HintNewConstant
	case f.Code == CodeDataChanged && program:
		f.Hint = finding.HintOwnFunction
	}
	used := in.kept[ch.Post]
	if how := in.shown[ch.Post]; f.Code == CodeConstShared && how != "" {
		f.Message += "; " + how
	}
	switch {
	case f.Code == CodeKindChanged && in.becameReadOnly(ch) && in.sameContent(ch):
		f.Severity, f.Accept = Ignored, "" // it is writable, and nobody writes to it
	case used && (why.Code == verdict.ReasonSize || f.Code == CodeKindChanged && (ch.Kind == object.Data || in.isPerCPU(ch))):
		f.Message += ", and code that travels uses it"
		f = firmly(f)
	}
	return f
}

// sameContent reports whether two objects of different kinds hold the same.
func (in *includer) sameContent(ch *verdict.Change) bool {
	return held(in.c, &in.Pre.Atoms[ch.Pre], &in.Post.Atoms[ch.Post]) == nil
}

// dataCode tells the findings about changed data apart.
func dataCode(ch *verdict.Change) Code {
	switch {
	case ch.Kind == object.TLS:
		return CodeTLSChanged
	case ch.Reasons[0].Code == verdict.ReasonKind:
		return CodeKindChanged
	case ch.Kind == object.Const:
		return CodeConstShared
	case ch.Reasons[0].Code == verdict.ReasonSize:
		return CodeDataResized
	}
	return CodeDataChanged
}
