package patch

import (
	"bytes"
	"slices"
	"strings"
)

// An image is a file that hunks are applied to, as lines.
type image struct {
	lines []imageLine
}

// An imageLine is a line of a file, with its line feed. One that a hunk was about is
// patched: no other hunk of the file can be about it.
type imageLine struct {
	text    string
	patched bool
}

// newImage cuts a file into lines.
func newImage(content []byte) *image {
	img := &image{lines: make([]imageLine, 0, bytes.Count(content, []byte("\n"))+1)}
	for l := range strings.Lines(string(content)) {
		img.lines = append(img.lines, imageLine{text: l})
	}
	return img
}

// size is how long the file is, in bytes.
func (img *image) size() (n int) {
	for i := range img.lines {
		n += len(img.lines[i].text)
	}
	return n
}

// content returns the file.
func (img *image) content() []byte {
	out := make([]byte, 0, img.size())
	for i := range img.lines {
		out = append(out, img.lines[i].text...)
	}
	return out
}

// find says where a hunk belongs, as an index of lines: at the line that it says it
// begins at afterwards, or at the nearest one behind or before it where all old lines are. A hunk that begins
// at line 1 belongs at the beginning of the file, and one without context at its end at the
// end. work is what is left of comparisons; below zero, the answer means nothing.
func (img *image) find(h *Hunk, work *int) (int, bool) {
	at, found := img.search(h, work)
	return at, found && img.fits(h, at)
}

// search is find without a look at what the file becomes.
func (img *image) search(h *Hunk, work *int) (int, bool) {
	old := h.side(Add)
	last := len(img.lines) - len(old)
	if last < 0 {
		return 0, false
	}
	_, trailing := h.context()
	atStart, atEnd := h.OldLine <= 1, trailing == 0
	switch {
	case len(old) == 0 && h.NewLine != len(img.lines)+1 && !(len(img.lines) == 0 && h.NewLine <= 1):
		return 0, false // nothing says where it belongs; git puts it at the end
	case atStart && atEnd && last != 0:
		return 0, false
	case atStart:
		return 0, img.matches(old, 0, work)
	case atEnd:
		return last, img.matches(old, last, work)
	}
	want := min(max(h.NewLine-1, 0), len(img.lines))
	for d := 0; want-d >= 0 || want+d <= last; d++ {
		if *work < 0 {
			return 0, false
		}
		*work -= 2
		if at := want + d; at <= last && img.matches(old, at, work) {
			return at, true
		}
		if at := want - d; at >= 0 && at <= last && img.matches(old, at, work) {
			return at, true
		}
	}
	return 0, false
}

// matches reports whether lines are in the file at an index.
func (img *image) matches(old []string, at int, work *int) bool {
	for i, text := range old {
		l := &img.lines[at+i]
		if l.patched || l.text != text {
			*work -= i + 1
			return false
		}
	}
	*work -= len(old)
	return true
}

// apply puts the new lines of a hunk where its old ones are.
func (img *image) apply(h *Hunk, at int, work *int) {
	old, new := h.side(Add), h.side(Remove)
	put := make([]imageLine, len(new))
	for i, text := range new {
		put[i] = imageLine{text, true}
	}
	if len(old) != len(new) {
		*work -= (len(img.lines) - at) / 64
	}
	img.lines = slices.Replace(img.lines, at, at+len(old), put...)
}

// fits reports whether a hunk leaves the file with a line feed at the end of each line but the last.
func (img *image) fits(h *Hunk, at int) bool {
	old, new := h.side(Add), h.side(Remove)
	if at > 0 && len(new) > 0 && !strings.HasSuffix(img.lines[at-1].text, "\n") {
		return false
	}
	return len(new) == 0 || at+len(old) == len(img.lines) || strings.HasSuffix(new[len(new)-1], "\n")
}
