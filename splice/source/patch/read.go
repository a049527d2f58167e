package patch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// What is read at most.
const (
	maxPatch = 128 << 20 // of a file of patches, in bytes
	maxLines = 1 << 22   // of a file of patches: short ones cost more than their bytes
	maxFile  = 64 << 20  // of a file of the tree, in bytes
	maxFiles = 1 << 18   // in one patch
	maxWork  = 1 << 28   // comparisons of lines to apply one patch, some seconds
)

// Read reads the patches of a file in whatever format: one or, of a mailbox, of git log -p, or
// of several mails one after the other, as many as there are. name is for errors, and becomes
// [Patch].Name. One component is taken off the names (a/ and b/), none where no name has
// a folder, and more where old and new names are the same only then, see [Patch.WithStrip]. Parts without a diff, such as the cover letter of a series, are left out.
//
// The error is a [*ReadError] where the patch is at fault: also where there is no diff at all.
func Read(name string, r io.Reader) ([]*Patch, error) {
	if r == nil {
		return nil, errors.New("read patch: nothing is given")
	}
	return read(name, r, -1)
}

// read is Read with components to take off, -1 to find that out.
func read(name string, r io.Reader, strip int) ([]*Patch, error) {
	text, err := readAll(name, r)
	if err != nil {
		return nil, err
	}
	var patches []*Patch
	for _, part := range split(text) {
		p, err := part.read(name, strip)
		if err != nil {
			return nil, err
		}
		if p != nil {
			patches = append(patches, p)
		}
	}
	if len(patches) == 0 {
		return nil, &ReadError{Code: CodeFormat, Patch: name, What: "there is no diff in it"}
	}
	if len(patches) > 1 {
		for i, p := range patches {
			p.Name = fmt.Sprintf("%s#%d", name, i+1)
		}
	}
	return patches, nil
}

// ReadFiles reads the patches of files, in order. Errors are those of [Read] and of package os.
func ReadFiles(paths ...string) ([]*Patch, error) {
	var all []*Patch
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		patches, err := Read(path, f)
		f.Close()
		if err != nil {
			return nil, err
		}
		all = append(all, patches...)
	}
	return all, nil
}

// packed are the first bytes of formats that hold patches compressed.
var packed = map[string]string{"\x1f\x8b": "gunzip", "\xfd7zXZ\x00": "unxz", "BZh": "bunzip2", "\x28\xb5\x2f\xfd": "unzstd"}

// readAll reads the whole text, as far as it is read.
func readAll(name string, r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxPatch+1))
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if len(b) > maxPatch {
		return "", &ReadError{Code: CodeSize, Patch: name, What: fmt.Sprintf("it is larger than %d MiB", maxPatch>>20)}
	}
	if bytes.Count(b, []byte("\n")) > maxLines {
		return "", &ReadError{Code: CodeSize, Patch: name, What: fmt.Sprintf("it has more than %d lines", maxLines)}
	}
	for magic, tool := range packed {
		if bytes.HasPrefix(b, []byte(magic)) {
			return "", &ReadError{Code: CodeFormat, Patch: name, What: "it is compressed: unpack it with " + tool}
		}
	}
	return string(b), nil
}

// A part is the text of one patch among several in a file.
type part struct {
	lines []string
	first int // the number of the first line in the file, from 1
}

// split cuts a text where a new mail or a new commit begins.
func split(text string) []part {
	lines := slices.Collect(strings.Lines(text))
	var parts []part
	from := 0
	for i := 1; i < len(lines); i++ {
		if startsPatch(lines[i:]) {
			parts = append(parts, part{lines[from:i:i], from + 1})
			from = i
		}
	}
	return append(parts, part{lines[from:], from + 1})
}

// startsPatch reports whether a mail of a mailbox begins here, or a commit in git log.
func startsPatch(lines []string) bool {
	if _, ok := loggedCommit(lines); ok {
		return true
	}
	rest, ok := strings.CutPrefix(lines[0], "From ")
	return ok && isMailStart(rest)
}

// loggedCommit returns the commit of the first line that git log and git show have, "commit C" and perhaps
// names in parentheses, followed by fields.
func loggedCommit(lines []string) (string, bool) {
	rest, ok := strings.CutPrefix(lines[0], "commit ")
	if !ok || len(lines) < 2 || !startsHeader(lines[1]) {
		return "", false
	}
	commit, names, _ := strings.Cut(strings.TrimRight(rest, "\r\n"), " ")
	return commit, isCommit(commit, 40) && (names == "" || strings.HasPrefix(names, "("))
}

// isMailStart reports whether a line of a mailbox, without its "From ", has a time as such lines
// have: From a@b Mon Sep 17 00:00:00 2001.
func isMailStart(s string) bool {
	words := strings.Fields(s)
	for i := 1; i+4 < len(words); i++ {
		day, month, hour := words[i], words[i+1], words[i+3]
		if len(day) == 3 && len(month) == 3 && strings.Count(hour, ":") >= 1 && strings.Contains("Mon Tue Wed Thu Fri Sat Sun", day) {
			return true
		}
	}
	return false
}

// read reads the patch of a part, nil where there is no diff.
func (pt part) read(name string, strip int) (*Patch, error) {
	pt, err := pt.decode(name)
	if err != nil {
		return nil, err
	}
	ps := parser{name: name, lines: pt.lines, first: pt.first}
	if err := ps.parse(); err != nil {
		return nil, err
	}
	if len(ps.files) == 0 {
		return nil, nil
	}
	p := &Patch{Name: name, Files: ps.files}
	p.describe(pt.lines[:ps.preamble])
	if strip < 0 {
		return p.found()
	}
	return p.WithStrip(strip)
}

// found returns the patch with as many components taken off its names as it is made for: one,
// none where there is no folder in them, more where the names before and after are the same
// only then, as git diff --no-index makes them of two folders.
func (p *Patch) found() (*Patch, error) {
	least := 1
	if flat(p.Files) {
		least = 0
	}
	q, err := p.WithStrip(least)
	for n := least + 1; n <= 4; n++ {
		var e *ReadError
		if !errors.As(err, &e) || e.Code != CodeFormat {
			break
		}
		if more, err := p.WithStrip(n); err == nil {
			return more, nil
		}
	}
	return q, err
}

// flat reports whether no name of plain diffs has a folder: then there is nothing to take off.
func flat(files []File) bool {
	for i := range files {
		for _, raw := range []rawName{files[i].oldRaw, files[i].newRaw} {
			if raw.bare || strings.Contains(raw.text, "/") {
				return false
			}
		}
	}
	return true
}
