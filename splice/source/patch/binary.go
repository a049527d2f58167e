package patch

import "strings"

// What a diff has in the place of hunks for a file that is not of text.
const (
	gitBinary   = "GIT binary patch"
	binaryFiles = "Binary files "
	binaryAnd   = " and "
	binaryEnd   = " differ"
)

// isBinary reports whether a line says that a file is not of text.
func isBinary(l string) bool {
	l = strings.TrimRight(l, "\r\n")
	return l == gitBinary || strings.HasPrefix(l, binaryFiles) && strings.HasSuffix(l, binaryEnd)
}

// binaryHeader reads the line that a plain diff has for a binary file. It is left to be read
// as what is in the place of hunks.
func (p *parser) binaryHeader(f *File) *ReadError {
	old, new := binaryNames(strings.TrimRight(p.line(0), "\r\n"))
	if old == "" {
		return p.fail(CodeBinary, f.Line, "", "the patch changes a binary file, and its name can't be told: %s", strings.TrimSpace(p.line(0)))
	}
	f.plain = true
	for _, side := range []struct {
		name string
		raw  *rawName
	}{{old, &f.oldRaw}, {new, &f.newRaw}} {
		if side.name != devNull {
			side.raw.text = side.name
		}
	}
	return nil
}

// binaryNames returns the two names of "Binary files OLD and NEW differ", which are not quoted:
// they are told apart where both are of one file, or one is none. "" when they can't be.
func binaryNames(l string) (string, string) {
	l, ok := strings.CutPrefix(l, binaryFiles)
	l, end := strings.CutSuffix(l, binaryEnd)
	if !ok || !end {
		return "", ""
	}
	for i := range l {
		rest, ok := strings.CutPrefix(l[i:], binaryAnd)
		if old := l[:i]; ok && ofOneFile(old, rest) {
			return old, rest
		}
	}
	return "", ""
}

// ofOneFile reports whether two names are of one file but for their first folder, or one of them
// is none.
func ofOneFile(old, new string) bool {
	if old == devNull || new == devNull {
		return old != new && old != "" && new != ""
	}
	_, a, oka := strings.Cut(old, "/")
	_, b, okb := strings.Cut(new, "/")
	return oka && okb && a == b && a != ""
}
