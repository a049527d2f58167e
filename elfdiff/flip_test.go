package elfdiff_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// A flip is one change of an object: a byte of memory, or a relocation.
type flip struct {
	at   uint64 // in the file, bytes
	old  []byte
	new  []byte
	what string
	// padding is a byte between functions that was padding, and is padding still.
	padding func(post *object.Object) bool
	alike   func() bool // the reference means as much at its new place
}

// flipper changes one object in memory, and asks whether that is noticed.
type flipper struct {
	t       *testing.T
	name    string
	file    []byte
	pre     *object.Object
	opt     elfdiff.Options
	asked   map[string]int
	missed  map[string]int
	padding int
	alike   int
}

func newFlipper(t *testing.T, name string, file []byte) *flipper {
	pre, err := elfdiff.NewObject(bytes.NewReader(file))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return &flipper{
		t: t, name: name, file: bytes.Clone(file), pre: pre, opt: elfdiff.Options{Tables: pre.IsKernel()},
		asked: map[string]int{}, missed: map[string]int{},
	}
}

// ask compares the object with the changed one. What can't be read any more is
// noticed too.
func (f *flipper) ask(x flip) {
	copy(f.file[x.at:], x.new)
	defer copy(f.file[x.at:], x.old)
	kind, _, _ := bytes.Cut([]byte(x.what), []byte(" "))
	f.asked[string(kind)]++
	post, err := elfdiff.NewObject(bytes.NewReader(f.file))
	if err != nil {
		return
	}
	d, err := elfdiff.Compare(f.pre, post, f.opt)
	if err != nil || d.Outcome() != elfdiff.OutcomeSame || isNoted(d) {
		return
	}
	if x.padding != nil && x.padding(post) {
		f.padding++
		return
	}
	if x.alike != nil && x.alike() {
		f.alike++
		return
	}
	if f.missed[string(kind)]++; f.missed[string(kind)] < 6 {
		f.t.Errorf("%s: no change, where %s became % x", f.name, x.what, x.new)
	}
}

// isNoted reports whether a difference was found, and proven to be none.
func isNoted(d *elfdiff.Diff) bool {
	for _, list := range [][]verdict.Change{d.Functions, d.Data} {
		for i := range list {
			if len(list[i].Incidental) > 0 {
				return true
			}
		}
	}
	return false
}

// isMemory reports whether a section takes memory at run time and has bytes in the
// file. The kernel's linker leaves its .discard sections out.
func (f *flipper) isMemory(s *elfobj.Section) bool {
	return s.Flags&elf.SHF_ALLOC != 0 && s.Type != elf.SHT_NOBITS && s.Size > 0 && !(f.opt.Tables && len(s.Name) > 8 && s.Name[:8] == ".discard")
}

// bytesOf yields a flip for each byte of memory that no relocation owns.
func (f *flipper) bytesOf(s *elfobj.Section, rnd *rand.Rand) []flip {
	relas, err := f.pre.File.Relas(s.Index)
	if err != nil {
		f.t.Fatal(err)
	}
	hole := make([]bool, s.Size)
	for _, r := range relas {
		h, _ := amd64.HowtoOf(r.Type)
		for n := range uint64(h.Size) {
			if r.Offset+n < s.Size {
				hole[r.Offset+n] = true
			}
		}
	}
	var list []flip
	for off := range s.Size {
		if hole[off] {
			continue
		}
		at := s.Offset + off
		x := flip{at: at, old: []byte{f.file[at]}, new: []byte{f.file[at] ^ 1<<rnd.IntN(8)}, what: fmt.Sprintf("byte %s+%#x %02x", s.Name, off, f.file[at])}
		if s.Flags&elf.SHF_EXECINSTR != 0 && f.pre.AtomAt(s.Index, off) == object.NoAtom {
			x.padding = func(post *object.Object) bool { return post.AtomAt(s.Index, off) == object.NoAtom }
		}
		list = append(list, x)
	}
	return list
}

// relasOf yields flips of the types, symbols and addends of a section's relocations.
func (f *flipper) relasOf(s *elfobj.Section, rnd *rand.Rand) []flip {
	var list []flip
	tables, err := f.pre.File.RelaSections(s.Index)
	if err != nil {
		f.t.Fatal(err)
	}
	for table := range tables {
		relas, err := table.Relas()
		if err != nil {
			f.t.Fatal(err)
		}
		for i, r := range relas {
			at := table.Offset + uint64(i)*24
			put := func(off uint64, what string, v []byte) {
				if old := bytes.Clone(f.file[at+off:][:len(v)]); !bytes.Equal(old, v) {
					list = append(list, flip{at: at + off, old: old, new: v, alike: f.alikeAt(s, r, what, v), what: fmt.Sprintf("%s of %v at %s+%#x", what, elf.R_X86_64(r.Type), s.Name, r.Offset)})
				}
			}
			put(8, "type", []byte{byte(otherType(r.Type)), 0, 0, 0})
			put(16, "addend", []byte{f.file[at+16] ^ 1<<rnd.IntN(3)})
			if sym := f.otherSymbol(r.Sym, rnd); sym != 0 {
				put(12, "symbol", []byte{byte(sym), byte(sym >> 8), byte(sym >> 16), byte(sym >> 24)})
			}
		}
	}
	return list
}

// alikeAt reports whether a changed reference means a literal with the same content:
// a string, or code for an alternative, which may be empty.
func (f *flipper) alikeAt(s *elfobj.Section, r elfobj.Rela, what string, v []byte) func() bool {
	now := r
	switch what {
	case "addend":
		now.Addend += int64(v[0]) - int64(byte(r.Addend))
	case "symbol":
		now.Sym = elfobj.SymbolIndex(binary.LittleEndian.Uint32(v))
	}
	return func() bool {
		x, ok1 := f.literal(s, r)
		y, ok2 := f.literal(s, now)
		return ok1 && ok2 && bytes.Equal(x, y)
	}
}

// literal returns the literal that a relocation in section s means.
func (f *flipper) literal(s *elfobj.Section, r elfobj.Rela) ([]byte, bool) {
	sym := f.pre.Symbol(r.Sym)
	if int(sym.Section) >= len(f.pre.File.Sections) {
		return nil, false
	}
	t := f.pre.File.Sections[sym.Section]
	data, err := t.Data()
	off := int64(sym.Value) + r.Addend
	if err != nil || off < 0 || off > int64(len(data)) {
		return nil, false
	}
	if s.Name == ".altinstructions" && t.Name == ".altinstr_replacement" {
		table, _ := s.Data()
		size := uint64(12) // of an entry, the last byte of which is the length; 14 in Linux 6.12
		if s.Size%size != 0 || (r.Offset-4)%size != 0 {
			size = 14
		}
		n := int64(table[r.Offset-4+size-1])
		return data[off:min(off+n, int64(len(data)))], true
	}
	text, _, _ := bytes.Cut(data[off:], []byte{0})
	return text, t.Flags&elf.SHF_STRINGS != 0
}

// otherType is a type of relocation that means something else.
func otherType(t uint32) elf.R_X86_64 {
	if elf.R_X86_64(t) == elf.R_X86_64_64 {
		return elf.R_X86_64_PC64
	}
	if h, ok := amd64.HowtoOf(t); ok && h.PCRel {
		return elf.R_X86_64_32S
	}
	return elf.R_X86_64_PC32
}

// otherSymbol picks a symbol of another name or place, or 0.
func (f *flipper) otherSymbol(i elfobj.SymbolIndex, rnd *rand.Rand) elfobj.SymbolIndex {
	syms := f.pre.Symbols()
	for range 20 {
		k := elfobj.SymbolIndex(rnd.IntN(len(syms)))
		a, b := &syms[i], &syms[k]
		if t := b.Type(); k == 0 || t == elf.STT_FILE || t == elf.STT_SECTION || b.Name == "" || b.Section.IsReserved() {
			continue
		}
		if a.Section != b.Section || a.Section == elfobj.SecUndef && a.Name != b.Name {
			return k
		}
	}
	return 0
}

// run asks about n flips of each sort in each section; all when n is 0.
func (f *flipper) run(n int) {
	rnd := rand.New(rand.NewPCG(1, uint64(len(f.file))))
	for _, s := range f.pre.File.Sections {
		if !f.isMemory(s) {
			continue
		}
		for _, list := range [][]flip{f.bytesOf(s, rnd), f.relasOf(s, rnd)} {
			rnd.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
			if n > 0 {
				list = list[:min(n, len(list))]
			}
			for _, x := range list {
				f.ask(x)
			}
		}
	}
}

// sample asks about n places: one byte and one relocation of a section taken at
// random, so that small tables have as much weight as code.
func (f *flipper) sample(n int) {
	rnd := rand.New(rand.NewPCG(2, uint64(len(f.file))))
	var sections []*elfobj.Section
	for _, s := range f.pre.File.Sections {
		if f.isMemory(s) {
			sections = append(sections, s)
		}
	}
	for range n {
		s := sections[rnd.IntN(len(sections))]
		for _, list := range [][]flip{f.bytesOf(s, rnd), f.relasOf(s, rnd)} {
			if len(list) > 0 {
				f.ask(list[rnd.IntN(len(list))])
			}
		}
	}
}

func (f *flipper) total(of map[string]int) (n int) {
	for _, k := range of {
		n += k
	}
	return n
}

// flipBuilds are the compilers and options that flipSource is compiled with.
var flipBuilds = [][]string{
	{"gcc", "-O2"}, {"gcc", "-O0", "-g"}, {"gcc", "-O2", "-ffunction-sections", "-fdata-sections", "-fPIC"},
	{"gcc", "-Os", "-fcf-protection=full"}, {"clang-14", "-O2"}, {"clang-14", "-O0", "-fPIC"},
	{"clang-14", "-O1", "-ffunction-sections", "-fdata-sections"},
}

// TestFlips changes each byte and each relocation of memory, one at a time: nothing
// that is in memory is outside the comparison. Unless [testenv.Long] is asked for it samples.
func TestFlips(t *testing.T) {
	testenv.Need(t, "gcc")
	n := 10
	if testenv.Asked(testenv.Long) {
		n = 0
	}
	objects := map[string][]byte{"kernel tables": tableFile(t)}
	for _, b := range flipBuilds {
		if name := fmt.Sprint(b); b[0] == "gcc" || has(b[0]) {
			objects[name] = compileText(t, b, flipSource)
		}
	}
	for name, file := range objects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFlipper(t, name, file)
			f.run(n)
			t.Logf("%d flips %v, %d in padding, missed %v", f.total(f.asked), f.asked, f.padding, f.missed)
		})
	}
}

// TestFlipsOfCorpus does so with samples of real objects.
func TestFlipsOfCorpus(t *testing.T) {
	asked, padding, alike, objects := map[string]int{}, 0, 0, 0
	for _, c := range corpora(t) {
		every := *sample
		if every > 1 {
			every *= 16
		}
		for _, stage := range []string{"pre", "order", "clang", "post", "lines", "top"} {
			if every > 1 && stage != "pre" {
				continue
			}
			for _, p := range c.pairs(t, stage, stage, every) {
				file, err := os.ReadFile(p.pre)
				if err != nil {
					t.Fatal(err)
				}
				f := newFlipper(t, filepath.Base(p.pre), file)
				f.sample(40)
				for k, v := range f.asked {
					asked[k] += v
				}
				padding += f.padding
				alike += f.alike
				objects++
			}
		}
		t.Logf("up to %s: %d objects, flips %v; %d in padding, %d that mean a literal alike", c.name, objects, asked, padding, alike)
	}
}
