package image

import "testing"

// What tests outside of the package know of its inside.

const KaslrAlign = kaslrAlign

var (
	IsImageAddr  = isImageAddr
	ReadSections = readSections
)

// MustKernel opens a kernel until the test ends.
func MustKernel(t testing.TB, path string) *Image {
	t.Helper()
	img, err := OpenKernel(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	return img
}

// One returns the symbol of a name, of which there has to be one.
func One(t testing.TB, img *Image, name string) Symbol {
	t.Helper()
	list := img.Lookup(name)
	if len(list) != 1 {
		t.Fatalf("%d symbols %s", len(list), name)
	}
	return list[0]
}

// PlacedSection is a section of a module where it was given a place.
type PlacedSection struct {
	Name       string
	Addr, Size uint64
	Region     Region // what is expected of its memory
	AfterInit  bool   // it may be written until the module has started
}

// PlacedSections returns those of an image that OpenModule made.
func PlacedSections(img *Image) []PlacedSection {
	var out []PlacedSection
	for _, s := range img.mem.(*moduleLayout).list {
		out = append(out, PlacedSection{s.name, s.addr, s.size, sectionKinds[s.kind].region, s.kind == 2})
	}
	return out
}
