package splice

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// ret is a function.
var ret = sec{name: ".text", flags: elf.SHF_EXECINSTR, data: []byte{0xb8, 1, 0, 0, 0, 0xc3}}

// sized gives the first section of an object another size in its header.
func sized(t testing.TB, size uint64) []byte {
	b := objectOf(t, ret)
	header := binary.LittleEndian.Uint64(b[40:]) + 64
	binary.LittleEndian.PutUint64(b[header+32:], size)
	return b
}

// aligned is an object of n sections of one byte, each on a page of its own.
func aligned(t testing.TB, n int) []byte {
	list := []sec{ret}
	for i := range n {
		list = append(list, sec{name: fmt.Sprint(".rodata.", i), align: PageSize, data: []byte{1}})
	}
	return objectOf(t, list...)
}

func stored(t testing.TB, u *Update) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := u.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestBounds reads, checks and links updates that ask for much more than they have.
func TestBounds(t *testing.T) {
	with := func(elf []byte) []byte {
		return stored(t, &Update{Format: UpdateFormat, Modules: []Module{{}}, Objects: []Object{{ELF: elf}}})
	}
	parts := func(part string, n int) []byte {
		return fmt.Appendf(nil, `{"format":%d,"objects":[%s%s]}`, UpdateFormat, strings.Repeat(part+",", n), part)
	}
	for _, c := range []struct {
		name string
		in   []byte
		read error // of ReadUpdate
		link error // of what follows
	}{
		{"as it is", with(objectOf(t, ret)), nil, nil},
		{"a section of 400 MB", with(sized(t, 400<<20)), ErrUpdateDamaged, nil},
		{"a section of 1 GB", with(sized(t, 1<<30)), ErrUpdateDamaged, nil},
		{"a section beyond the address space", with(sized(t, 1<<63)), ErrUpdateDamaged, nil},
		{"a section that overlaps the next", with(sized(t, 200)), ErrUpdateDamaged, nil},
		{"pages of one byte", with(aligned(t, 20_000)), nil, ErrRefused},
		{"a few pages of one byte", with(aligned(t, 100)), nil, nil},
		{"objects of nothing", parts(`{}`, 1_000_000), ErrUpdateDamaged, nil},
		{"objects that are null", parts(`null`, 1_000_000), ErrUpdateDamaged, nil},
		{"lists", parts(`[]`, 1_000_000), ErrUpdateDamaged, nil},
		{"numbers", parts(`0`, 1_000_000), ErrUpdateDamaged, nil},
		{"large numbers", parts(`1.00000000`, 100_000), ErrUpdateDamaged, nil},
		{"deep", bytes.Repeat([]byte(`{"format":`), 1_000_000), ErrUpdateDamaged, nil},
	} {
		testenv.Bounded(t, len(c.in), func() {
			u, err := ReadUpdate(bytes.NewReader(c.in))
			if !errors.Is(err, c.read) || (err == nil) != (c.read == nil) || (err == nil) != (u != nil) {
				t.Errorf("%s: %.200v", c.name, err)
			}
			if err != nil {
				return
			}
			l, err := NewLinker(u)
			if err == nil {
				_, err = l.Link(Layout{Const: 1 << 32, Code: 2 << 32, Data: 3 << 32}, func(*Import) (Resolved, error) { return Resolved{}, nil })
			}
			if !errors.Is(err, c.link) || (err == nil) != (c.link == nil) {
				t.Errorf("%s: linked: %.200v", c.name, err)
			}
		})
	}
}

// endless yields the same byte for ever.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// BenchmarkReadUpdate reads an update of a megabyte; memory is eight times that
// at most.
func BenchmarkReadUpdate(b *testing.B) {
	in := stored(b, &Update{Format: UpdateFormat, Modules: []Module{{}}, Objects: []Object{{ELF: objectOf(b, ret, sec{name: ".rodata", data: make([]byte, 700_000)})}}})
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadUpdate(bytes.NewReader(in)); err != nil {
			b.Fatal(err)
		}
	}
}

// TestReadErrors names what ReadUpdate fails with.
func TestReadErrors(t *testing.T) {
	for in, want := range map[string]error{
		``: ErrUpdateDamaged, `null`: ErrUpdateFormat, `{}`: ErrUpdateFormat, `{"format":99,"new":1}`: ErrUpdateFormat,
		`{"format":"one"}`: ErrUpdateDamaged, `{"format":1,"extra":1}`: ErrUpdateDamaged, `{"format":1} {}`: ErrUpdateDamaged,
		`{"format":1,"objects":[{"elf":"!"}]}`: ErrUpdateDamaged, `{"format":1,"objects":[{"elf":"AAAA"}]}`: ErrUpdateDamaged,
	} {
		in = strings.Replace(in, `"format":1,`, fmt.Sprintf(`"format":%d,`, UpdateFormat), 1)
		if _, err := ReadUpdate(strings.NewReader(in)); !errors.Is(err, want) {
			t.Errorf("%s: %v", in, err)
		}
	}
	if testing.Short() {
		return
	}
	if _, err := ReadUpdate(endless(' ')); !errors.Is(err, ErrUpdateDamaged) {
		t.Error(err)
	}
}
