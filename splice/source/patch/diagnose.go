package patch

import (
	"fmt"
	"strings"
)

// diagnose finds out why a patch does not apply: whether it is in the tree already, as a whole
// or in part. Where it is not, the error stays what it is.
func (t *Tree) diagnose(p *Patch, e *ApplyError) {
	if e.Code != CodeOtherVersion && e.Code != CodeMissing && e.Code != CodeExists {
		return
	}
	if t.applies(p.Reverse()) {
		e.Code, e.Hunk, e.Differs = CodeApplied, 0, nil
		e.What = "all of it is in the tree already, or it was made in the wrong direction"
		return
	}
	for i := range p.Files {
		if f := &p.Files[i]; t.applies(single(p, f).Reverse()) {
			e.Files = appendNew(e.Files, f.Path())
		}
	}
	switch {
	case len(e.Files) > 0:
		e.Code = CodePartly
		e.What += fmt.Sprintf("; in the tree already: %s", some(e.Files))
	case len(e.Done) > 0:
		e.Code = CodePartly
		e.What += fmt.Sprintf("; hunks of it that are in the tree already: %s", numbers(e.Done))
	}
}

// applies reports whether a patch would apply.
func (t *Tree) applies(p *Patch) bool { return t.stage(p).apply() == nil }

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

// maxDiffers is how many lines that differ are told.
const maxDiffers = 8

// mismatch says what is different where a hunk should be.
func (img *image) mismatch(h *Hunk, number int) *ApplyError {
	e := &ApplyError{Code: CodeOtherVersion, Hunk: number, PatchLine: h.Line}
	old := h.side(Add)
	at, same := img.nearest(old, h.NewLine-1)
	e.Line = min(at+1, len(img.lines))
	e.Differs, e.What = img.differences(old, at), ""
	space := len(e.Differs) > 0
	for _, d := range e.Differs {
		space = space && d.Space
	}
	switch {
	case len(img.lines) == 0:
		e.What = fmt.Sprintf("hunk %d: the file is empty", number)
	case same == len(old):
		e.What = fmt.Sprintf("hunk %d: its lines are at line %d, where it can't be applied: another hunk is there, or it should be at an end of the file", number, e.Line)
	case space:
		e.What = fmt.Sprintf("hunk %d: only white space differs, from line %d on: a mail program or an editor changed the patch", number, e.Differs[0].Line)
	case same*2 < len(old):
		e.What = fmt.Sprintf("hunk %d: its lines are not in the file: most differ, also at line %d", number, e.Line)
	default:
		e.What = fmt.Sprintf("hunk %d, near line %d: %d of %d lines differ, the first at line %d", number, e.Line, len(old)-same, len(old), e.Differs[0].Line)
	}
	return e
}

// maxSearch bounds the comparisons of the search for the nearest place.
const maxSearch = 1 << 26

// nearest returns where most of some lines are at their places, near want, and how many.
func (img *image) nearest(old []string, want int) (at, same int) {
	last := max(len(img.lines)-len(old), 0)
	want = min(max(want, 0), last)
	at, same = want, img.same(old, want)
	for d, work := 1, maxSearch; (want-d >= 0 || want+d <= last) && work > 0; d++ {
		for _, i := range []int{want + d, want - d} {
			if i < 0 || i > last {
				continue
			}
			work -= len(old) + 1
			if n := img.same(old, i); n > same {
				at, same = i, n
			}
		}
	}
	return at, same
}

// same counts the lines that are at their places.
func (img *image) same(old []string, at int) (n int) {
	for i, text := range old {
		if at+i < len(img.lines) && img.lines[at+i].text == text {
			n++
		}
	}
	return n
}

// differences returns the first lines that are others at a place.
func (img *image) differences(old []string, at int) (out []Difference) {
	for i, text := range old {
		d := Difference{Line: at + i + 1, Want: text}
		if at+i < len(img.lines) {
			d.Have = img.lines[at+i].text
		}
		if d.Have == d.Want {
			continue
		}
		d.Space = strings.Join(strings.Fields(d.Have), "") == strings.Join(strings.Fields(d.Want), "")
		if out = append(out, d); len(out) == maxDiffers {
			break
		}
	}
	return out
}
