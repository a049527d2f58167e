package kerneltab

import (
	"strings"
	"testing"
)

// TestRows holds each row to what the fields promise.
func TestRows(t *testing.T) {
	seen := map[string]bool{}
	for s := range All() {
		t.Run(s.Name, func(t *testing.T) {
			if len(s.Name) < minName || strings.HasSuffix(s.Name, "*") || seen[s.Name] {
				t.Errorf("the name is too short, has a star, or stands in another row too")
			}
			seen[s.Name] = true
			row(t, s)
			for i := range s.Layouts {
				layout(t, &s.Layouts[i])
			}
		})
	}
}

func row(t *testing.T, s *Section) {
	for _, x := range []struct {
		bad  bool
		what string
	}{
		{s.Source == "", "it has no source"},
		{s.Kind == Table && s.What == "", "a table, and nothing says of what"},
		{s.Class.IsPast() != (s.Why != ""), "a class without a reason, or a reason without a class"},
		{s.Class.IsPast() && s.Kind != ByFlags, "it is both a table and past"},
		{s.Has(ByEntry) != (s.Lost != ""), "what becomes of code without its entries is said of those that travel"},
		{s.Has(ByEntry) && s.Kind != Table, "entries travel, and it is no table"},
		{s.Has(ByEntry) && s.Module.To != s.Name, "entries travel, and not to a table of the same name"},
		{s.Has(Optional) && !s.Has(ByEntry), "entries that do not travel can't be left out"},
		{s.Has(Describing) && s.Has(Leading), "it describes places and leads to them"},
		{(s.Bounds.Start == "") != (s.Bounds.Stop == ""), "one bound"},
		{(s.Module.To == "") != (s.Module.Flags == 0), "a section of a module has flags"},
		{s.Module.To != "" && Named(s.Module.To) == nil, "it goes to a section without a row"},
		{strings.HasPrefix(s.Name, Init) && s.Module.Memory != MemoryFreed, "the loader frees what begins like that"},
		{s.Site != nil && !s.Usual().Has(At), "places are rewritten, and no field says where they are"},
		{s.Site != nil && s.Site.Why == "", "nothing says what is written"},
	} {
		if x.bad {
			t.Error(x.what)
		}
	}
	for i := range s.Layouts {
		if s.Has(ByEntry) && (!s.Layouts[i].Has(At) || s.Layouts[i].Size == 0) {
			t.Errorf("layout %d: entries travel, and have no place or no size", i)
		}
	}
}

// refSizes are the sizes of fields that refer to something, in bytes.
var refSizes = map[Ref]uint64{Relative32: 4, Relative64: 8, Absolute: 8}

func layout(t *testing.T, l *Layout) {
	used := map[uint64]Role{}
	for r := range roles {
		f := &l.Fields[r]
		if f.Size == 0 {
			if *f != (Field{}) {
				t.Errorf("%d bytes: field %d has no size, and something else", l.Size, r)
			}
			continue
		}
		if l.Size > 0 && f.End() > l.Size || l.Last > 0 && f.End() > l.Last {
			t.Errorf("%d bytes: field %d ends at %d", l.Size, r, f.End())
		}
		if n := refSizes[f.Ref]; n > 0 && n != f.Size {
			t.Errorf("%d bytes: field %d has %d bytes, and refers with %d", l.Size, r, f.Size, n)
		}
		for off := f.Offset; off < f.End(); off++ {
			if other, twice := used[off]; twice {
				t.Errorf("%d bytes: fields %d and %d share the byte at %d", l.Size, other, r, off)
			}
			used[off] = r
		}
	}
	for _, name := range []string{l.Rows, l.Code} {
		if name != "" && Named(name) == nil {
			t.Errorf("%d bytes: %s has no row", l.Size, name)
		}
	}
	if l.Points != nil {
		layout(t, l.Points)
	}
}

// TestLonger finds rows whose names begin like that of another one: the longer one is
// all that is said of such a section, so that what the shorter one says of where it is
// in memory has to be said again, or denied.
func TestLonger(t *testing.T) {
	for s := range All() {
		for r := range All() {
			if !r.Prefix || r == s || !strings.HasPrefix(s.Name, r.Name) {
				continue
			}
			if s.Module.Memory == MemoryUnknown && r.Module.Memory != MemoryUnknown {
				t.Errorf("%s says nothing about its memory, %s does", s.Name, r.Name)
			}
			if lost := r.Traits &^ s.Traits & (Telling | PerModule | Plain | Freed); lost != 0 {
				t.Errorf("%s lacks traits %b of %s", s.Name, lost, r.Name)
			}
		}
	}
}
