package patch

import (
	"crypto/sha256"
	"fmt"
	"slices"
)

// Paths lists the files that the patch changes, by the names that they have before and after
// it, each once.
func (p *Patch) Paths() []string {
	var out []string
	for i := range p.Files {
		for _, name := range []string{p.Files[i].Old, p.Files[i].New} {
			if name != "" {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ByFile takes a patch apart: each file's changes become a patch of their own, called NAME:FILE.
// It is for patches that are the difference between two versions, where the files have nothing
// else in common.
func (p *Patch) ByFile() []*Patch {
	var out []*Patch
	at := map[string]int{}
	for i := range p.Files {
		f := &p.Files[i]
		name := f.New
		if name == "" {
			name = f.Old
		}
		k, ok := at[name]
		if !ok {
			k = len(out)
			at[name] = k
			one := *p
			one.Name, one.Files = p.Name+":"+name, nil
			out = append(out, &one)
		}
		out[k].Files = append(out[k].Files, *f)
	}
	for _, one := range out {
		one.Digest = fmt.Sprintf("%x", sha256.Sum256(one.Diff()))
	}
	return out
}
