package audit

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/internal/lab/livekernel"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/reloc/image"
)

// TestLiveAudit compares all of a kernel with its file in each set-up, and then
// changes bytes at places that the kernel has rewritten: each change is found.
func TestLiveAudit(t *testing.T) {
	vmtest.Long(t)
	for _, series := range vmtest.Releases() {
		k := vmtest.Need(t, series)
		path, err := k.Vmlinux(vmtest.Context(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range livekernel.Setups() {
			if s.Long && !testenv.Asked(testenv.Long) {
				continue
			}
			t.Run(series+"/"+s.Name, func(t *testing.T) {
				s.Opt.Kernel = &k.Kernel
				if series == "6.12" {
					s.Opt.CPUs = 1 // see TestLive
				}
				img, parts := livekernel.Snapshot(t, livekernel.Open(t, vmtest.New(t, s.Opt)))
				begin := time.Now()
				a, err := Kernel(t.Context(), path, img)
				if err != nil {
					t.Fatal(err)
				}
				for i := range a.Findings[:min(len(a.Findings), 20)] {
					t.Error(&a.Findings[i])
				}
				t.Logf("audit, %v: %d bytes, %d fields moved, %d sites, %d of them by their place only, %d patches",
					time.Since(begin), a.Bytes, a.Moved, a.Sites, a.Opaque, len(a.Patches))
				if a.Opaque > 0 || len(a.Patches) > 0 {
					t.Errorf("%d sites by their place only, patches %+v", a.Opaque, a.Patches)
				}
				flipSites(t, path, img, parts)
			})
		}
	}
}

// segmentAt returns the index of the part that an address is in.
func segmentAt(parts image.Segments, addr uint64) int {
	return slices.IndexFunc(parts, func(s image.Segment) bool { return addr-s.Addr < uint64(len(s.Data)) })
}

// siteFlips is how many bytes are changed in each set-up.
const siteFlips = 10000

// flipSites changes single bytes of sites that are not as they were linked, and
// has the neighbourhood of each audited.
func flipSites(t *testing.T, path string, img *image.Image, parts image.Segments) {
	t.Helper()
	file, err := kernel.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	a := &auditor{file: file, run: img, looks: look{view: image.NewView(img)}}
	if err := a.prepare(); err != nil {
		t.Fatal(err)
	}
	sites := rewrittenSites(t, a)
	rng := rand.New(rand.NewPCG(1, uint64(len(sites))))
	missed, undone, tables := 0, 0, make(map[string]int)
	for range siteFlips {
		s := sites[rng.IntN(len(sites))]
		tables[s.Table]++
		at := s.Addr + rng.Uint64N(s.Size) + a.bias
		seg := parts[segmentAt(parts, at)]
		b := &seg.Data[at-seg.Addr]
		was := *b
		*b ^= byte(1 + rng.IntN(255))
		is := *b
		a.looks.view = image.NewView(img)
		span := a.spanOf(at - a.bias)
		part, err := a.compare(max(span[0], s.Addr-min(s.Addr, 64)), min(span[1], s.Addr+s.Size+64))
		if err != nil {
			t.Fatal(err)
		}
		lo := s.Addr + a.bias - seg.Addr
		back := string(seg.Data[lo:lo+s.Size]) == string(linkedAt(t, a, &s))
		*b = was
		switch {
		case len(part.Findings)+len(part.Patches) > 0:
			continue
		case back: // as it was linked, which is what it is before it is rewritten
			undone++
			continue
		case was == 0xcc && s.Table == kerneltab.RetpolineSites: // behind a jump: nops do as well, neither runs
			undone++
			continue
		}
		if missed++; missed <= 20 {
			t.Logf("%s at %#x (%s), byte +%d from %#x to %#x: is taken for legal: % x", s.Table, s.Addr+a.bias, livekernel.NameAt(img, at), at-a.bias-s.Addr, was, is, seg.Data[lo:lo+s.Size])
		}
	}
	t.Logf("%d bytes changed in sites, %d of them back to what was linked, %d more not found; sites by table: %v", siteFlips, undone, missed, tables)
	if missed > 0 || undone > siteFlips/100 {
		t.Errorf("%d changes were not found, %d were back to what was linked", missed, undone)
	}
}

func linkedAt(t *testing.T, a *auditor, s *kernel.Site) []byte {
	t.Helper()
	b, err := a.file.Read(s.Addr, s.Size)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// rewrittenSites returns the sites that are not as they were linked.
func rewrittenSites(t *testing.T, a *auditor) []kernel.Site {
	t.Helper()
	var out []kernel.Site
	for _, span := range a.spans {
		linked, err := a.file.Read(span[0], span[1]-span[0])
		if err != nil {
			t.Fatal(err)
		}
		run := make([]byte, len(linked))
		if err := a.run.ReadAddr(run, span[0]+a.bias); err != nil {
			t.Fatal(err)
		}
		for _, s := range a.sites.In(span[0], span[1]) {
			lo, hi := s.Addr-span[0], s.Addr-span[0]+s.Size
			if s.Addr >= span[0] && hi <= uint64(len(linked)) && string(linked[lo:hi]) != string(run[lo:hi]) {
				out = append(out, s)
			}
		}
	}
	return out
}
