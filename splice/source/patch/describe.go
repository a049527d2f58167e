package patch

import (
	"slices"
	"strings"
)

// describe reads what a patch says about itself: headers of a mail, of git show, or of quilt and
// Debian (DEP-3), and the tags in its text.
func (p *Patch) describe(lines []string) {
	h := parseHeader(lines)
	body := lines[h.lines:]
	if len(lines) > 0 {
		commit, logged := loggedCommit(lines)
		if logged {
			h = parseHeader(lines[1:])
			body = lines[1+h.lines:]
		}
		p.Commit = commit
		if !logged {
			p.Commit = mailedCommit(lines[0])
		}
	}
	inner := parseHeader(body)
	if from := inner.get("from"); from != "" { // of the author, when another sends it
		p.Author = decodeWords(from)
	} else {
		p.Author = decodeWords(h.get("author", "from"))
	}
	p.Subject = subjectOf(&h, &inner, body)
	p.tags(lines, h.fields)
	text := p.Name + "\n" + strings.Join(lines, "")
	p.CVEs = cves(text)
	p.Upstream = upstream(lines)
}

// mailedCommit returns the commit of the first line of a mail that git format-patch wrote, "" of others.
func mailedCommit(l string) string {
	rest, _ := strings.CutPrefix(l, "From ")
	commit, _, _ := strings.Cut(rest, " ")
	if !isCommit(commit, 40) || strings.Trim(commit, "0") == "" {
		return ""
	}
	return commit
}

// subjectOf returns the subject, or the first line of the description.
func subjectOf(h, inner *header, body []string) string {
	subject := inner.get("subject")
	if subject == "" {
		subject = h.get("subject")
	}
	if subject == "" {
		subject, _, _ = strings.Cut(h.get("description"), "\n")
	}
	for _, l := range body {
		if subject != "" {
			break
		}
		if l = strings.TrimSpace(l); isRule(l) {
			break
		}
		subject = l
	}
	return withoutPrefix(decodeWords(subject))
}

// isRule reports whether a line separates the text from the diff, or is of the diff.
func isRule(l string) bool {
	return strings.HasPrefix(l, "---") || strings.HasPrefix(l, "Index: ") || strings.HasPrefix(l, "====") || strings.HasPrefix(l, "diff ")
}

// withoutPrefix takes "Re:" and "[PATCH n/m]" off a subject. Other brackets stay: "[media]" is
// part of what it says.
func withoutPrefix(s string) string {
	for {
		s = strings.TrimSpace(s)
		if len(s) > 3 && strings.EqualFold(s[:3], "re:") {
			s = s[3:]
			continue
		}
		tag, rest, ok := strings.Cut(s, "]")
		if !ok || !strings.HasPrefix(tag, "[") || !isPrefix(tag) {
			return s
		}
		s = rest
	}
}

func isPrefix(tag string) bool {
	upper := strings.ToUpper(tag)
	return strings.Contains(upper, "PATCH") || strings.Contains(upper, "RFC") || strings.ContainsFunc(tag, func(r rune) bool { return r >= '0' && r <= '9' }) && strings.Contains(tag, "/")
}

// linkFields are the fields with addresses of where more is said.
var linkFields = []string{"link", "closes", "bug", "origin", "forwarded", "applied-upstream", "references", "buglink"}

// tags reads Fixes: and the addresses, from fields and from lines of the text.
func (p *Patch) tags(lines []string, fields []field) {
	for _, l := range lines {
		if name, value, ok := fieldOf(strings.TrimSpace(l)); ok {
			fields = append(fields, field{name, value})
		}
	}
	for _, f := range fields {
		value := decodeWords(f.value)
		switch {
		case f.name == "fixes" && value != "":
			p.Fixes = appendNew(p.Fixes, value)
		case slices.Contains(linkFields, f.name) || strings.HasPrefix(f.name, "bug-"):
			for word := range strings.FieldsSeq(value) {
				if word = strings.Trim(word, "<>,;()[]"); strings.HasPrefix(word, "https://") || strings.HasPrefix(word, "http://") {
					p.Links = appendNew(p.Links, word)
				}
			}
		}
	}
}

// maxList is how many entries of a kind are kept.
const maxList = 1000

// appendNew appends an entry that is not there.
func appendNew(list []string, s string) []string {
	if len(list) >= maxList || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// cves finds CVE-YEAR-NUMBER in a text, each once.
func cves(text string) []string {
	var out []string
	upper := strings.ToUpper(text)
	for {
		_, rest, ok := strings.Cut(upper, "CVE-")
		if !ok {
			return out
		}
		upper = rest
		year, number := digits(rest), ""
		if len(year) == 4 && strings.HasPrefix(rest[4:], "-") {
			number = digits(rest[5:])
		}
		if len(number) >= 4 {
			out = appendNew(out, "CVE-"+year+"-"+number)
		}
	}
}

// digits returns the digits that a text begins with.
func digits(s string) string {
	return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
}

// upstream finds the commit of the main line, as the stable branches and Debian name it:
// "commit C upstream.", "[ Upstream commit C ]", "Origin: ...?id=C", "(cherry picked from commit C)".
func upstream(lines []string) string {
	for _, l := range lines {
		l = strings.ToLower(strings.TrimSpace(l))
		name, value, _ := fieldOf(l)
		least := 12
		switch {
		case strings.HasPrefix(l, "commit ") && strings.Contains(l, " upstream"),
			strings.HasPrefix(l, "[ upstream commit "), strings.HasPrefix(l, "upstream commit "),
			strings.HasPrefix(l, "(cherry picked from commit "):
		case name == "origin" || name == "applied-upstream":
			l, least = value, 40 // other numbers are in addresses too
		default:
			continue
		}
		for word := range strings.FieldsFuncSeq(l, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'z') }) {
			if isCommit(word, least) {
				return word
			}
		}
	}
	return ""
}

// isCommit reports whether s is a commit, hexadecimal, of at least some digits.
func isCommit(s string, least int) bool {
	return len(s) >= least && len(s) <= 64 && strings.Trim(s, "0123456789abcdef") == ""
}
