package lint_test

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"slices"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/lint"
)

func check(t testing.TB, file []byte) *lint.Report {
	t.Helper()
	r, err := lint.Check(context.Background(), file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestGood finds nothing in modules with which nothing is wrong.
func TestGood(t *testing.T) {
	for _, ours := range []bool{false, true} {
		r := check(t, newPlain(ours).bytes(t))
		if r.Worst() != lint.Unchecked || r.Ours != ours || r.Sealed != ours || r.Name != "fix" || r.Functions != 1 || r.Entries != 6 || r.Relocations != 19 {
			t.Errorf("%+v", r)
		}
	}
}

// TestWrong has one thing wrong with a module.
func TestWrong(t *testing.T) {
	type change func(p *plain)
	set := func(section string, off int, b ...byte) change {
		return func(p *plain) { copy(p.Section(p.sections[section]).Data[off:], b) }
	}
	rela := func(section string, off uint64, typ elf.R_X86_64, symbol string, addend int64) change {
		return func(p *plain) { p.refer(section, off, typ, symbol, addend) }
	}
	resize := func(section string, n int) change {
		return func(p *plain) {
			s := p.Section(p.sections[section])
			s.Data = append(s.Data, make([]byte, max(n, 0))...)
			s.Data = s.Data[:len(s.Data)+min(n, 0)]
			s.Size = uint64(len(s.Data))
		}
	}
	flags := func(section string, f elf.SectionFlag) change {
		return func(p *plain) { p.Section(p.sections[section]).Flags = f }
	}
	add := func(s elfobj.Symbol) change { return func(p *plain) { p.AddSymbol(s) } }
	for name, x := range map[string]struct {
		change change
		want   finding.Code
	}{
		"type":         {rela(kerneltab.Data, 600, elf.R_X86_64_GOTPCREL, "new", 0), lint.CodeReloc},
		"outside":      {rela(kerneltab.Data, 1<<40, elf.R_X86_64_64, "new", 0), lint.CodeReloc},
		"over the end": {rela(kerneltab.Data, patchAt+196, elf.R_X86_64_64, "new", 0), lint.CodeReloc},
		"overlap":      {rela(kerneltab.Data, 4, elf.R_X86_64_64, kerneltab.Rodata, 0), lint.CodeReloc},
		"not zero":     {set(kerneltab.Data, 8, 1), lint.CodeReloc},
		"narrow":       {rela(kerneltab.Data, 600, elf.R_X86_64_32, "new", 0), lint.CodeReloc},
		"not a field":  {rela(kerneltab.Text, 12, elf.R_X86_64_PC32, "new", 0), lint.CodeReloc},
		"livepatch's": {func(p *plain) {
			s := p.AddSymbol(elfobj.Symbol{Name: ".klp.sym.vmlinux.f,1", Section: elfobj.SecLivepatch, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE)})
			p.symbols["f"] = s
			p.refer(kerneltab.Data, 600, elf.R_X86_64_64, "f", 0)
		}, lint.CodeReloc},
		"into middle":    {rela(kerneltab.Data, 600, elf.R_X86_64_64, "new", 3), lint.CodeTarget},
		"section":        {rela(kerneltab.Data, 600, elf.R_X86_64_64, kerneltab.Data, 1<<30), lint.CodeTarget},
		"branch":         {set(kerneltab.Text, 13, 3), lint.CodeCode},
		"lost call":      {set(kerneltab.Text, 5, 0xe8, 0, 0, 0, 0, 0x66, 0x90), lint.CodeReloc},
		"no instruction": {set(kerneltab.Text, 14, 0x06), lint.CodeCode},
		"writable code":  {flags(kerneltab.Text, alloc|elf.SHF_EXECINSTR|elf.SHF_WRITE), lint.CodeSection},
		"retained":       {flags(kerneltab.Data, alloc|elf.SHF_WRITE|0x200000), lint.CodeSection},
		"code in data":   {flags(kerneltab.Text, alloc), lint.CodeSection},
		"common":         {add(elfobj.Symbol{Name: "x", Section: elfobj.SecCommon, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_OBJECT)}), lint.CodeSymbol},
		"klp symbol":     {add(elfobj.Symbol{Name: ".klp.sym.vmlinux.f", Section: elfobj.SecLivepatch, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE)}), lint.CodeSymbol},
		"symbol outside": {func(p *plain) { p.Symbol(p.symbols["new"]).Size = 1000 }, lint.CodeSymbol},
		"odd table":      {resize(kerneltab.McountLoc, 4), lint.CodeTable},
		"empty entry":    {resize(kerneltab.McountLoc, 8), lint.CodeTable},
		"orc":            {resize(kerneltab.ORCRows, 6), lint.CodeTable},
		"no line":        {set(kerneltab.Modinfo, 12, 'x'), lint.CodeInfo},
		"license":        {set(kerneltab.Modinfo, 8, 'B'), lint.CodeInfo},
		"not ended":      {resize(kerneltab.Modinfo, -1), lint.CodeInfo},
		"version":        {set(kerneltab.Versions, 5, 1), lint.CodeVersion},
		"no version":     {set(kerneltab.Versions, 8, 'x'), lint.CodeVersion},
		"init": {func(p *plain) {
			p.Symbol(p.symbols["init_module"]).Value += 5
			p.Symbol(p.symbols["init_module"]).Size -= 5
			p.refer(kerneltab.ThisModule, 320, elf.R_X86_64_64, kerneltab.Text, initAt)
		}, lint.CodeStruct},
		"new function": {func(p *plain) {
			p.symbol("f", kerneltab.Text, elf.STT_FUNC, 5, 15)
			p.AddRela(p.sections[kerneltab.Data], elfobj.Rela{Offset: 152, Type: uint32(elf.R_X86_64_64), Sym: p.symbols[kerneltab.Rodata]}, elfobj.Rela{Offset: 160, Type: uint32(elf.R_X86_64_64), Sym: p.symbols["new"], Addend: 12})
		}, lint.CodeStruct},
		"no patch": {rela(kerneltab.Data, 550, elf.R_X86_64_64, kerneltab.ThisModule, 0), ""},
	} {
		p := newPlain(false)
		x.change(p)
		r := check(t, p.bytes(t))
		if has := slices.ContainsFunc(r.Findings, func(f lint.Finding) bool { return f.Code == x.want && f.Hint != "" }); !has && x.want != "" || (x.want != "") != (r.Worst() == lint.Wrong || r.Worst() == lint.Doubtful) {
			t.Errorf("%s: want %q, got %+v", name, x.want, r.Findings)
		}
	}
}

// TestFlips turns each bit of a module of package module.
func TestFlips(t *testing.T) {
	file := newPlain(true).bytes(t)
	for i := range file {
		for bit := range 8 {
			file[i] ^= 1 << bit
			if err := lint.Sealed(file); !errors.Is(err, lint.CodeDamaged) {
				t.Errorf("bit %d of byte %#x: %v", bit, i, err)
			}
			file[i] ^= 1 << bit
		}
	}
	if err := lint.Sealed(file); err != nil {
		t.Error(err)
	}
	for n := range len(file) {
		if n >= 4 && bytes.Contains(file[:n], []byte("\x00gosplice\x00")) && lint.Sealed(file[:n]) == nil {
			t.Errorf("%d of %d bytes pass", n, len(file))
		}
	}
	if err := lint.Sealed(append(file, 0)); err == nil {
		t.Error("a byte behind it passes")
	}
}

// TestHostile has counts and sizes that are not true, and files that end too early.
func TestHostile(t *testing.T) {
	file := newPlain(true).bytes(t)
	for n := 0; n < len(file); n += 7 {
		if r := check(t, file[:n]); r.Worst() != lint.Wrong {
			t.Errorf("%d bytes: %+v", n, r)
		}
	}
	for i := range file {
		x := bytes.Clone(file)
		for k := i; k < min(i+8, len(x)); k++ {
			x[k] = 0xff
		}
		check(t, x)
	}
	for _, b := range [][]byte{nil, []byte("text"), []byte("~Module signature appended~\n"), append(bytes.Clone(file), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff~Module signature appended~\n"...)} {
		if r := check(t, b); r.Worst() != lint.Wrong {
			t.Errorf("%+v", r)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(newPlain(true).bytes(f))
	f.Add(newPlain(false).bytes(f))
	f.Fuzz(func(t *testing.T, b []byte) { check(t, b) })
}
