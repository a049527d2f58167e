package patch

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"slices"
)

// A Patch is one change of a source tree, and what it says about itself.
type Patch struct {
	// Name is that of the file that it was read from, with #N where that has several.
	Name string
	// Of is the name of the patch that [Patch.ByFile] took it out of, "" for a whole one.
	Of string
	// Subject is its first line, without [PATCH n/m]; "" when it does not say.
	Subject string
	Author  string // "Name <address>", "" when it does not say
	// Commit is the commit that it was made of, hexadecimal; "" when it does not say.
	Commit string
	// Upstream is the commit of the main line that it carries over, "" when it does not say.
	Upstream string
	CVEs     []string // CVE-YEAR-NUMBER, anywhere in its text or its name
	Fixes    []string // its tags Fixes:, as they are: COMMIT ("subject")
	Links    []string // addresses of its fields Link, Bug, Closes, Origin and the like
	// Strip is how many components are taken off the front of its names (-p), see [Patch.WithStrip].
	Strip int
	Files []File // in order; a path can be there twice
	// Digest is the SHA-256 of its diff, hexadecimal: of what it does, without the text around it.
	Digest string
}

// A Kind says what becomes of a file.
type Kind string

// The kinds of changes.
const (
	Modified Kind = "modified"
	Created  Kind = "created"
	Deleted  Kind = "deleted"
	Renamed  Kind = "renamed" // and perhaps modified
	Copied   Kind = "copied"  // and perhaps modified
	Mode     Kind = "mode"    // only its mode is another
	Binary   Kind = "binary"  // it is not of text: such a patch is read, and not applied ([CodeBinary])
)

// A File is the change of one file.
type File struct {
	// Old is its path before, "" when it is created; New its path after, "" when it is
	// deleted. They have slashes, and are relative to the tree.
	Old, New string
	Kind     Kind
	// OldMode and NewMode are its permissions before and after, 0 where the patch does not say.
	OldMode, NewMode fs.FileMode
	Hunks            []Hunk
	// Line is where its part of the patch begins, from 1.
	Line int

	// oldRaw and newRaw are its names as the patch has them, before components are taken off.
	oldRaw, newRaw rawName
	plain          bool // of a plain diff, not one of git
	// inferred is set where a plain diff does not say whether there is a file before.
	inferred bool
	// uncopied is, in the reverse of a copy, the file that is left and has the same content.
	uncopied string
}

// Path is what the file is called after the patch, or before it where it is deleted.
func (f *File) Path() string {
	if f.New == "" {
		return f.Old
	}
	return f.New
}

// A Hunk is a range of lines and what becomes of them.
type Hunk struct {
	// OldLine and NewLine are where it says to begin in the file before and after, from 1, and
	// 0 for a file that is not there. OldCount and NewCount are how many lines it has there.
	OldLine, OldCount int
	NewLine, NewCount int
	Section           string // what stands behind the second @@: the function, mostly
	Lines             []Line
	// Line is where its header is in the patch, from 1.
	Line int
}

// A Line is a line of a hunk.
type Line struct {
	Op   Op
	Text string // with its line feed; without one when the file ends without
}

// An Op says what becomes of a line.
type Op byte

// The operations, as a diff has them.
const (
	Keep   Op = ' ' // context
	Remove Op = '-'
	Add    Op = '+'
)

// context counts the lines of context at the beginning and the end of a hunk.
func (h *Hunk) context() (leading, trailing int) {
	for leading < len(h.Lines) && h.Lines[leading].Op == Keep {
		leading++
	}
	for trailing < len(h.Lines)-leading && h.Lines[len(h.Lines)-1-trailing].Op == Keep {
		trailing++
	}
	return leading, trailing
}

// side returns the lines before (without Add) or after (without Remove).
func (h *Hunk) side(without Op) []string {
	out := make([]string, 0, len(h.Lines))
	for _, l := range h.Lines {
		if l.Op != without {
			out = append(out, l.Text)
		}
	}
	return out
}

// WithStrip returns the patch with n components taken off the front of its names, as
// -pN says: 1 is what diffs of git have, a/ and b/. The error is a [*ReadError], where a name
// has no more than that, or is refused.
func (p *Patch) WithStrip(n int) (*Patch, error) {
	q := *p
	q.Strip, q.Files = n, slices.Clone(p.Files)
	for i := range q.Files {
		if err := q.Files[i].strip(n); err != nil {
			err.Patch = p.Name
			return nil, err
		}
	}
	q.Digest = q.digest()
	return &q, nil
}

// digest is the SHA-256 of the patch in the form of [Patch.Diff].
func (p *Patch) digest() string {
	sum := sha256.Sum256(p.Diff())
	return hex.EncodeToString(sum[:])
}
