package patch

import (
	"fmt"
	"slices"
	"strings"
)

// diagnose finds out why a patch does not apply: whether it is in the tree already, as a whole
// or in part. Where it is not, the error stays what it is.
func (t *Tree) diagnose(p *Patch, e *ApplyError) {
	if e.Code != CodeOtherVersion && e.Code != CodeMissing && e.Code != CodeExists {
		return
	}
	work := maxWork / 4
	if t.applies(p.Reverse(), &work) {
		e.Code, e.Hunk, e.Line, e.Differs, e.Done = CodeApplied, 0, 0, nil, nil
		e.What = "all of it is in the tree already, or it was made in the wrong direction"
		return
	}
	for i := range p.Files {
		if f := &p.Files[i]; f.Kind != Mode && t.applies(single(p, f).Reverse(), &work) {
			e.Files = appendNew(e.Files, f.Path())
		}
	}
	switch {
	case len(e.Files) > 0:
		e.Code = CodePartly
		e.What += fmt.Sprintf("; in the tree already: %s", some(e.Files))
	case len(e.Done) > 0:
		e.Code = CodePartly
		e.What += fmt.Sprintf("; hunks of this file that are in the tree already: %s", numbers(e.Done))
	case e.Code == CodeMissing:
		e.What += t.elsewhere(p, e)
	}
}

// applies reports whether a patch would apply. work is what is left of comparisons.
func (t *Tree) applies(p *Patch, work *int) bool {
	s := t.stage(p)
	s.work = *work
	err := s.apply()
	*work = s.work
	return err == nil
}

// single is the part of a patch that is about one file.
func single(p *Patch, f *File) *Patch { return &Patch{Name: p.Name, Files: []File{*f}} }

// some names a few of a list.
func some(list []string) string {
	if n := len(list) - 3; n > 0 {
		return strings.Join(list[:3], ", ") + fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(list, ", ")
}

func numbers(list []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ", "), "[]")
}

// elsewhere says with how many components taken off its names a missing file would be there, ""
// when with none.
func (t *Tree) elsewhere(p *Patch, e *ApplyError) string {
	for n := range 6 {
		q, err := p.WithStrip(n)
		if n == p.Strip || err != nil {
			continue
		}
		for i := range q.Files {
			if p.Files[i].Line != e.PatchLine || q.Files[i].Old == "" {
				continue
			}
			if found, err := t.load(q.Files[i].Old); err == nil && !found.gone {
				return fmt.Sprintf("; with -p%d it would be %s, which is there", n, q.Files[i].Old)
			}
		}
	}
	return ""
}

// mismatch says what is the matter with a hunk of a file that does not apply. Where it is in the
// tree already, the first one after it is meant that is not and does not apply either, if there is one.
func (s *stage) mismatch(f *File, i int, img *image, content []byte) *ApplyError {
	done := s.done(f, content)
	whole := newImage(content)
	for j := i; j < len(f.Hunks); j++ {
		if slices.Contains(done, j+1) {
			continue
		}
		if _, found := whole.find(&f.Hunks[j], &s.work); j > i && !found {
			i, img = j, whole
		}
		break
	}
	e := img.mismatch(&f.Hunks[i], i+1)
	e.Done = done
	return e
}

// done lists the hunks of a file that are in its content already, from 1.
func (s *stage) done(f *File, content []byte) (list []int) {
	img := newImage(content)
	for i := range f.Hunks {
		back := f.Hunks[i].reverse()
		if _, found := img.find(&back, &s.work); found && s.work >= 0 {
			list = append(list, i+1)
		}
	}
	return list
}
