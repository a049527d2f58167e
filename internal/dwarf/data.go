package dwarf

import (
	"debug/elf"
	"sync"
	"sync/atomic"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// Data is the debug information of one object. It is safe for concurrent use.
type Data struct {
	info, abbrev, line, str, lineStr, strOffsets, addr, rnglists, ranges section

	linked    bool // see NewLinked
	typeUnits bool
	units     lazy[[]*Unit]
	tables    abbrevTables
	programs  lazy[*Lines]
	index     lazy[*Index]
}

// lazy is a value that is made when it is first asked for.
type lazy[T any] struct {
	once sync.Once
	done atomic.Bool
	v    T
	err  error
}

// ready reports whether the value is there, which most often it is: then no
// function value has to be made for get.
func (l *lazy[T]) ready() bool { return l.done.Load() }

func (l *lazy[T]) get(make func() (T, error)) (T, error) {
	l.once.Do(func() {
		l.v, l.err = make()
		l.done.Store(true)
	})
	return l.v, l.err
}

// New finds the debug sections of an object. It reads none of them.
func New(f *elfobj.File) *Data {
	d := &Data{}
	names := map[string]*section{
		".debug_info": &d.info, ".debug_abbrev": &d.abbrev, ".debug_line": &d.line,
		".debug_str": &d.str, ".debug_line_str": &d.lineStr, ".debug_str_offsets": &d.strOffsets,
		".debug_addr": &d.addr, ".debug_rnglists": &d.rnglists, ".debug_ranges": &d.ranges,
	}
	for name, s := range names {
		s.name, s.file = name, f
	}
	const plain, old = ".debug_", ".zdebug_" // the older GNU form of compressed sections
	for _, s := range f.Sections {
		name := s.Name
		if len(name) > len(old) && name[:len(old)] == old {
			name = plain + name[len(old):]
		}
		if len(name) < len(plain) || name[:len(plain)] != plain {
			continue
		}
		known := names[name]
		d.typeUnits = d.typeUnits || name == ".debug_types" || known == &d.info && known.sec != nil
		if known != nil && (known.sec == nil || known.sec.Flags&elf.SHF_GROUP != 0) { // a type has its section in a group
			known.sec = s
		}
	}
	return d
}

// NewLinked is New for a file that a linker has made: fields hold their values, and
// relocations that the linker has left beside them are not applied. A place has its
// address as the offset, and no section. [Data.EachUnit] and [Data.UnitsWith] read it
// unit by unit.
func NewLinked(f *elfobj.File) *Data {
	d := New(f)
	d.linked = true
	for _, s := range []*section{&d.info, &d.line, &d.strOffsets, &d.addr, &d.rnglists, &d.ranges} {
		s.rels.get(func() (*relocs, error) { return &relocs{}, nil })
	}
	return d
}

// HasTypeUnits reports whether types have units of their own, which are not read.
func (d *Data) HasTypeUnits() bool { return d.typeUnits }

// HasEntries reports whether the object has debugging entries, and HasLines
// whether it has line tables.
func (d *Data) HasEntries() bool { return d.info.sec != nil && d.abbrev.sec != nil }

// HasLines reports whether the object has line tables.
func (d *Data) HasLines() bool { return d.line.sec != nil }
