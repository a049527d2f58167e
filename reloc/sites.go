package reloc

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/amd64"
)

// A site is a range of code that something rewrites while the program runs, as
// a table in the object says. Its bytes may be those of pre, or one of the
// legal forms.
type site struct {
	off, size uint64 // from the start of the function
	table     *siteTable
}

// siteTable is a section of the object that describes sites: entries of one
// size, each with a reference to the site.
type siteTable struct {
	section string
	entry   uint64 // size of an entry, bytes
	field   uint64 // offset in the entry of the reference to the site
	size    uint64 // bytes of a site
	legal   func(run []byte) bool
	why     string
}

// siteTables has a row for each such section.
var siteTables = [...]siteTable{
	{"__mcount_loc", 8, 0, 5, callOrNop, "function tracing: gcc -mfentry -mrecord-mcount lists calls of a tracer, which are switched on and off"},
}

// callOrNop accepts a site that is switched off, or calls some tracer.
//
//	0f 1f 44 00 00    nopl 0x0(%rax,%rax,1)
//	e8 d32            call tracer
func callOrNop(run []byte) bool {
	return run[0] == 0xe8 || bytes.Equal(run, []byte{0x0f, 0x1f, 0x44, 0x00, 0x00})
}

// findSites reads the tables of pre. Entries that do not lead into a function
// are skipped: they describe nothing that is compared here.
func findSites(pre *elfdiff.Object) map[elfdiff.AtomID][]site {
	sites := make(map[elfdiff.AtomID][]site)
	for i := range siteTables {
		row := &siteTables[i]
		for s := range pre.File.SectionsNamed(row.section) {
			for _, a := range pre.SectionAtoms(s.Index) {
				for j := range a.Refs {
					r := &a.Refs[j]
					g := pre.Atom(r.Target)
					if (a.Offset+r.Offset)%row.entry != row.field || g == nil || g.Kind != elfdiff.Func || r.TargetOff < 0 {
						continue
					}
					if off := uint64(r.TargetOff); off <= g.Size && row.size <= g.Size-off {
						sites[g.ID] = append(sites[g.ID], site{off, row.size, row})
					}
				}
			}
		}
	}
	for id, list := range sites {
		sites[id] = sortSites(list)
	}
	return sites
}

// equalWithSites is equalOutside for a function with sites.
func (m *matcher) equalWithSites(a *elfdiff.Atom, run []byte, sites []site) bool {
	from, next := uint64(0), 0
	upTo := func(end uint64) bool {
		for from < end {
			stop := end
			if next < len(sites) && sites[next].off < end {
				stop = sites[next].off
			}
			if from < stop && !bytes.Equal(a.Bytes[from:stop], run[from:stop]) {
				return false
			}
			if from = max(from, stop); from < end {
				if !m.siteEqual(a, run, &sites[next]) {
					return false
				}
				from = max(from, sites[next].off+sites[next].size)
				next++
			}
		}
		return true
	}
	for i := range a.Refs {
		r := &a.Refs[i]
		if !upTo(r.Offset) {
			return false
		}
		from = max(from, r.Offset+fieldSize(r))
		for next < len(sites) && sites[next].off+sites[next].size <= from {
			next++
		}
	}
	return upTo(a.Size)
}

// siteEqual reports whether a site holds what pre has there, or a legal form.
func (m *matcher) siteEqual(a *elfdiff.Atom, run []byte, s *site) bool {
	return s.table.legal(run[s.off:s.off+s.size]) || m.siteSame(a, run, s)
}

// siteSame reports whether a site holds what pre has there, but for holes.
func (m *matcher) siteSame(a *elfdiff.Atom, run []byte, s *site) bool {
	from, end := s.off, s.off+s.size
	for i := range a.Refs {
		r := &a.Refs[i]
		if r.Offset < from || r.Offset >= end {
			continue
		}
		if !bytes.Equal(a.Bytes[from:r.Offset], run[from:r.Offset]) {
			return false
		}
		from = min(r.Offset+fieldSize(r), end)
	}
	return bytes.Equal(a.Bytes[from:end], run[from:end])
}

// inSite reports whether an offset of a function lies in a site that holds a
// legal form, so that a hole there says nothing about its symbol.
func (m *matcher) inSite(id elfdiff.AtomID, off uint64, run []byte) bool {
	for _, s := range m.sites[id] {
		if off >= s.off && off < s.off+s.size {
			return s.table.legal(run[s.off : s.off+s.size])
		}
	}
	return false
}

// siteRule is the row of the rules that accepts sites.
func siteRule(w *walker, _, _ amd64.Inst) (int, int, bool) {
	for _, s := range w.m.sites[w.a.ID] {
		if n := uint64(len(w.run)); s.off == uint64(w.i) && uint64(w.j)+s.size <= n && s.table.legal(w.run[w.j:w.j+int(s.size)]) {
			w.skipRefs(int(s.size))
			return int(s.size), int(s.size), true
		}
	}
	return 0, 0, false
}

// sortSites orders the sites of a function and drops those that overlap.
func sortSites(list []site) []site {
	slices.SortStableFunc(list, func(a, b site) int { return cmp.Compare(a.off, b.off) })
	end := uint64(0)
	return slices.DeleteFunc(list, func(s site) bool {
		if s.off < end {
			return true
		}
		end = s.off + s.size
		return false
	})
}
