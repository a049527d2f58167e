package patch

import "slices"

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
// What is renamed or copied stays together with changes of the file that it comes from, which
// would not be as it was before. It is for patches that are the difference between two versions,
// where the files have nothing else in common.
func (p *Patch) ByFile() []*Patch {
	home := map[string]string{} // a path, and another one that it stays together with
	find := func(name string) string {
		for home[name] != "" && home[name] != name {
			name = home[name]
		}
		return name
	}
	for i := range p.Files {
		if f := &p.Files[i]; f.Old != "" && f.New != "" && f.Old != f.New {
			home[find(f.Old)] = find(f.New)
		}
	}
	var out []*Patch
	at := map[string]*Patch{}
	for i := range p.Files {
		f := &p.Files[i]
		key := find(f.Path())
		one := at[key]
		if one == nil {
			copied := *p
			one = &copied
			one.Name, one.Of, one.Files = p.Name+":"+f.Path(), p.Name, nil
			at[key], out = one, append(out, one)
		}
		one.Files = append(one.Files, *f)
	}
	for _, one := range out {
		one.Digest = one.digest()
	}
	return out
}
