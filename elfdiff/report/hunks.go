package report

import (
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/internal/web"
)

// touched lists the differences that the code of a function comes from.
func (d *sourceDiff) touched(a, b *reach) []span {
	var out []span
	for _, h := range d.hunks() {
		if a.touches(h.a0, h.a1) || b.touches(h.b0, h.b1) {
			out = append(out, h)
		}
	}
	return out
}

// rows shows differences with the lines around them.
func (d *sourceDiff) rows(list []span) []row {
	var rows []row
	a, last := 0, "" // lines of pre before a are shown
	for k, h := range list {
		lo := h.a0
		for lo > max(a, h.a0-around) && d.match[lo-1] == lo-1+h.b0-h.a0 {
			lo--
		}
		if k > 0 && lo > a || k == 0 && lo > 0 {
			name := d.inside(lo)
			if name == last {
				name = ""
			} else {
				last = name
			}
			rows = append(rows, row{Class: "g", Wide: true, Left: cell{Parts: []part{{Text: strings.TrimSpace("⋯ " + name)}}}, differs: true})
		}
		rows = d.equal(rows, lo, h.a0, h.b0-(h.a0-lo))
		rows = d.hunk(rows, h)
		a = h.a1
		end := min(h.a1+around, len(d.match))
		if k+1 < len(list) {
			end = min(end, list[k+1].a0)
		}
		for a < end && d.match[a] == h.b1+a-h.a1 {
			a++
		}
		rows = d.equal(rows, h.a1, a, h.b1)
	}
	return rows
}

// maxUpward bounds how far up the beginning of a function is looked for.
const maxUpward = 2000

// inside returns the line that the function around a line of pre begins with,
// as diff -p finds it: one that starts with a letter in the first column.
func (d *sourceDiff) inside(pre int) string {
	for i := pre - 1; i >= max(0, pre-maxUpward); i-- {
		line := d.pre.lines[i]
		if line == "" || !isWord(rune(line[0])) || strings.HasSuffix(strings.TrimSpace(line), ":") {
			continue
		}
		return web.Name(strings.TrimRight(line, "{ \t\r"))
	}
	return ""
}

// equal shows lines [lo, hi) of pre, which are those of post from b on.
func (d *sourceDiff) equal(rows []row, lo, hi, b int) []row {
	for i := lo; i < hi; i, b = i+1, b+1 {
		parts := sourceParts(d.pre.lines[i])
		rows = append(rows, row{Left: cell{Off: fmt.Sprint(i + 1), Parts: parts}, Right: cell{Off: fmt.Sprint(b + 1), Parts: parts}, differs: true})
	}
	return rows
}

// hunk shows a difference, line by line as far as both sides have lines.
func (d *sourceDiff) hunk(rows []row, h span) []row {
	for i, j := h.a0, h.b0; i < h.a1 || j < h.b1; i, j = i+1, j+1 {
		r := row{Class: "c", Mark: "|", differs: true}
		var a, b []token
		if i < h.a1 {
			a = tokenize(web.Text(strings.TrimRight(d.pre.lines[i], "\r")))
		}
		if j < h.b1 {
			b = tokenize(web.Text(strings.TrimRight(d.post.lines[j], "\r")))
		}
		switch {
		case i < h.a1 && j < h.b1:
			differLines(a, b)
		case i < h.a1:
			r.Class, r.Mark = "l", "<"
		default:
			r.Class, r.Mark = "r", ">"
		}
		for k := range a {
			a[k].class = ""
		}
		for k := range b {
			b[k].class = ""
		}
		if i < h.a1 {
			r.Left = cell{Off: fmt.Sprint(i + 1), Parts: join(a)}
		}
		if j < h.b1 {
			r.Right = cell{Off: fmt.Sprint(j + 1), Parts: join(b)}
		}
		rows = append(rows, r)
	}
	return rows
}
