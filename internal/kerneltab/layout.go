package kerneltab

import "cmp"

// A Layout says what an entry of a table looks like in one generation of kernels.
type Layout struct {
	Size     uint64 // of an entry, bytes; 0 when it depends on options of the kernel that nothing here knows
	Last     uint64 // of the last entry, where nothing fills it up; 0 means Size
	Versions string // of Linux in which it was seen; for people
	Struct   string // of the kernel, by which BTF knows it
	Fields   Fields
	Points   *Layout // of what the field Record points to
	Rows     string  // section with one row for each entry
	Code     string  // section that the field Replacement refers to
}

// A Role says what a field of an entry is for.
type Role uint8

const (
	At                Role = iota // the place in code that the entry is about
	Target                        // where execution goes on, or may go on
	Replacement                   // code that may replace what stands at the place
	Key                           // what decides: a static key, a static call's key
	Length                        // number of bytes at the place
	ReplacementLength             // number of bytes of Replacement
	Feature                       // of the processor
	Flags                         // bits that say more of the entry
	Number                        // a number whose meaning only the kernel's handler knows
	Handler                       // a function that goes on
	Line                          // in the source
	File                          // name of the source file
	Format                        // of a message
	Record                        // address of something described by [Layout.Points]
	Value                         // what a symbol means
	Name
	Namespace
	roles
)

// Fields are the fields of an entry, by role.
type Fields [roles]Field

// A Field is a part of an entry.
type Field struct {
	Offset, Size uint64 // in the entry, bytes; Size is 0 for a field that the layout does not have
	Ref          Ref
	Mask         uint64 // the bits of it that count; 0 means all
	Member       string // of the structure, by which BTF knows it
}

// A Ref says how a field refers to a place.
type Ref uint8

const (
	NoRef      Ref = iota // it does not: a number
	Relative32            // four bytes, signed, counted from the field itself
	Relative64            // eight bytes, likewise
	Absolute              // eight bytes: an address
)

// Has reports whether the layout has a field.
func (l *Layout) Has(r Role) bool { return l != nil && l.Fields[r].Size > 0 }

// End returns the offset behind a field, bytes.
func (f *Field) End() uint64 { return f.Offset + f.Size }

// Bits returns the bits of a field that count.
func (f *Field) Bits() uint64 {
	if f.Mask != 0 {
		return f.Mask
	}
	return 1<<(8*f.Size) - 1 // 8 bytes: the shift leaves 0, and 0-1 is all
}

// Content returns how many bytes of an entry say something: what is behind these in all
// but the last one fills it up.
func (l *Layout) Content() uint64 { return cmp.Or(l.Last, l.Size) }

// Count returns the number of entries in a table of so many bytes; ok is false when it
// does not consist of whole ones.
func (l *Layout) Count(size uint64) (n uint64, ok bool) {
	if l.Size == 0 {
		return 0, size == 0
	}
	rest := size % l.Size
	return (size + l.Size - 1) / l.Size, rest == 0 || rest == l.Last
}

// Layout returns the first layout whose entries have a size, in bytes, or nil.
func (s *Section) Layout(size uint64) *Layout {
	if s == nil {
		return nil
	}
	for i := range s.Layouts {
		if s.Layouts[i].Size == size {
			return &s.Layouts[i]
		}
	}
	return nil
}

// Usual returns the first layout, which is that of most kernels; nil when none is
// known.
func (s *Section) Usual() *Layout {
	if s == nil || len(s.Layouts) == 0 {
		return nil
	}
	return &s.Layouts[0]
}

// Entry returns the size of the entries of a table that has one layout; 0 when it
// has none, or several.
func (s *Section) Entry() uint64 {
	if s == nil || len(s.Layouts) == 0 {
		return 0
	}
	for i := range s.Layouts {
		if s.Layouts[i].Size != s.Layouts[0].Size {
			return 0
		}
	}
	return s.Layouts[0].Size
}

// place returns the fields of an entry that begins with a reference to the place
// that it is about.
func place(how Ref) Fields {
	if how == Absolute {
		return Fields{At: {Size: 8, Ref: how}}
	}
	return Fields{At: {Size: 4, Ref: how}}
}
