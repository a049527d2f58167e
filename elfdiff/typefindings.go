package elfdiff

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
