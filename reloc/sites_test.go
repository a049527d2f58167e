package reloc

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/prove"
	"github.com/gosplice/gosplice/reloc/internal/rewrite"
)

// kernelText is where the hand-made kernel has f, and kernelNames what else it
// has.
const kernelText = 0xffffffff81001000

var kernelNames = map[string]uint64{
	"f":                        kernelText,
	"cold":                     kernelText + 0x800,
	"__fentry__":               kernelText + 0x1000,
	"ftrace_caller":            kernelText + 0x1020,
	"__x86_return_thunk":       kernelText + 0x1040,
	"retbleed_return_thunk":    kernelText + 0x1060,
	"__x86_indirect_thunk_rax": kernelText + 0x1080,
	"__x86_indirect_thunk_r11": kernelText + 0x10a0,
	"its_thunk":                kernelText + 0x10c0,
	"__SCT__x":                 kernelText + 0x10e0,
	"func":                     kernelText + 0x1100,
	"fast":                     kernelText + 0x1120,
	"slow":                     kernelText + 0x1140,
	"counted":                  kernelText + 0x1180, // behind 16 bytes of padding that counts
	"near":                     kernelText + 0x40,
	"buffer":                   0xffffffffc0001000, // of an optimised kprobe
	"pv_ops":                   kernelText + 0x3000,
}

// unhex reads bytes in hexadecimal, with spaces anywhere between them.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// code assembles bytes in hexadecimal; @name is the distance from behind the
// four bytes to the address of a name, @name-9 nine less.
func code(t *testing.T, s string, at uint64) []byte {
	t.Helper()
	var out []byte
	for _, w := range strings.Fields(s) {
		name, ok := strings.CutPrefix(w, "@")
		if !ok {
			out = append(out, unhex(w)...)
			continue
		}
		less := uint64(0)
		if name, ok = strings.CutSuffix(name, "-9"); ok {
			less = 9
		}
		to, ok := kernelNames[name]
		if !ok {
			t.Fatalf("no %s", name)
		}
		out = binary.LittleEndian.AppendUint32(out, uint32(to-less-(at+uint64(len(out))+4)))
	}
	return out
}

// table is a section of a hand-made object.
type table struct {
	name    string
	bytes   string
	relos   []relo
	exec    bool
	strings bool // which the linker merges
}

// kernelObject makes an object with the function f, and tables. Relocations
// refer to sections by ".name", to f as "f", and else to symbols. own are further
// functions in front of f, by name, in the section of f.
func kernelObject(t *testing.T, pre string, relos []relo, tables ...table) *object.Object {
	t.Helper()
	return namedObject(t, "f", pre, relos, tables...)
}

// namedObject is kernelObject with another name for f.
func namedObject(t *testing.T, name, pre string, relos []relo, tables ...table) *object.Object {
	t.Helper()
	b := new(elfobj.Builder)
	flags := elf.SHF_ALLOC | elf.SHF_EXECINSTR
	text := unhex(pre)
	sections := map[string]elfobj.SectionIndex{}
	sections[".text.f"] = b.AddSection(elfobj.SectionHeader{Name: ".text.f", Type: elf.SHT_PROGBITS, Flags: flags, Addralign: 16}, text)
	for _, x := range tables {
		h := elfobj.SectionHeader{Name: x.name, Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC, Addralign: 1}
		switch {
		case x.exec:
			h.Flags = flags
		case x.strings:
			h.Flags, h.Entsize = elf.SHF_ALLOC|elf.SHF_MERGE|elf.SHF_STRINGS, 1
		}
		sections[x.name] = b.AddSection(h, unhex(x.bytes))
	}
	syms := map[string]elfobj.SymbolIndex{}
	for name, s := range sections {
		syms[name] = b.AddSymbol(elfobj.Symbol{Info: byte(elf.STT_SECTION), Section: s})
	}
	syms["f"] = b.AddSymbol(elfobj.Symbol{Name: name, Info: byte(elf.STB_GLOBAL)<<4 | byte(elf.STT_FUNC), Size: uint64(len(text)), Section: sections[".text.f"]})
	if s, ok := sections[".text.unlikely.f"]; ok {
		syms["cold"] = b.AddSymbol(elfobj.Symbol{Name: "cold", Info: byte(elf.STT_FUNC), Size: 1, Section: s})
	}
	add := func(section string, list []relo) {
		for _, r := range list {
			i, ok := syms[r.sym]
			if !ok {
				i = b.AddSymbol(elfobj.Symbol{Name: r.sym, Info: byte(elf.STB_GLOBAL) << 4, Section: elfobj.SecUndef})
				syms[r.sym] = i
			}
			b.AddRela(sections[section], elfobj.Rela{Offset: r.off, Type: uint32(r.typ), Sym: i, Addend: r.addend})
		}
	}
	add(".text.f", relos)
	for _, x := range tables {
		add(x.name, x.relos)
	}
	var out bytes.Buffer
	if _, err := b.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	o, err := elfdiff.NewObject(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// kernelImage makes a kernel that runs, or the file of one, with f as given.
func kernelImage(t *testing.T, f []byte, running bool) *image.Image {
	t.Helper()
	return kernelImageWith(t, "f", f, running)
}

// kernelImageWith is kernelImage with another name for f.
func kernelImageWith(t *testing.T, subject string, f []byte, running bool) *image.Image {
	t.Helper()
	text := make([]byte, 0x4000)
	copy(text, f)
	text[0x800] = 0xc3
	copy(text[0x1180-9:], unhex("65 48 c1 3d 00 00 00 00 05"))
	mem, err := image.NewSegments(image.Segment{Addr: kernelText, Data: text})
	if err != nil {
		t.Fatal(err)
	}
	regions := []image.Region{
		{Start: kernelText, End: kernelText + 0x4000, Read: true, Exec: true, Volatile: running},
		{Start: 0xffffffffc0000000, End: 0xffffffffff000000, Exec: true, Volatile: running},
	}
	var symbols []image.Symbol
	for name, at := range kernelNames {
		switch name {
		case "buffer":
			name = rewrite.ProbePage
		case "f":
			name = subject
		}
		symbols = append(symbols, image.Symbol{Name: name, Addr: at, Type: elf.STT_FUNC, Local: name == "cold"})
	}
	img, err := image.NewImage(mem, regions, nil, symbols)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

const (
	pc32 = elf.R_X86_64_PC32
	plt  = elf.R_X86_64_PLT32
	abs  = elf.R_X86_64_64
)

// entry is the relocation of a table's first entry that names a place in f.
func entry(off int64) []relo { return []relo{{0, pc32, ".text.f", off}} }

// alternative makes the tables of one alternative: of 12 or 14 bytes an entry.
func alternative(size int, off int64, length int, replacement string, relos []relo, flags string) []table {
	e := "00 00 00 00 00 00 00 00 01 00"
	n := len(unhex(replacement))
	if size == 14 {
		e += " " + flags
	}
	e += " " + hex2(length) + " " + hex2(n)
	return []table{
		{name: ".altinstructions", bytes: e, relos: []relo{{0, pc32, ".text.f", off}, {4, pc32, ".altinstr_replacement", 0}}},
		{name: ".altinstr_replacement", bytes: replacement, relos: relos, exec: true},
	}
}

func hex2(n int) string { return string("0123456789abcdef"[n>>4]) + string("0123456789abcdef"[n&15]) }

// siteCase is what a kind of site looks like in pre, and what of run is legal.
type siteCase struct {
	name   string
	pre    string
	relos  []relo
	tables []table
	legal  []string
	wrong  []string
	file   []string // legal in the file of a kernel as well
	as     string   // the name of the function, when that is what makes it a site
}

// subject returns the name of the function that is looked at.
func (c *siteCase) subject() string { return cmp.Or(c.as, "f") }

// object makes the object of a case.
func (c *siteCase) openObject(t *testing.T) *object.Object {
	t.Helper()
	return namedObject(t, c.subject(), c.pre, c.relos, c.tables...)
}

// image makes a kernel with the function of a case.
func (c *siteCase) image(t *testing.T, f string, running bool) *image.Image {
	t.Helper()
	return kernelImageWith(t, c.subject(), code(t, f, kernelText), running)
}

var siteCases = []siteCase{
	{
		name: "ftrace", pre: "e8 00000000 90 c3", relos: []relo{{1, plt, "__fentry__", -4}},
		tables: []table{{name: "__mcount_loc", bytes: "0000000000000000", relos: []relo{{0, abs, ".text.f", 0}}}},
		legal:  []string{"e8 @__fentry__ 90 c3", "0f1f440000 90 c3", "e8 @ftrace_caller 90 c3", "e8 @buffer 90 c3"},
		wrong:  []string{"9090909090 90 c3", "e9 @ftrace_caller 90 c3", "e8 0000007f 90 c3", "0f1f440000 f4 c3"},
		file:   []string{"e8 @__fentry__ 90 c3"},
	},
	{
		name: "ftrace behind endbr", pre: "f30f1efa e8 00000000 90 c3", relos: []relo{{5, plt, "__fentry__", -4}},
		tables: []table{{name: "__mcount_loc", bytes: "0000000000000000", relos: []relo{{0, abs, ".text.f", 4}}}},
		legal:  []string{"f30f1efa 0f1f440000 90 c3", "660f1f00 0f1f440000 90 c3", "0f1f40d6 e8 @ftrace_caller 90 c3"},
		wrong:  []string{"0f1f4000 0f1f440000 90 c3", "90909090 0f1f440000 90 c3"},
	},
	{
		name: "sealed by a table", pre: "f30f1efa 90 c3", tables: []table{{name: ".ibt_endbr_seal", bytes: "00000000", relos: entry(0)}},
		legal: []string{"f30f1efa 90 c3", "660f1f00 90 c3"}, wrong: []string{"f30f1efb 90 c3"},
	},
	{
		name: "return", pre: "90 e9 00000000 cc", relos: []relo{{2, plt, "__x86_return_thunk", -4}},
		tables: []table{{name: ".return_sites", bytes: "00000000", relos: entry(1)}},
		legal:  []string{"90 e9 @__x86_return_thunk cc", "90 c3cccccccc cc", "90 e9 @retbleed_return_thunk cc"},
		wrong:  []string{"90 e9 @func cc", "90 c390909090 cc", "90 e8 @__x86_return_thunk cc"},
		file:   []string{"90 e9 @__x86_return_thunk cc"},
	},
	{
		name: "return without a table", pre: "90 e9 00000000 cc", relos: []relo{{2, plt, "__x86_return_thunk", -4}},
		legal: []string{"90 c3cccccccc cc", "90 e9 @retbleed_return_thunk cc"}, wrong: []string{"90 e9 @func cc"},
	},
	{
		name: "retpoline call", pre: "e8 00000000 90 c3", relos: []relo{{1, plt, "__x86_indirect_thunk_rax", -4}},
		tables: []table{{name: ".retpoline_sites", bytes: "00000000", relos: entry(0)}},
		legal: []string{
			"e8 @__x86_indirect_thunk_rax 90 c3", "ffd0 0f1f00 90 c3", "ffd0 909090 90 c3", "0faee8 ffd0 90 c3", "e8 @its_thunk 90 c3", "e8 @buffer 90 c3",
		},
		wrong: []string{"ffd1 0f1f00 90 c3", "ffe0 0f1f00 90 c3", "41ffd0 6690 90 c3", "e9 @its_thunk 90 c3", "ffd0 0f1f01 90 c3"},
	},
	{
		name: "retpoline jump", pre: "2e e9 00000000 cc", relos: []relo{{2, plt, "__x86_indirect_thunk_r11", -4}},
		legal: []string{"2e e9 @__x86_indirect_thunk_r11 cc", "41ffe3 cc 6690 cc", "41ffe3 0f1f00 cc", "2e e9 @its_thunk cc"},
		wrong: []string{"41ffd3 cc 6690 cc", "ffe3 cc 0f1f00 cc", "41ffe2 cc 6690 cc"},
	},
	{
		name: "retpoline jcc", pre: "0f84 00000000 c3", relos: []relo{{2, plt, "__x86_indirect_thunk_rax", -4}},
		legal: []string{"0f84 @__x86_indirect_thunk_rax c3", "7504 ffe0 cc 90 c3"}, wrong: []string{"7404 ffe0 cc 90 c3", "7503 ffe0 cc 90 c3"},
	},
	{
		name: "static call", pre: "e8 00000000 90 c3", relos: []relo{{1, plt, "__SCT__x", -4}},
		tables: []table{{name: ".static_call_sites", bytes: "0000000000000000", relos: []relo{{0, pc32, ".text.f", 0}, {4, pc32, "__SCK__x", 0}}}},
		legal:  []string{"e8 @__SCT__x 90 c3", "e8 @func 90 c3", "0f1f440000 90 c3", "2e2e2e31c0 90 c3", "66664831c0 90 c3"},
		wrong:  []string{"e9 @func 90 c3", "c3cccccccc 90 c3", "2e2e2e31c1 90 c3"},
	},
	{
		name: "static tail call", pre: "90 e9 00000000 cc", relos: []relo{{2, plt, "__SCT__x", -4}},
		legal: []string{"90 e9 @__SCT__x cc", "90 e9 @func cc", "90 c3cccccccc cc", "90 e9 @__x86_return_thunk cc"},
		wrong: []string{"90 e8 @func cc", "90 0f1f440000 cc"},
	},
	{
		name: "lock", pre: "f0ff07 c3", tables: []table{{name: ".smp_locks", bytes: "00000000", relos: entry(0)}},
		legal: []string{"f0ff07 c3", "3eff07 c3"}, wrong: []string{"90ff07 c3", "2eff07 c3"},
	},
	{
		name: "paravirt", pre: "ff15 00000000 c3", relos: []relo{{2, pc32, "pv_ops", 4}},
		tables: []table{{name: ".parainstructions", bytes: "0000000000000000 05 06 0000 00000000", relos: []relo{{0, abs, ".text.f", 0}}}},
		legal:  []string{"e8 @func 90 c3", "660f1f440000 c3", "e8 @buffer 90 c3"}, wrong: []string{"e8 @func cc c3", "fb0f1f440000 c3", "e9 @func 90 c3"},
	},
	{
		name: "paravirt of 5.10", pre: "ff1425 00000000 c3", relos: []relo{{3, elf.R_X86_64_32S, "pv_ops", 8}},
		tables: []table{{name: ".parainstructions", bytes: "0000000000000000 05 07 0000", relos: []relo{{0, abs, ".text.f", 0}}}},
		legal:  []string{"e8 @func 6690 c3", "0f1f8000000000 c3", "fb 660f1f440000 c3", "c60700 0f1f4000 c3", "4889f8 90909090 c3"},
		wrong:  []string{"e8 @func cccc c3", "e9 @func 6690 c3", "f4 660f1f440000 c3", "c60701 0f1f4000 c3", "fb cccccccccccc c3"},
	},
	{
		name: "paravirt and alternative", pre: "ff15 00000000 c3", relos: []relo{{2, pc32, "pv_ops", 4}},
		tables: append(alternative(12, 0, 6, "fb", nil, ""), table{name: ".parainstructions", bytes: "0000000000000000 05 06 0000 00000000", relos: []relo{{0, abs, ".text.f", 0}}}),
		legal:  []string{"e8 @func 90 c3", "660f1f440000 c3", "fb 0f1f440000 c3", "fb 9090909090 c3"}, wrong: []string{"fa 0f1f440000 c3", "e8 @func cc c3"},
	},
	{
		name: "alternative of 12 bytes", pre: "909090 c3", tables: alternative(12, 0, 3, "0f01cb", nil, ""),
		legal: []string{"909090 c3", "0f1f00 c3", "0f01cb c3"}, wrong: []string{"0f01ca c3", "0f1f01 c3", "6690f4 c3"},
	},
	{
		name: "alternative of 14 bytes", pre: "909090 c3", tables: alternative(14, 0, 3, "0f01cb", nil, "0000"),
		legal: []string{"909090 c3", "0f1f00 c3", "0f01cb c3"}, wrong: []string{"0f01ca c3"},
	},
	{
		name: "alternative with a long filling", pre: "0f0b" + strings.Repeat("90", 14) + "c3", tables: alternative(14, 0, 16, "c3", nil, "0000"),
		legal: []string{
			"0f0b 660f1f440000 0f1f840000000000 c3", "0f0b eb0c" + strings.Repeat("cc", 12) + "c3", "c3 eb0d" + strings.Repeat("cc", 13) + "c3",
			"c3 0f1f8400 00000000 0f1f8000000000 c3",
		},
		wrong: []string{"0f0b eb0b" + strings.Repeat("cc", 12) + "c3", "0f0b eb0c" + strings.Repeat("cc", 11) + "90c3", "0f0b eb0c af" + strings.Repeat("cc", 11) + "c3"},
	},
	{
		name: "alternative of a call", pre: "e8 00000000 c3", relos: []relo{{1, plt, "slow", -4}},
		tables: alternative(12, 0, 5, "e800000000", []relo{{1, plt, "fast", -4}}, ""),
		legal:  []string{"e8 @slow c3", "e8 @fast c3"}, wrong: []string{"e8 @func c3", "e9 @fast c3"},
	},
	{
		name: "alternative of a call that is counted", pre: "e8 00000000 c3", relos: []relo{{1, plt, "slow", -4}},
		tables: alternative(14, 0, 5, "e800000000", []relo{{1, plt, "counted", -4}}, "0000"),
		legal:  []string{"e8 @slow c3", "e8 @counted c3", "e8 @counted-9 c3"}, wrong: []string{"e8 @func-9 c3", "e9 @counted-9 c3"},
	},
	{
		name: "alternative of a jump that became short", pre: "9090909090 c3",
		tables: alternative(12, 0, 5, "e900000000", []relo{{1, plt, "near", -4}}, ""),
		legal:  []string{"eb3e 0f1f00 c3", "eb3e cccccc c3", "e9 @near c3", "0f1f440000 c3"}, wrong: []string{"eb3d 0f1f00 c3", "eb3e 0f1f01 c3"},
	},
	{
		name: "alternative that calls a pointer's function", pre: "ff15 00000000 c3", relos: []relo{{2, pc32, "pv_ops", 4}},
		tables: alternative(14, 0, 6, "e800000000", []relo{{1, plt, "BUG_func", -4}}, "0200"),
		legal:  []string{"e8 @func 90 c3", "660f1f440000 c3", "e8 @buffer 90 c3"}, wrong: []string{"e8 @func cc c3", "e9 @func 90 c3", "ffd0 0f1f4000 c3"},
	},
	{
		name: "jump label, off in pre", pre: "6690 90 c3 90 c3",
		tables: []table{{name: "__jump_table", bytes: "00000000000000000000000000000000", relos: []relo{{0, pc32, ".text.f", 0}, {4, pc32, ".text.f", 4}, {8, elf.R_X86_64_PC64, "key", 0}}}},
		legal:  []string{"6690 90 c3 90 c3", "eb02 90 c3 90 c3"}, wrong: []string{"eb01 90 c3 90 c3", "7402 90 c3 90 c3"},
		file: []string{"6690 90 c3 90 c3"},
	},
	{
		name: "jump label, on in pre", pre: "e903000000 90 c3 90 90 c3",
		tables: []table{{name: "__jump_table", bytes: "00000000000000000000000000000000", relos: []relo{{0, pc32, ".text.f", 0}, {4, pc32, ".text.f", 8}, {8, elf.R_X86_64_PC64, "key", 2}}}},
		legal:  []string{"0f1f440000 90 c3 90 90 c3", "e903000000 90 c3 90 90 c3", "6690 90 c3 90 90 c3", "eb03 90 c3 90 90 c3"},
		wrong:  []string{"e902000000 90 c3 90 90 c3", "eb02 90 c3 90 90 c3"},
		file:   []string{"0f1f440000 90 c3 90 90 c3", "6690 90 c3 90 90 c3"},
	},
	{
		name: "jump label into a cold part", pre: "0f1f440000 c3",
		tables: []table{
			{name: "__jump_table", bytes: "00000000000000000000000000000000", relos: []relo{{0, pc32, ".text.f", 0}, {4, pc32, ".text.unlikely.f", 0}, {8, elf.R_X86_64_PC64, "key", 2}}},
			{name: ".text.unlikely.f", bytes: "c3", exec: true},
		},
		legal: []string{"0f1f440000 c3", "e9 @cold c3"}, wrong: []string{"e9 @func c3"},
	},
	{
		name: "runtime pointer", pre: "48b8 efcdab8967452301 c3", tables: []table{{name: "runtime_ptr_USER_PTR_MAX", bytes: "00000000", relos: entry(2)}},
		legal: []string{"48b8 00f0ffffff7f0000 c3", "48b8 efcdab8967452301 c3"}, wrong: []string{"48b9 00f0ffffff7f0000 c3"},
	},
	{
		name: "runtime pointer behind a jump of another width", pre: "e9 0a000000 48b8 efcdab8967452301 c3",
		tables: []table{{name: "runtime_ptr_USER_PTR_MAX", bytes: "00000000", relos: entry(7)}},
		legal:  []string{"eb0a 48b8 00f0ffffff7f0000 c3", "e9 0a000000 48b8 00f0ffffff7f0000 c3"}, wrong: []string{"eb0a 48b9 00f0ffffff7f0000 c3"},
	},
	{
		name: "runtime pointers that differ", pre: "48b8 efcdab8967452301 48b8 efcdab8967452301 c3",
		tables: []table{{name: "runtime_ptr_USER_PTR_MAX", bytes: "0000000000000000", relos: []relo{{0, pc32, ".text.f", 2}, {4, pc32, ".text.f", 12}}}},
		legal:  []string{"48b8 00f0ffffff7f0000 48b8 00f0ffffff7f0000 c3"}, wrong: []string{"48b8 00f0ffffff7f0000 48b8 00e0ffffff7f0000 c3"},
	},
	{
		name: "runtime shift", pre: "c1e80c c3", tables: []table{{name: "runtime_shift_d_hash_shift", bytes: "00000000", relos: entry(2)}},
		legal: []string{"c1e810 c3"}, wrong: []string{"c1e840 c3", "c1e910 c3"},
	},
	{
		name: "runtime mask", pre: "81e078563412 c3", tables: []table{{name: "runtime_mask___futex_mask", bytes: "00000000", relos: entry(2)}},
		legal: []string{"81e0ff030000 c3", "81e0ffffffff c3", "81e078563412 c3"}, wrong: []string{"81e0ff020000 c3", "81e1ff030000 c3"},
	},
	{
		name: "runtime masks that differ", pre: "81e078563412 2578563412 c3",
		tables: []table{{name: "runtime_mask___futex_mask", bytes: "0000000000000000", relos: []relo{{0, pc32, ".text.f", 2}, {4, pc32, ".text.f", 7}}}},
		legal:  []string{"81e0ff030000 25ff030000 c3"}, wrong: []string{"81e0ff030000 25ff010000 c3"},
	},
	{
		name: "call depth", pre: "e8 00000000 90 c3", relos: []relo{{1, plt, "counted", -4}},
		legal: []string{"e8 @counted 90 c3", "e8 @counted-9 90 c3"}, wrong: []string{"e8 @func-9 90 c3"},
	},
	{
		name: "kcfi check", pre: "41ba11223344 450353f1 7402 0f0b c3", tables: []table{{name: ".kcfi_traps", bytes: "00000000", relos: entry(12)}},
		legal: []string{"41ba55667788 450353f1 7402 0f0b c3", "eb0c11223344 450353f1 7402 0f0b c3", "41ba55667788 4983eb10 0f1f4000 c3"},
		wrong: []string{"41bb55667788 450353f1 7402 0f0b c3", "eb0d11223344 450353f1 7402 0f0b c3"},
	},
	{
		name: "kcfi prefix", as: "__cfi_g", pre: "b811223344" + strings.Repeat("90", 11),
		legal: []string{"b855667788" + strings.Repeat("90", 11), "f30f1efa 4181ea55667788 7402 0f0b 90"},
		wrong: []string{"b955667788" + strings.Repeat("90", 11), "b855667788" + strings.Repeat("90", 10) + "cc", "f30f1efa 4181ea55667788 7502 0f0b 90", "f30f1efa 4181ea55667788 7402 0f0b cc"},
	},
	{
		name: "kcfi prefix behind padding", as: "__cfi_g", pre: strings.Repeat("90", 11) + "b811223344",
		legal: []string{strings.Repeat("90", 11) + "b855667788", "f30f1efa 4181ea55667788 7403 0f0b 90"},
		wrong: []string{"cc" + strings.Repeat("90", 10) + "b855667788", strings.Repeat("90", 11) + "ba55667788"},
	},
	{
		name: "call depth padding", as: "__pfx_g", pre: strings.Repeat("90", 16),
		legal: []string{strings.Repeat("90", 16), strings.Repeat("90", 7) + "6548c13d 44332211 05", "0f1f8000000000 6548c13d 44332211 05"},
		wrong: []string{strings.Repeat("90", 7) + "6548c13d 44332211 06", strings.Repeat("90", 7) + "6548c12d 44332211 05", "cccccccccccccc 6548c13d 44332211 05"},
	},
	{
		name: "static call trampoline", as: "__SCT__y", pre: "e9 00000000 0fb9cc", relos: []relo{{1, plt, "func", -4}},
		legal: []string{"e9 @func 0fb9cc", "e9 @slow 0fb9cc", "e9 @retbleed_return_thunk 0fb9cc", "c3cccccccc 0fb9cc"},
		wrong: []string{"e8 @slow 0fb9cc", "c390909090 0fb9cc", "e9 @slow 0fb9cd", "e9 0000007f 0fb9cc"},
	},
	{
		name: "breakpoint", pre: "4889f8 90 c3", legal: []string{"cc89f8 90 c3", "4889f8 90 cc"}, wrong: []string{"48ccf8 90 c3", "cc89f9 90 c3"},
	},
	{
		name: "optimised probe", pre: "4889f8 4829f0 90 c3", legal: []string{"e9 @buffer f0 90 c3"}, wrong: []string{"e9 @func f0 90 c3", "e9 @buffer f1 90 c3"},
	},
}

// TestSiteRows holds each kind of site against what is legal, and what is not.
func TestSiteRows(t *testing.T) {
	for i := range siteCases {
		c := &siteCases[i]
		t.Run(c.name, func(t *testing.T) {
			pre := c.openObject(t)
			check := func(run string, running bool, want Verdict) {
				t.Helper()
				r := mustMatch(t, pre, c.image(t, run, running), Options{})
				for _, f := range r.Functions {
					if f.Name == c.subject() && f.Verdict != want {
						t.Errorf("%s: %v, want %v: %v", run, f.Verdict, want, f.Mismatch)
					}
				}
			}
			for _, run := range c.legal {
				check(run, true, Matched)
			}
			for _, run := range c.wrong {
				check(run, true, Mismatch)
			}
			for _, run := range c.file {
				check(run, false, Matched)
			}
		})
	}
}

// TestSiteRowsCovered: each kind of site has a case, in which it is looked at.
func TestSiteRowsCovered(t *testing.T) {
	seen := make(map[string]bool)
	for i := range siteCases {
		for _, s := range prove.FindSites(siteCases[i].openObject(t)) {
			seen[s.Row.Name] = true
		}
	}
	for i := range prove.SiteRows {
		if row := &prove.SiteRows[i]; !seen[row.Name] {
			t.Errorf("no case has a site of the row %q", row.Name)
		}
	}
}

// TestSiteValues reads what sites say about symbols, and what they do not: a call
// that is a tracer's says nothing about __fentry__.
func TestSiteValues(t *testing.T) {
	for _, tt := range []struct {
		site, run, symbol string
		want              uint64 // 0 when it has no value but by name
		from              bool   // code says so
	}{
		{"ftrace", "e8 @__fentry__ 90 c3", "__fentry__", kernelNames["__fentry__"], true},
		{"ftrace", "e8 @ftrace_caller 90 c3", "__fentry__", kernelNames["__fentry__"], false},
		{"return", "90 c3cccccccc cc", "__x86_return_thunk", kernelNames["__x86_return_thunk"], false},
		{"alternative of a call", "e8 @fast c3", "fast", kernelNames["fast"], true},
		{"alternative of a call", "e8 @fast c3", "slow", kernelNames["slow"], false},
		{"alternative of a jump that became short", "eb3e cccccc c3", "near", kernelNames["near"], true},
		{"call depth", "e8 @counted-9 90 c3", "counted", kernelNames["counted"], true},
		{"paravirt", "e8 @func 90 c3", "pv_ops", kernelNames["pv_ops"], false},
	} {
		t.Run(tt.site+" "+tt.symbol, func(t *testing.T) {
			for i := range siteCases {
				c := &siteCases[i]
				if c.name != tt.site {
					continue
				}
				pre := kernelObject(t, c.pre, c.relos, c.tables...)
				r := mustMatch(t, pre, kernelImage(t, code(t, tt.run, kernelText), true), Options{})
				for _, v := range r.Symbols {
					if v.Name == tt.symbol {
						if v.Address != tt.want || (len(v.From) > 0) != tt.from {
							t.Errorf("%+v, want %#x, by code: %v", v, tt.want, tt.from)
						}
						return
					}
				}
				t.Error("no value")
			}
		})
	}
}

// TestPatches looks at what is reported of places that someone has patched.
func TestPatches(t *testing.T) {
	for _, tt := range []struct {
		site, run string
		want      Patch
	}{
		{"ftrace", "e8 @ftrace_caller 90 c3", Patch{Kind: PatchTraced, Offset: 0, Address: kernelText, Target: kernelNames["ftrace_caller"], Name: "ftrace_caller"}},
		{"breakpoint", "cc89f8 90 c3", Patch{Kind: PatchBreakpoint, Offset: 0, Address: kernelText, Target: 0, Name: ""}},
		{"breakpoint", "4889f8 90 cc", Patch{Kind: PatchBreakpoint, Offset: 4, Address: kernelText + 4, Target: 0, Name: ""}},
		{"optimised probe", "e9 @buffer f0 90 c3", Patch{Kind: PatchProbeJump, Offset: 0, Address: kernelText, Target: kernelNames["buffer"], Name: "kprobe_optinsn_page"}},
	} {
		for i := range siteCases {
			c := &siteCases[i]
			if c.name != tt.site {
				continue
			}
			pre := kernelObject(t, c.pre, c.relos, c.tables...)
			f := mustMatch(t, pre, kernelImage(t, code(t, tt.run, kernelText), true), Options{}).Functions[0]
			if len(f.Patches) != 1 || f.Patches[0] != tt.want {
				t.Errorf("%s: %+v, want %+v", tt.run, f.Patches, tt.want)
			}
		}
	}
}
