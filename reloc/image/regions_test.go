package image

import (
	"debug/elf"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// TestBySections: what the sections of a kernel say of its segments. Linux 7.3 has the code of its
// start in a segment of data, and a section of data that is called code.
func TestBySections(t *testing.T) {
	const text, data = KernelStart + 0x1000000, KernelStart + 0x3000000
	const a, w, x = elf.SHF_ALLOC, elf.SHF_WRITE, elf.SHF_EXECINSTR
	section := func(name string, addr, size uint64, flags elf.SectionFlag) *elfobj.Section {
		return &elfobj.Section{SectionHeader: elfobj.SectionHeader{Name: name, Flags: flags, Addr: addr, Size: size}}
	}
	regions := bySections([]Region{{Start: text, End: text + 0x3000, Read: true, Exec: true}, {Start: data, End: data + 0x4000, Read: true, Write: true}}, []*elfobj.Section{
		section(".text", text, 0x1000, a|x), section(".rodata", text+0x2000, 0x1000, a|w),
		section(".data", data, 0x1000, a|w|x), section(".init.text", data+0x1000, 0x1000, a|x), section(".bss", data+0x3000, 0x1000, a|w),
	})
	for _, c := range []struct {
		addr        uint64
		exec, write bool
	}{
		{text, true, false}, {text + 0x1000, false, false}, {text + 0x2000, false, false},
		{data, false, true}, {data + 0x1000, true, false}, {data + 0x2000, false, true}, {data + 0x3000, false, true},
	} {
		found := false
		for _, r := range regions {
			if r.Start <= c.addr && c.addr < r.End {
				found = true
				if r.Exec != c.exec || r.Write != c.write || !r.Read {
					t.Errorf("%#x: %+v", c.addr, r)
				}
			}
		}
		if !found {
			t.Errorf("%#x is in no region", c.addr)
		}
	}
}
