package program

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// made are files that objects are made of, and that the source does not have: the build makes
// them.
type made struct {
	paths []string // of the build
	last  time.Time
}

// findMade finds them, once.
func (b *Builder) findMade() *made {
	if b.made != nil {
		return b.made
	}
	b.made = &made{}
	seen := map[string]bool{}
	for i := range b.pre.Units {
		for _, d := range b.pre.Units[i].Deps {
			if seen[d] || b.pre.At(d) == d {
				continue
			}
			seen[d] = true
			if _, err := os.Lstat(filepath.Join(b.source.Dir, b.pre.Rel(d))); err == nil {
				continue
			}
			st, err := os.Stat(b.pre.At(d))
			if err != nil {
				continue // it is gone since
			}
			b.made.paths = append(b.made.paths, d)
			if st.ModTime().After(b.made.last) {
				b.made.last = st.ModTime()
			}
		}
	}
	return b.made
}

// generates says why source may be made by what a unit ends up in: text that is compiled later, or
// a program that the build runs. One that is younger than all files that were made has made none;
// "" is for what has not.
func (b *Builder) generates(unit int) string {
	u := &b.pre.Units[unit]
	if u.Generates {
		return b.pre.Rel(u.Object) + " is made of it, and may be compiled"
	}
	for _, path := range outputsOf(b.pre, unit) {
		st, err := os.Stat(b.pre.At(path))
		if err != nil || strings.Contains(filepath.Base(path), ".so") || st.ModTime().After(b.findMade().last) {
			continue
		}
		return b.pre.Rel(path) + " may make source when the build runs it"
	}
	return ""
}

// shortest is the length of a line that is not found in another file by chance, in bytes.
const shortest = 20

// copied says why one of some files of the source may be part of one that the build makes: a copy in
// another folder, or several files in one. These have its longest line. "" is for no such file. Each
// file that was made is read once.
func (b *Builder) copied(names []string) string {
	lines := make([][]byte, len(names))
	for i, name := range names {
		lines[i] = b.longest(name)
	}
	first, why := len(names), ""
	for _, d := range b.findMade().paths {
		if first == 0 {
			break
		}
		text, err := os.ReadFile(b.pre.At(d))
		if err != nil {
			continue
		}
		for i, line := range lines[:first] {
			if len(line) > 0 && bytes.Contains(text, line) {
				first, why = i, b.pre.Rel(d)+", which the build makes, has text of it"
				break
			}
		}
	}
	return why
}

// longest is the longest line of a file of the source, or all of it where that is short; nil for one
// that is new.
func (b *Builder) longest(name string) []byte {
	text, err := os.ReadFile(filepath.Join(b.source.Dir, name))
	if err != nil {
		return nil
	}
	var line []byte
	for l := range bytes.Lines(text) {
		if l = bytes.TrimSpace(l); len(l) > len(line) {
			line = l
		}
	}
	if len(line) < shortest {
		return bytes.TrimSpace(text)
	}
	return line
}
