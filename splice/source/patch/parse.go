package patch

import (
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/finding"
)

// A parser goes over the lines of one patch.
type parser struct {
	name  string   // of the patch
	lines []string // with their line feeds
	at    int      // the next line
	first int      // the number of lines[0] in the file, from 1
	// preamble is how many lines there are before the first file.
	preamble int
	files    []File
}

// lineNumber is where the next line is in the file, from 1.
func (p *parser) lineNumber() int { return p.first + p.at }

// line returns a line ahead, "" behind the end.
func (p *parser) line(ahead int) string {
	if p.at+ahead < len(p.lines) {
		return p.lines[p.at+ahead]
	}
	return ""
}

// fail makes an error about a line of the patch.
func (p *parser) fail(code finding.Code, line int, file, format string, args ...any) *ReadError {
	return &ReadError{Code: code, Patch: p.name, File: file, Line: line, What: fmt.Sprintf(format, args...)}
}

// parse reads all files of the patch.
func (p *parser) parse() *ReadError {
	p.preamble = len(p.lines)
	for p.at < len(p.lines) {
		read := p.header()
		if read == nil {
			if err := p.outside(); err != nil {
				return err
			}
			p.at++
			continue
		}
		if len(p.files) == 0 {
			p.preamble = p.at
		}
		if len(p.files) == maxFiles {
			return p.fail(CodeSize, p.lineNumber(), "", "it has more than %d files", maxFiles)
		}
		if err := p.file(read); err != nil {
			return err
		}
	}
	return nil
}

// header returns what reads the header of a file that the next line begins, nil when it
// begins none.
func (p *parser) header() func(*File) *ReadError {
	switch l := p.line(0); {
	case strings.HasPrefix(l, "diff --git "):
		return p.gitHeader
	case strings.HasPrefix(l, "--- ") && strings.HasPrefix(p.line(1), "+++ ") && strings.HasPrefix(p.line(2), "@@ -"):
		return p.plainHeader
	case isBinary(l):
		return p.binaryHeader
	}
	return nil
}

// file reads the header and the hunks of a file.
func (p *parser) file(header func(*File) *ReadError) *ReadError {
	f := File{Line: p.lineNumber()}
	if err := header(&f); err != nil {
		return err
	}
	if isBinary(p.line(0)) {
		f.Kind, f.OldMode, f.NewMode = Binary, 0, 0
		p.files = append(p.files, f)
		p.at++
		return nil
	}
	for strings.HasPrefix(p.line(0), "@@ ") {
		h, err := p.hunk(f.rawPath())
		if err != nil {
			return err
		}
		f.Hunks = append(f.Hunks, *h)
	}
	if err := p.settle(&f); err != nil {
		return err
	}
	p.files = append(p.files, f)
	return p.trailing(f.rawPath())
}

// rawPath is the name for errors, before components are taken off.
func (f *File) rawPath() string {
	name := f.newRaw.text
	if name == "" {
		name = f.oldRaw.text
	}
	return name
}

// settle decides what kind of change a file is, by its hunks too.
func (p *parser) settle(f *File) *ReadError {
	old, new := 0, 0
	for i := range f.Hunks {
		old, new = old+f.Hunks[i].OldCount, new+f.Hunks[i].NewCount
	}
	switch {
	case f.Kind == Created && old > 0:
		return p.fail(CodeFormat, f.Line, f.rawPath(), "it creates the file, but has lines that are there before")
	case f.Kind == Deleted && new > 0:
		return p.fail(CodeFormat, f.Line, f.rawPath(), "it deletes the file, but has lines that are there afterwards")
	case f.Kind != "":
	case len(f.Hunks) > 0:
		f.Kind = Modified
	case f.OldMode != 0 && f.NewMode != 0 && f.OldMode != f.NewMode:
		f.Kind = Mode
	default:
		return p.fail(CodeFormat, f.Line, f.rawPath(), "there is no change of this file")
	}
	f.inferred = f.plain && f.Kind == Modified && old == 0 && len(f.Hunks) == 1
	return nil
}

// outside looks at a line that belongs to no file.
func (p *parser) outside() *ReadError {
	l := p.line(0)
	if strings.HasPrefix(l, "@@ -") {
		if _, ok := parseRanges(l); ok {
			return p.fail(CodeFormat, p.lineNumber(), "", "a hunk without a file")
		}
	}
	return nil
}

// trailing refuses lines that look as if they were of the hunk before, whose header says
// that it has ended.
func (p *parser) trailing(file string) *ReadError {
	for i := 0; p.at+i < len(p.lines); i++ {
		l := strings.TrimRight(p.line(i), "\r\n")
		stray := strings.HasPrefix(l, "+") || strings.HasPrefix(l, "@@") ||
			strings.HasPrefix(l, "-") && !strings.HasPrefix(l, "--") || i == 0 && strings.HasPrefix(l, " ")
		if stray {
			return p.fail(CodeFormat, p.lineNumber()+i, file, "a line of a diff that is in no hunk: counts in the header of a hunk are wrong, or its form is")
		}
		if l != "" {
			return nil
		}
	}
	return nil
}

// plainHeader reads the two lines that a file has in a plain diff.
func (p *parser) plainHeader(f *File) *ReadError {
	oldLine, newLine := strings.TrimPrefix(p.line(0), "--- "), strings.TrimPrefix(p.line(1), "+++ ")
	p.at += 2
	f.plain = true
	first, second := plainName(oldLine), plainName(newLine)
	switch {
	case first == "" || second == "":
		return p.fail(CodeFormat, f.Line, "", "there is no name of a file")
	case first == devNull && second == devNull:
		return p.fail(CodeFormat, f.Line, "", "there is no file on either side")
	case first == devNull || isEpoch(oldLine):
		f.Kind, f.newRaw.text = Created, second
	case second == devNull || isEpoch(newLine):
		f.Kind, f.oldRaw.text = Deleted, first
	default:
		f.oldRaw.text, f.newRaw.text = first, second
	}
	return nil
}
