package source

import (
	"fmt"
	"path"
	"strings"

	"github.com/gosplice/gosplice/splice/source/patch"
)

// maxName is the longest name of a module: MODULE_NAME_LEN of include/linux/module.h is 56
// with the end, and livepatch has symbols of its own with the name in them.
const maxName = 50

// ModuleName makes the name of a module of the name of a patch: letters, digits and
// underscores, with prefix before it, and not too long.
func ModuleName(prefix, patchName string) string {
	base := path.Base(strings.ReplaceAll(patchName, "\\", "/"))
	for _, end := range []string{".gz", ".xz", ".patch", ".diff", ".mbox", ".eml"} {
		base = strings.TrimSuffix(base, end)
	}
	var b strings.Builder
	b.WriteString(prefix)
	gap := prefix != "" && !strings.HasSuffix(prefix, "_")
	for _, r := range base {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			if gap && b.Len() > 0 {
				b.WriteByte('_')
			}
			gap = false
			b.WriteRune(r)
			continue
		}
		gap = true
	}
	name := b.String()
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "fix_" + name
	}
	return strings.TrimRight(name[:min(len(name), maxName)], "_")
}

// Names makes the names of the modules of several patches, as [Builder.Each] calls them: each
// another one, with prefix before it.
func Names(prefix string, patches []*patch.Patch) []string {
	taken := map[string]bool{}
	out := make([]string, len(patches))
	for i, p := range patches {
		if p != nil {
			out[i] = uniqueName(ModuleName(prefix, p.Name), taken)
		}
	}
	return out
}

// uniqueName is a name that none of the taken ones is.
func uniqueName(name string, taken map[string]bool) string {
	out := name
	for i := 2; taken[out]; i++ {
		end := fmt.Sprintf("_%d", i)
		out = name[:min(len(name), maxName-len(end))] + end
	}
	taken[out] = true
	return out
}

// describe fills in what the module says of itself from its patches, as far as nobody said
// otherwise: what they fix, and the subject of the only one.
func describe(fixes []string, description string, patches []*patch.Patch) ([]string, string) {
	if len(fixes) == 0 {
		seen := map[string]bool{}
		for _, p := range patches {
			for _, id := range p.CVEs {
				if !seen[id] {
					seen[id] = true
					fixes = append(fixes, id)
				}
			}
		}
	}
	if description == "" {
		switch {
		case len(patches) == 1:
			description = oneLine(patches[0].Subject)
		case len(patches) > 1:
			description = fmt.Sprintf("%d patches: %s, ...", len(patches), oneLine(patches[0].Subject))
		}
	}
	return fixes, description
}

// oneLine is text without line breaks and what a terminal would obey.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
