package reloc

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/reloc/image"
)

// core is a core dump as a [Memory].
type core struct {
	f    *elf.File
	segs []*elf.Prog // with content, by address
}

func (c *core) ReadAddr(p []byte, addr uint64) error {
	for len(p) > 0 {
		i := sort.Search(len(c.segs), func(i int) bool { return c.segs[i].Vaddr+c.segs[i].Filesz > addr })
		if i == len(c.segs) || c.segs[i].Vaddr > addr {
			return &image.AddrError{Addr: addr, Len: len(p), Err: image.ErrUnmapped}
		}
		s := c.segs[i]
		n := min(uint64(len(p)), s.Vaddr+s.Filesz-addr)
		if _, err := s.ReadAt(p[:n], int64(addr-s.Vaddr)); err != nil {
			return &image.AddrError{Addr: addr, Len: int(n), Err: err}
		}
		p, addr = p[n:], addr+n
	}
	return nil
}

// mapped lists where files are mapped from their start, by NT_FILE.
func (c *core) mapped() (start []uint64, names []string) {
	const ntFile = 0x46494c45
	for _, p := range c.f.Progs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		b := make([]byte, p.Filesz)
		if _, err := p.ReadAt(b, 0); err != nil {
			continue
		}
		le := binary.LittleEndian
		for len(b) >= 12 {
			name, size, typ := (le.Uint32(b)+3)&^3, (le.Uint32(b[4:])+3)&^3, le.Uint32(b[8:])
			d := b[12+name : 12+name+size]
			b = b[12+name+size:]
			if typ != ntFile {
				continue
			}
			n := le.Uint64(d)
			list := bytes.Split(d[16+24*n:], []byte{0})
			for i := range n {
				if e := d[16+24*i:]; le.Uint64(e[16:]) == 0 {
					start, names = append(start, le.Uint64(e)), append(names, string(list[i]))
				}
			}
		}
	}
	return start, names
}

// openCore makes an image of a core dump, with what is in it and nothing else.
func openCore(path, main string) (*image.Image, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	c := &core{f: f}
	var regions []image.Region
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD || p.Filesz == 0 {
			continue
		}
		c.segs = append(c.segs, p)
		w := p.Flags&elf.PF_W != 0
		regions = append(regions, image.Region{Start: p.Vaddr, End: p.Vaddr + p.Filesz, Read: p.Flags&elf.PF_R != 0, Write: w, Exec: p.Flags&elf.PF_X != 0, Volatile: w, Module: image.NoModule})
	}
	var modules []image.Module
	var symbols []image.Symbol
	starts, names := c.mapped()
	for i, at := range starts {
		m, syms, err := image.ReadModule(c, at, names[i], len(modules))
		if errors.Is(err, image.ErrNoModule) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", names[i], err)
		}
		m.Main = names[i] == main
		for k := range regions {
			if r := &regions[k]; r.Start >= m.Start && r.Start < m.End {
				r.Module = len(modules)
			}
		}
		modules, symbols = append(modules, m), append(symbols, syms...)
	}
	return image.NewImage(c, regions, modules, symbols)
}

// TestCore matches core dumps of processes, through a reader that is not ours: what
// the dynamic linker did is read from the dump.
func TestCore(t *testing.T) {
	testenv.Need(t, "gcore")
	for _, tt := range []struct {
		name string
		c    config
	}{
		{"pie", config{opt: "-O2", link: "pie", cf: true}},
		{"no plt", config{opt: "-O1", link: "pie", noPLT: true}},
		{"no pie", config{opt: "-Os", link: "nopie"}},
		{"static", config{opt: "-O2", link: "static"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := build(t, tt.c, victims...)
			o := readOracle(t, b.image)
			pid := start(t, b.image, "x", "y")
			if err := os.WriteFile(fmt.Sprintf("/proc/%d/coredump_filter", pid), []byte("0x7f"), 0); err != nil {
				testenv.Skip(t, "can't have files in the dump: %v", err)
			}
			prefix := filepath.Join(t.TempDir(), "core")
			if out, err := exec.Command("gcore", "-o", prefix, fmt.Sprint(pid)).CombinedOutput(); err != nil {
				testenv.Skip(t, "gcore: %v\n%s", err, out)
			}
			img, err := openCore(fmt.Sprintf("%s.%d", prefix, pid), b.image)
			if err != nil {
				t.Fatal(err)
			}
			m := mainModule(t, img)
			var total score
			for i, name := range victims {
				r := mustMatch(t, mustOpen(t, b.objects[i]), img, Options{})
				total.add(judge(r, o, name+".c", m.Bias))
				checkLibrary(t, img, r)
			}
			t.Log(total)
			if total.wrong+total.ambiguous+total.other > 0 {
				t.Errorf("%v\n%v", total, total.log)
			}
		})
	}
}
