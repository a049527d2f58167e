package elfdiff

import (
	"debug/dwarf"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/internal/typediff"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestLayoutOracle compares the layouts of all structures and unions with those
// that debug/dwarf makes of them.
func TestLayoutOracle(t *testing.T) {
	paths, err := filepath.Glob("testdata/types/*.o")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no objects: %v", err)
	}
	if dir := testenv.Value(testenv.Shifted); dir != "" {
		more, _ := filepath.Glob(filepath.Join(dir, "base", "*.o"))
		paths = append(paths, more...)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			d := debugOf(t, path)
			o := mustOpen(t, path)
			c, err := (&Diff{Pre: o, Post: o}).typedPair().Comparer()
			if err != nil {
				t.Fatal(err)
			}
			s := c.Side[0]
			for _, off := range typediff.TypeNames(s) {
				var r dtypes.Resolved
				if !s.Resolve(&r, off) {
					t.Fatalf("%#x can't be read", off)
				}
				typ, err := d.Type(dwarf.Offset(r.Offset))
				if err != nil {
					t.Fatal(err)
				}
				std, ok := typ.(*dwarf.StructType)
				if !ok {
					continue
				}
				size, list := s.Layout(&r.Entry)
				var got []string
				for _, m := range list {
					got = append(got, fmt.Sprintf("%s at %d:%d, %d bits", m.Name, m.Offset, m.Bit, m.Bits))
				}
				if want := flatten(std, 0); int64(size) != std.ByteSize || !slices.Equal(got, want) {
					t.Fatalf("%s: %d bytes, %q; want %d, %q", typediff.TextOf(&r), size, got, std.ByteSize, want)
				}
			}
		})
	}
}

func flatten(s *dwarf.StructType, base int64) (out []string) {
	for _, f := range s.Field {
		typ := f.Type
		for {
			td, ok := typ.(*dwarf.QualType)
			if !ok {
				break
			}
			typ = td.Type
		}
		if in, ok := typ.(*dwarf.StructType); ok && f.Name == "" {
			out = append(out, flatten(in, base+f.ByteOffset*8)...)
			continue
		}
		at := base + f.ByteOffset*8
		switch {
		case f.BitSize == 0:
		case f.DataBitOffset > 0 || f.BitOffset == 0 && f.ByteSize == 0:
			at = base + f.DataBitOffset
		default:
			at += f.ByteSize*8 - f.BitOffset - f.BitSize
		}
		out = append(out, fmt.Sprintf("%s at %d:%d, %d bits", f.Name, at/8, at%8, f.BitSize))
	}
	return out
}
