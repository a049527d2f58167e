package elfdiff

// typeCodes are the codes for the kinds of changed meaning.
var typeCodes = map[TypeChangeKind]Code{
	LayoutChanged:    CodeTypeLayout,
	EnumChanged:      CodeTypeEnum,
	SignatureChanged: CodeTypeSignature,
	ConstantChanged:  CodeTypeConstant,
}

// Finding returns what is to be said about a change of a type: it needs
// judgement when the change matters, and is something to know otherwise. The
// symbol is the name of the type.
func (t *TypeChange) Finding() Finding {
	f := newFinding(typeCodes[t.Kind])
	f.Symbol = t.Name
	f.Message = t.String()[len(t.Name)+len(": "):]
	switch {
	case !t.Matters():
		f.Severity, f.Accept = Ignored, ""
	case t.OnStack:
		f.Severity, f.Accept, f.Hint = Carried, "", ""
	}
	if len(t.Uses) > 0 {
		f.Message += ", used by " + t.Uses[0].Symbol
		if via := t.Uses[0].Via; via != "" {
			f.Message += " (" + via + ")"
		}
	}
	if t.OnStack {
		f.Message += "; it lives on stacks only, and every function with a variable of it is replaced"
	} else if t.Private {
		f.Message += "; every function that uses it has changed"
	}
	return f
}

// meaning reports the types that changed in a way that matters.
func (j *judge) meaning() {
	for _, f := range j.typeFindings() {
		j.report(f)
	}
}

func (d *Diff) typeFindings() []Finding {
	list, err := d.Types()
	if err != nil {
		f := newFinding(CodeNoTypes)
		f.Message = err.Error()
		return []Finding{f}
	}
	var out []Finding
	for i := range list {
		if list[i].Matters() {
			out = append(out, list[i].Finding())
		}
	}
	return out
}

// TypeFindings returns what [Options].Types would have reported, for a target that
// has to know it: nothing when the comparison had that option, since its findings
// and refusals are in the diff.
func (d *Diff) TypeFindings() []Finding {
	if d.typed {
		return nil
	}
	return d.typeFindings()
}
