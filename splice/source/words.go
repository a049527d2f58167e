package source

import (
	"maps"
	"regexp"
	"strings"

	"github.com/gosplice/gosplice/splice/source/patch"
)

var (
	cWord   = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)
	include = regexp.MustCompile(`^\s*#\s*include\s*["<]([^">]+)[">]`)
)

// cWords are words that are in every patch of C, and tell nothing.
var cWords = []string{
	"auto", "bool", "char", "const", "double", "enum", "extern", "float", "inline", "int", "long", "return", "short", "signed",
	"sizeof", "static", "struct", "typedef", "union", "unsigned", "void", "volatile", "u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "size_t", "if", "else", "for", "while",
}

// lines says which lines of a patch.
type lines int

const (
	changed lines = iota // that it adds or removes
	pasted               // the same, where one of them makes names of others, by ##
	beside               // that stay around these, and the headings of hunks
	within               // of the definitions that it changes, where their source is known
	members              // that it adds or removes: names behind a dot or an arrow there
	kinds
)

// patchWords are the names in each kind of lines of a patch.
type patchWords [kinds]map[string]bool

// wordsOf is wordsIn, found once.
func (e *eachOne) wordsOf(p *patch.Patch) patchWords {
	if _, ok := e.words[p]; !ok {
		e.words[p] = wordsIn(p)
	}
	return e.words[p]
}

// wordsIn returns the names in a patch.
func wordsIn(p *patch.Patch) patchWords {
	var out patchWords
	for k := range out {
		out[k] = map[string]bool{}
	}
	pastes := false
	add := func(in lines, text string) {
		for _, w := range cWord.FindAllString(text, -1) {
			out[in][w] = true
		}
	}
	for i := range p.Files {
		for _, h := range p.Files[i].Hunks {
			add(beside, h.Section)
			for _, l := range h.Lines {
				if l.Op == patch.Keep {
					add(beside, l.Text)
					continue
				}
				add(changed, l.Text)
				for _, m := range selected.FindAllStringSubmatch(l.Text, -1) {
					out[members][m[1]] = true
				}
				pastes = pastes || strings.Contains(l.Text, "##")
			}
		}
	}
	if pastes {
		out[pasted] = maps.Clone(out[changed])
	}
	for k := range out {
		for _, w := range cWords {
			delete(out[k], w)
		}
	}
	return out
}

// ends reports whether a name ends with one of some words, behind a prefix.
func ends(name string, words map[string]bool) bool {
	for _, rest, ok := strings.Cut(name, "_"); ok; _, rest, ok = strings.Cut(rest, "_") {
		if words[rest] {
			return true
		}
	}
	return false
}
