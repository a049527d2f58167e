package patch

import (
	"strconv"
	"strings"
)

// parseRanges reads "@@ -1,2 +3,4 @@ section".
func parseRanges(l string) (*Hunk, bool) {
	rest, ok := strings.CutPrefix(l, "@@ -")
	if !ok {
		return nil, false
	}
	ranges, section, ok := strings.Cut(rest, " @@")
	if !ok {
		return nil, false
	}
	old, new, ok := strings.Cut(ranges, " +")
	if !ok {
		return nil, false
	}
	h := &Hunk{Section: strings.TrimSpace(section)}
	var ok1, ok2 bool
	h.OldLine, h.OldCount, ok1 = parseRange(old)
	h.NewLine, h.NewCount, ok2 = parseRange(new)
	return h, ok1 && ok2
}

// parseRange reads "1,2", or "1" for one line.
func parseRange(s string) (line, count int, ok bool) {
	first, second, two := strings.Cut(s, ",")
	l, err := strconv.ParseUint(first, 10, 31)
	c, err2 := uint64(1), error(nil)
	if two {
		c, err2 = strconv.ParseUint(second, 10, 31)
	}
	return int(l), int(c), err == nil && err2 == nil && l+c <= maxLine
}

// maxLine is the last line of a file that a hunk can be about.
const maxLine = 1 << 30

// hunk reads a hunk: the header says how many lines it has.
func (p *parser) hunk(file string) (*Hunk, *ReadError) {
	h, ok := parseRanges(p.line(0))
	if !ok {
		return nil, p.fail(CodeFormat, p.lineNumber(), file, "the header of a hunk is not of the form @@ -1,2 +3,4 @@")
	}
	h.Line = p.lineNumber()
	p.at++
	old, new, changes := h.OldCount, h.NewCount, 0
	for old > 0 || new > 0 {
		l, why := p.hunkLine(h)
		if why != "" {
			return nil, p.fail(CodeFormat, p.lineNumber(), file, "%s", why)
		}
		if l.Op != Add {
			old--
		}
		if l.Op != Remove {
			new--
		}
		if l.Op != Keep {
			changes++
		}
		if old < 0 || new < 0 {
			return nil, p.fail(CodeFormat, p.lineNumber(), file, "the header of the hunk at line %d counts other lines than it has", h.Line)
		}
		h.Lines = append(h.Lines, l)
		p.at++
		if old > 0 || new > 0 {
			p.noNewline(h)
		}
	}
	p.noNewline(h)
	switch {
	case changes == 0:
		return nil, p.fail(CodeFormat, h.Line, file, "a hunk that changes nothing")
	case !h.endsOnce():
		return nil, p.fail(CodeFormat, h.Line, file, "a line without line feed that is not the last one")
	}
	return h, nil
}

// hunkLine reads the next line of a hunk.
func (p *parser) hunkLine(h *Hunk) (Line, string) {
	l := p.line(0)
	switch {
	case l == "":
		return Line{}, "the patch ends in the middle of a hunk: it is cut off, or the header counts too many lines"
	case !strings.HasSuffix(l, "\n"):
		return Line{}, "the patch ends without a line feed in the middle of a hunk: it is cut off"
	case l == "\n": // of tools that take white space off the ends of lines
		return Line{Keep, l}, ""
	case strings.IndexByte(" +-", l[0]) < 0:
		return Line{}, "not a line of a hunk: it is wrapped, cut off, or the header at line " + strconv.Itoa(h.Line) + " counts too many lines"
	}
	return Line{Op(l[0]), l[1:]}, ""
}

// noNewline takes the line feed off the last line where the next one says so: "\ No newline
// at end of file", in any language.
func (p *parser) noNewline(h *Hunk) {
	if l := p.line(0); len(l) >= 12 && strings.HasPrefix(l, `\ `) && len(h.Lines) > 0 {
		last := &h.Lines[len(h.Lines)-1]
		last.Text = strings.TrimSuffix(last.Text, "\n")
		p.at++
	}
}

// endsOnce reports whether only the last line of each side is without a line feed, and then
// not empty.
func (h *Hunk) endsOnce() bool {
	for _, without := range []Op{Add, Remove} {
		side := h.side(without)
		for i, text := range side {
			if text == "" || i < len(side)-1 && !strings.HasSuffix(text, "\n") {
				return false
			}
		}
	}
	return true
}
