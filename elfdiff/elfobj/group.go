package elfobj

import "debug/elf"

// A Group is a section group (gABI "Section Groups"): sections that the linker
// keeps or drops together.
type Group struct {
	Section   SectionIndex   // the SHT_GROUP section itself
	Signature SymbolIndex    // its name tells groups apart; of a section symbol, the section's name
	Flags     uint32         // GroupComdat, or more
	Members   []SectionIndex // in file order
}

// GroupComdat is the flag of groups of which only one of each signature is
// kept: GRP_COMDAT in the gABI.
const GroupComdat uint32 = 1

// Groups returns the section groups in file order. The slice is shared and
// must not be changed. A signature or a member out of range is a
// [*FormatError].
func (f *File) Groups() ([]Group, error) { return f.groups.get(f.parseGroups) }

func (f *File) parseGroups() ([]Group, error) {
	var groups []Group
	for _, s := range f.Sections {
		if s.Type != elf.SHT_GROUP {
			continue
		}
		g, err := f.parseGroup(s)
		if err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	return groups, nil
}

func (f *File) parseGroup(s *Section) (Group, error) {
	nsyms, err := f.linkedSymbols(s)
	if err != nil {
		return Group{}, err
	}
	if uint64(s.Info) >= nsyms {
		return Group{}, f.fail(s, s.Offset, "sh_info: signature is symbol %d of %d", s.Info, nsyms)
	}
	b, err := s.table(wordSize)
	if err != nil {
		return Group{}, err
	}
	if len(b) == 0 {
		return Group{}, f.fail(s, s.Offset, "group without flags")
	}
	g := Group{Section: s.Index, Signature: SymbolIndex(s.Info), Flags: le.Uint32(b)}
	g.Members = make([]SectionIndex, len(b)/wordSize-1)
	for i := range g.Members {
		off := (i + 1) * wordSize
		m := SectionIndex(le.Uint32(b[off:]))
		if f.Section(m) == nil || m == s.Index {
			return Group{}, f.fail(s, s.Offset+uint64(off), "member %d: section %d of %d", i, m, len(f.Sections))
		}
		g.Members[i] = m
	}
	return g, nil
}
