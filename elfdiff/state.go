package elfdiff

import "github.com/gosplice/gosplice/elfdiff/finding"

// onceSection holds flags of messages that are shown once (include/linux/
// once.h of Linux 6.1; 6.12 calls it .data..once).
const onceSection = ".data.once"

// freshStems names static variables of the kernel whose state matters for
// messages and for debugging only: a second one, with its initial value, does no
// harm.
var freshStems = map[string]string{
	"descriptor":                "a message of dynamic debug",
	"__UNIQUE_ID_ddebug":        "a message of dynamic debug",
	"__already_done":            "a message that is shown once",
	"__warned":                  "a message that is shown once",
	"__print_once":              "a message that is shown once",
	"__key":                     "a class of locks",
	"_rs":                       "the rate of a message",
	"___tp_str":                 "a name for tracing",
	"__tpstrtab_":               "a name for tracing",
	"__UNIQUE_ID___addressable": "it keeps a symbol from being dropped",
}

// left judges the data objects that are not the same, and do not travel.
func (in *includer) left() {
	for i := range in.Data {
		ch := &in.Data[i]
		if ch.Status != Changed || in.included[ch.Post] || in.past(in.Post, ch.Post) != nil {
			continue
		}
		if in.copied[ch.Post] {
			in.report(in.unread(ch))
			continue
		}
		if !in.isOverwritten(ch.Post) && !in.isSet[ch.Post] {
			in.report(in.leftBehind(ch))
		}
	}
}

// unread explains why a changed constant does not travel: nothing that travels
// uses it, since those who do have run.
func (in *includer) unread(ch *Change) Finding {
	return in.Post.finding(CodeInitCode, ch.Post, ch.Reasons[0].PostOffset, "changed: %s: only code of the start uses it", ch.Reasons[0])
}

// leftBehind says what it means that a changed object stays as it is in the
// running program.
func (in *includer) leftBehind(ch *Change) Finding {
	why := ch.Reasons[0]
	f := in.Pre.finding(dataCode(ch), ch.Pre, why.PreOffset, "%s", why)
	if no := in.unset[ch.Post]; no != "" {
		f.Message += ": it can't be set: " + no
		f.Hint = finding.HintOwnFunction
	}
	if f.Code == CodeKindChanged && in.Pre.storageOf(&in.Pre.Atoms[ch.Pre]) != in.Post.storageOf(&in.Post.Atoms[ch.Post]) {
		f.Hint = finding.HintAnotherName
	}
	used := in.kept[ch.Post]
	if how := in.shown[ch.Post]; f.Code == CodeConstShared && how != "" {
		f.Message += "; " + how
	}
	switch {
	case f.Code == CodeKindChanged && in.becameReadOnly(ch) && in.sameContent(ch):
		f.Severity, f.Accept = Ignored, "" // it is writable, and nobody writes to it
	case used && (why.Code == ReasonSize || f.Code == CodeKindChanged && (ch.Kind == Data || in.isPerCPU(ch))):
		f.Message += ", and code that travels uses it"
		f = firmly(f)
	}
	return f
}

// sameContent reports whether two objects of different kinds hold the same.
func (in *includer) sameContent(ch *Change) bool {
	return in.c.held(&in.Pre.Atoms[ch.Pre], &in.Post.Atoms[ch.Post]) == nil
}

// dataCode tells the findings about changed data apart.
func dataCode(ch *Change) Code {
	switch {
	case ch.Kind == TLS:
		return CodeTLSChanged
	case ch.Reasons[0].Code == ReasonKind:
		return CodeKindChanged
	case ch.Kind == Const:
		return CodeConstShared
	case ch.Reasons[0].Code == ReasonSize:
		return CodeDataResized
	}
	return CodeDataChanged
}
