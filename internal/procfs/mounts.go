package procfs

import (
	"bytes"
	"iter"
	"strconv"
	"strings"
)

func overlays(info []byte) []string {
	var out []string
	for m := range mounts(info) {
		if m.kind == "overlay" {
			out = append(out, m.at)
		}
	}
	return out
}

// A mount is a line of mountinfo (proc(5)).
type mount struct {
	root, at string // the folder of the file system that is mounted, and where
	kind     string // of file system
	options  string // of the file system, with commas between them
}

// mounts reads mountinfo.
func mounts(info []byte) iter.Seq[mount] {
	return func(yield func(mount) bool) {
		for line := range bytes.Lines(info) {
			where, what, ok := strings.Cut(string(line), " - ")
			f, g := strings.Fields(where), strings.Fields(what)
			if !ok || len(f) < 5 || len(g) < 3 {
				continue
			}
			if !yield(mount{unescape(f[3]), unescape(f[4]), g[0], g[2]}) {
				return
			}
		}
	}
}

// unescape reads the octal numbers that stand for spaces and the like in names of mounts.
func unescape(s string) string {
	var b strings.Builder
	for {
		head, rest, ok := strings.Cut(s, `\`)
		b.WriteString(head)
		if !ok {
			return b.String()
		}
		if n, err := strconv.ParseUint(rest[:min(3, len(rest))], 8, 8); err == nil && len(rest) >= 3 {
			b.WriteByte(byte(n))
			s = rest[3:]
		} else {
			b.WriteByte('\\')
			s = rest
		}
	}
}
