//go:build linux && amd64

package ptrace

import (
	"errors"
	"os"
	"testing"

	"github.com/gosplice/gosplice/internal/procfs"
)

func TestFree(t *testing.T) {
	const (
		kb = 1 << 10
		mb = 1 << 20
		gb = 1 << 30
	)
	exe := func(heap bool) *Space {
		sp := &Space{MinAddr: 64 * kb, Stack: 8 * mb, Maps: []procfs.Mapping{
			{Start: 4 * mb, End: 5 * mb, Path: "/exe"},
			{Start: 16 * mb, End: 17 * mb, Path: "[heap]"},
			{Start: 0x7f0000000000, End: 0x7f0000200000, Path: "/lib"},
			{Start: 0x7f0000201000, End: 0x7f0000300000, Path: "/lib2"},
			{Start: 0x7ffff0000000, End: 0x7ffff0021000, Path: "[stack]"},
		}}
		if !heap {
			sp.Brk = 16 * mb
			sp.Maps = append(sp.Maps[:1], sp.Maps[2:]...)
		}
		return sp
	}
	for _, c := range []struct {
		name              string
		sp                *Space
		addr, size, reach uint64
		want              uint64 // 0 for none
	}{
		{"behind the program", exe(true), 5*mb - 1, 4 * kb, 2 * gb, 5 * mb},
		{"before it", exe(true), 4 * mb, 64 * kb, 2 * gb, 4*mb - 64*kb},
		{"not below the least address", exe(true), 4 * mb, 3*mb + 960*kb, 5 * mb, 64 * kb},
		{"far from the heap", exe(true), 4*mb + 512*kb, 12 * mb, 64 * mb, 68*mb + 512*kb - 12*mb},
		{"far from a heap to come", exe(false), 5 * mb, 3 * mb, 64 * mb, 4*mb - 3*mb},
		{"a page between libraries", exe(true), 0x7f0000200000, 1, gb, 0x7f0000200000},
		{"two pages", exe(true), 0x7f0000100000, 2 * 4 * kb, gb, 0x7f0000000000 - 8*kb},
		{"behind libraries", exe(true), 0x7f00002fffff, 2 * 4 * kb, gb, 0x7f0000300000},
		{"short reach", exe(true), 0x7f0000100000, 8 * kb, mb, 0},
		{"reach counts the last byte", exe(true), 0x7f0000300000, 8 * kb, 8*kb - 1, 0x7f0000300000},
		{"reach is one short", exe(true), 0x7f0000300000, 8 * kb, 8*kb - 2, 0},
		{"room for the stack", exe(true), 0x7ffff0000000, 4 * kb, gb, 0x7ffff0021000},
		{"below it", exe(true), 0x7fffefff0000, 4 * kb, 16 * mb, 0x7ffff0021000},
		{"not above user space", exe(true), 0x7fffffffd000, 8 * kb, 12 * kb, 0x7fffffffd000},
		{"nothing to map", exe(true), 0x7f0000300000, 0, gb, 0},
		{"too large", exe(true), 0x7f0000300000, 1 << 63, ^uint64(0), 0},
		{"all but too large", exe(true), 0x7f0000300000, ^uint64(0), ^uint64(0), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.sp.Free(c.addr, c.size, c.reach)
			if got != c.want || (err == nil) != (c.want != 0) || err != nil && !errors.Is(err, NoRange) {
				t.Errorf("Free = %#x, %v; want %#x", got, err, c.want)
			}
		})
	}
	// The gap below the stack: not within its limit and guard.
	sp := exe(true)
	got, err := sp.Free(0x7fffe0000000, 4*kb, 600*mb)
	if err != nil || got+4*kb > 0x7ffff0021000-8*mb-mb && got < 0x7ffff0000000 {
		t.Errorf("Free = %#x, %v", got, err)
	}
}

func TestReadSpace(t *testing.T) {
	sp, err := ReadSpace(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if sp.MinAddr < pageSize || sp.Stack == 0 || len(sp.Maps) == 0 || sp.Brk == 0 {
		t.Errorf("%+v", sp)
	}
	addr, err := sp.Free(sp.Maps[0].Start, 1<<20, 1<<31-1)
	if err != nil {
		t.Fatal(err)
	}
	for a := addr; a < addr+1<<20; a += pageSize {
		if m := procfs.FindMapping(sp.Maps, a); m != nil {
			t.Fatalf("%#x is in %v", a, m)
		}
	}
}
