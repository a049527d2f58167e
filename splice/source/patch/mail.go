package patch

import (
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"
)

// A header is the block of fields that a mail or the description of a patch begins with.
type header struct {
	fields []field
	lines  int // how many lines it has, with the empty one behind it
}

type field struct{ name, value string } // the name in lower case

// get returns the first field of one of the names, in their order.
func (h *header) get(names ...string) string {
	for _, name := range names {
		for _, f := range h.fields {
			if f.name == name {
				return f.value
			}
		}
	}
	return ""
}

// firstFields are the fields that a header can begin with: other words with a colon are the
// text itself, as in "net: fix the length".
var firstFields = map[string]bool{
	"from": true, "author": true, "subject": true, "date": true, "description": true, "origin": true, "bug": true, "forwarded": true,
	"last-update": true, "applied-upstream": true, "reviewed-by": true, "merge": true, "authordate": true, "message-id": true, "to": true,
	"cc": true, "mime-version": true, "content-type": true, "received": true, "return-path": true, "delivered-to": true, "status": true,
}

// startsHeader reports whether a line can be the first one of a header.
func startsHeader(l string) bool {
	name, _, ok := fieldOf(l)
	return ok && (firstFields[name] || strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "bug-"))
}

// parseHeader reads fields from the beginning of a text, after an optional line "From ", up to
// an empty line. A text that begins with anything else has none.
func parseHeader(lines []string) header {
	var h header
	for i, l := range lines {
		l = strings.TrimRight(l, "\r\n")
		name, value, ok := fieldOf(l)
		ok = ok && (len(h.fields) > 0 || startsHeader(l))
		switch {
		case i == 0 && strings.HasPrefix(l, "From "):
		case l == "" && len(h.fields) == 0:
		case l == "":
			h.lines = i + 1
			return h
		case (l[0] == ' ' || l[0] == '\t') && len(h.fields) > 0:
			last := &h.fields[len(h.fields)-1]
			if len(last.value) > maxField {
				continue
			}
			last.value += "\n" + strings.TrimSpace(l)
		case ok:
			h.fields = append(h.fields, field{name, value})
		default:
			h.lines = i
			return h
		}
	}
	h.lines = len(lines)
	return h
}

// maxField is how much of a field of several lines is read, in bytes.
const maxField = 16 << 10

// fieldOf reads "Name: value", where the name has letters, digits and hyphens only.
func fieldOf(l string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(l, ":")
	if !ok || name == "" || len(name) > 40 {
		return "", "", false
	}
	for _, c := range []byte(name) {
		if c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return "", "", false
		}
	}
	return strings.ToLower(name), strings.TrimSpace(value), true
}

// decodeWords reads what headers of mails have instead of letters that are not ASCII, and
// joins lines.
func decodeWords(s string) string {
	s = strings.ReplaceAll(s, "\n", " ")
	if text, err := new(mime.WordDecoder).DecodeHeader(s); err == nil {
		s = text
	}
	return strings.ToValidUTF8(strings.Join(strings.Fields(s), " "), "?")
}

// decode undoes what a mail was encoded with to be sent. Line numbers are those of what was
// in it.
func (pt part) decode(name string) (part, error) {
	h := parseHeader(pt.lines)
	fail := func(what string) (part, error) {
		return part{}, &ReadError{Code: CodeFormat, Patch: name, Line: pt.first, What: what}
	}
	encoding := strings.ToLower(h.get("content-transfer-encoding"))
	multi := strings.HasPrefix(strings.ToLower(h.get("content-type")), "multipart/")
	body := strings.Join(pt.lines[h.lines:], "")
	var decoded []byte
	var err error
	switch {
	case multi && hasEncodedPart(pt.lines[h.lines:]):
		return fail("a mail of several parts that are encoded: save the patch itself")
	case encoding == "quoted-printable":
		decoded, err = io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
	case encoding == "base64":
		decoded, err = io.ReadAll(base64.NewDecoder(base64.StdEncoding, strings.NewReader(body)))
	default:
		return pt, nil
	}
	if err != nil {
		return fail("the mail is encoded wrongly: " + err.Error())
	}
	text := strings.ReplaceAll(string(decoded), "\r\n", "\n")
	lines := pt.lines[:h.lines:h.lines]
	for l := range strings.Lines(text) {
		lines = append(lines, l)
	}
	return part{lines, pt.first}, nil
}

// hasEncodedPart reports whether a part of a mail is encoded.
func hasEncodedPart(lines []string) bool {
	for _, l := range lines {
		name, value, ok := fieldOf(strings.TrimRight(l, "\r\n"))
		value = strings.ToLower(value)
		if ok && name == "content-transfer-encoding" && (value == "base64" || value == "quoted-printable") {
			return true
		}
	}
	return false
}
