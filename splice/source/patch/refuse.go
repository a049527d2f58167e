package patch

import (
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/visible"
)

// Why a patch is refused.
const (
	// While it is read.
	CodeFormat finding.Code = "patch-format" // it is damaged, or not a patch
	CodePath   finding.Code = "patch-path"   // a name that leaves the tree, or leads through a symbolic link
	CodeBinary finding.Code = "patch-binary" // a binary file
	CodeType   finding.Code = "patch-type"   // a symbolic link, a submodule, or a folder where a file should be
	CodeSize   finding.Code = "patch-size"   // beyond what is read, or takes too long

	// When it is applied.
	CodeApplied      finding.Code = "patch-applied"       // all of it is in the tree already; or it was made in the wrong direction
	CodePartly       finding.Code = "patch-partly"        // some of it is in the tree already
	CodeOtherVersion finding.Code = "patch-other-version" // what it changes, or the lines around, are others
	CodeMissing      finding.Code = "patch-missing"       // a file that it changes is not there
	CodeExists       finding.Code = "patch-exists"        // a file that it creates is there, with another content
)

var hints = map[finding.Code]string{
	CodeFormat:       "make it anew with git format-patch or git diff; mail programs and editors change white space, wrap lines and leave counts wrong",
	CodePath:         "make it with git diff at the top of the source, or say how many components to take off its names (-pN)",
	CodeBinary:       "leave this file out of the patch: nothing of it is compiled",
	CodeType:         "leave this file out of the patch, or change the file that it leads to",
	CodeSize:         "give it in parts, one change each",
	CodeApplied:      "leave it out; if the tree lacks it, it was made in the wrong direction: make it with the old version first",
	CodePartly:       "leave out what the tree has already, or start from the source that it was made for",
	CodeOtherVersion: "take the patch for this version (a stable branch may have one), or those that come before it in its series; its author merges it with git am -3",
	CodeMissing:      "look whether the source is of the version that the patch is for, and whether -pN is right",
	CodeExists:       "leave the file out of the patch, or start from the source that it was made for",
}

// A ReadError says what is wrong with a patch. It is a refusal, and its Code.
type ReadError struct {
	Code  finding.Code
	Patch string // its name
	File  string // the path in question, "" when it is about the patch as a whole
	Line  int    // of the patch, from 1; 0 when no line is meant
	What  string
}

// Error returns all of it on one line, without the hint.
func (e *ReadError) Error() string { return e.Refusal().Error() }

// Refusal returns it as a refusal, with a hint.
func (e *ReadError) Refusal() *finding.Refusal {
	return refusal(e.Code, e.File, place(e.Patch, e.Line)+e.What)
}

// Unwrap returns the refusal, so that errors.Is and finding.Refusals find it.
func (e *ReadError) Unwrap() error { return e.Refusal() }

// An ApplyError says why a patch does not apply. It is a refusal, and its Code. The tree is
// as it was.
type ApplyError struct {
	Code  finding.Code
	Patch string // its name
	File  string // the file in the tree
	// Hunk is the first one of the file that does not apply, from 1; 0 when it is about the
	// file as a whole. PatchLine is where it, or the file, begins in the patch, from 1.
	Hunk, PatchLine int
	// Line is where in the file of the tree it should be, or nearly is, from 1; 0 when nowhere.
	Line int
	What string
	// Differs are the first lines that are others, for [CodeOtherVersion]. Those that differ
	// in white space only are marked, since it is mostly a mail program that did it.
	Differs []Difference
	// Done are the hunks of this file that are in the tree already, from 1, in order.
	Done []int
	// Files are the paths that are patched already, for [CodePartly].
	Files []string
}

// A Difference is a line that a hunk wants and the tree has not.
type Difference struct {
	Line int // in the file of the tree, from 1
	// Want is the line of the patch, Have that of the tree, with their line feeds; "" where one
	// of them has a line less.
	Want, Have string
	Space      bool // they differ in white space only
}

// Error returns all of it on one line, without the hint.
func (e *ApplyError) Error() string { return e.Refusal().Error() }

// Refusal returns it as a refusal, with a hint.
func (e *ApplyError) Refusal() *finding.Refusal {
	return refusal(e.Code, e.File, place(e.Patch, e.PatchLine)+e.What)
}

// Unwrap returns the refusal, so that errors.Is and finding.Refusals find it.
func (e *ApplyError) Unwrap() error { return e.Refusal() }

// Detail returns the lines that differ, one a line, as the patch (-) and the tree (+) have
// them; "" when there are none.
func (e *ApplyError) Detail() string {
	var b strings.Builder
	for _, d := range e.Differs {
		fmt.Fprintf(&b, "%6d patch: %s\n%6s tree:  %s\n", d.Line, d.shown(d.Want), "", d.shown(d.Have))
	}
	return b.String()
}

// shown is a line for a terminal. Tabs are told from spaces only where that matters.
func (d *Difference) shown(s string) string {
	text, ok := strings.CutSuffix(s, "\n")
	if !d.Space {
		text = strings.ReplaceAll(text, "\t", "        ")
	}
	switch {
	case s == "":
		return "(no line)"
	case !ok:
		return visible.Text(text) + " (without line feed)"
	}
	return visible.Text(text)
}

func refusal(code finding.Code, file, what string) *finding.Refusal {
	r := finding.Refuse(code, file, "", 0, "%s", what)
	r.Hint = hints[code]
	return r
}

// place is a line of a patch for a message.
func place(patch string, line int) string {
	switch {
	case patch == "":
		return ""
	case line == 0:
		return patch + ": "
	}
	return fmt.Sprintf("%s:%d: ", patch, line)
}
