package types

import (
	"github.com/gosplice/gosplice/elfdiff/finding"
)

// typeCodes are the codes for the kinds of changed meaning.
var typeCodes = map[Kind]finding.Code{
	LayoutChanged:    finding.CodeTypeLayout,
	EnumChanged:      finding.CodeTypeEnum,
	SignatureChanged: finding.CodeTypeSignature,
	ConstantChanged:  finding.CodeTypeConstant,
}

// Finding returns what is to be said about a change of a type: it needs
// judgement when the change matters, and is something to know otherwise. The
// symbol is the name of the type.
func (t *Change) Finding() finding.Finding {
	f := finding.New(typeCodes[t.Kind])
	f.Symbol = t.Name
	f.Message = t.String()[len(t.Name)+len(": "):]
	switch {
	case !t.Matters():
		f.Severity, f.Accept = finding.Ignored, ""
	case t.OnStack:
		f.Severity, f.Accept, f.Hint = finding.Carried, "", ""
	}
	if len(t.Uses) > 0 {
		f.Message += ", used by " + t.Uses[0].Symbol
		if via := t.Uses[0].Via; via != "" {
			f.Message += " (" + via + ")"
		}
	}
	if t.Handed {
		f.Message += "; its address is given to others, who call it as they know it"
	}
	if t.OnStack {
		f.Message += "; it lives on stacks only, and every function with a variable of it is replaced"
	} else if t.Private {
		f.Message += "; every function that uses it has changed"
	}
	return f
}
