package btfids

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

func TestParse(t *testing.T) {
	for name, want := range map[string]Slot{
		"__BTF_ID__struct__file__4711":      {"struct", "file", 8, 4},
		"__BTF_ID__func__a__b__12":          {"func", "a__b", 8, 4},
		"__BTF_ID__set__bpf_lsm_hooks":      {"set", "bpf_lsm_hooks", 8, 4},
		"__BTF_ID__set8__test__kfunc_ids":   {"set8", "test__kfunc_ids", 8, 4},
		"__BTF_ID__typedef__u_int__9991234": {"typedef", "u_int", 8, 4},
	} {
		got, ok := parse(&elfobj.Symbol{Name: name, Value: 8, Size: 4})
		if !ok || got != want {
			t.Errorf("%s: %v, %v", name, got, ok)
		}
	}
	if _, ok := parse(&elfobj.Symbol{Name: "__func__"}); ok {
		t.Error("another symbol was taken for a type's number")
	}
}

func TestSortSet(t *testing.T) {
	for _, c := range []struct {
		flags     bool
		old, want []byte
	}{
		{false, []byte{0, 0, 0, 0, 9, 0, 0, 0, 0, 1, 0, 0, 3, 0, 0, 0}, []byte{3, 0, 0, 0, 3, 0, 0, 0, 9, 0, 0, 0, 0, 1, 0, 0}},
		{true, []byte{0, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0, 7, 0, 0, 0}, []byte{2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 5, 0, 0, 0}},
		{false, []byte{0, 0, 0, 0}, []byte{0, 0, 0, 0}},
		{true, []byte{1, 2, 3}, []byte{1, 2, 3}},
	} {
		sortSet(c.old, c.flags)
		if !cmp.Equal(c.old, c.want) {
			t.Errorf("% x, want % x", c.old, c.want)
		}
	}
}

// TestTypeIDs compares the numbers of all types that the kernel's own build wrote
// into its image with those that BTF gives for their names.
func TestTypeIDs(t *testing.T) {
	stock := vmtest.Need(t, "6.1")
	path, err := stock.Vmlinux(vmtest.Context(t))
	if err != nil {
		testenv.Skip(t, "%v", err)
	}
	img, err := kernel.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	types, err := img.Types()
	if err != nil {
		t.Fatal(err)
	}
	syms, err := img.File.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	at := map[uint64]uint32{} // what the names say
	for i := range syms {
		if id, ok := parse(&syms[i]); ok && !strings.HasPrefix(id.Kind, "set") {
			at[id.Offset], _ = types.ID(id.Kind, id.Name)
		}
	}
	read := func(addr uint64) uint32 {
		b, err := img.Read(addr, 4)
		if err != nil {
			t.Fatal(err)
		}
		return binary.LittleEndian.Uint32(b)
	}
	sets, n := 0, len(at)
	for i := range syms {
		id, ok := parse(&syms[i])
		if !ok || !strings.HasPrefix(id.Kind, "set") {
			continue
		}
		width := uint64(4)
		if id.Kind == "set8" {
			width = 8
		}
		var want, got []uint32
		for off := id.Offset + width; off < id.Offset+id.Size; off += width {
			want, got = append(want, read(off)), append(got, at[off])
			delete(at, off)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) || read(id.Offset) != uint32(len(want)) {
			t.Errorf("%s: %d, and %d in the image", id.Name, got, want)
		}
		sets++
	}
	for addr, got := range at {
		if want := read(addr); got != want {
			t.Errorf("%#x: %d, and %d in the image", addr, got, want)
		}
	}
	if sets == 0 || n == 0 {
		t.Error("no numbers of types in the image")
	}
	t.Logf("%d numbers, %d sets", n, sets)
}
