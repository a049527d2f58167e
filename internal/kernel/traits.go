package kernel

import (
	"debug/elf"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/kallsyms"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A Trait is something that is good to know of a kernel.
type Trait struct{ Name, Value string }

// Traits tells what else may matter when a kernel is not understood.
func (k *Image) Traits(l Layout) []Trait {
	out := []Trait{
		{"symbols", k.symbolsValue()},
		{"livepatch", yes(k.HasLivepatch())},
		{"function tracer", yes(len(k.byName["ftrace_regs_caller"]) > 0)},
		{"kprobes", yes(len(k.byName["register_kprobe"]) > 0)},
		{"BTF", yes(k.Has(kerneltab.BTF))},
		{"prefixes of functions", fmt.Sprintf("%d bytes", k.Padding())},
	}
	for _, row := range []struct{ name, section string }{
		{"retpolines", kerneltab.RetpolineSites}, {"return thunks", kerneltab.ReturnSites}, {"call depth tracking", kerneltab.CallSites},
		{"ENDBR", kerneltab.EndbrSeal}, {"kCFI", kerneltab.CFITraps},
	} {
		value := absent
		for s := range k.File.SectionsNamed(row.section) {
			value = fmt.Sprintf("%s of %d bytes", s.Name, s.Size)
		}
		out = append(out, Trait{row.name, value})
	}
	for _, name := range []string{"klp_patch", "klp_object", "klp_func", "klp_callbacks", "klp_state", "module"} {
		if s, ok := l[name]; ok {
			out = append(out, Trait{"struct " + name, fmt.Sprintf("%d bytes", s.Size)})
		}
	}
	return append(out, Trait{"segments", k.segments()}, Trait{"sections without a row in the table", k.strangeSections()})
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// symbolsValue tells where symbols come from, and the form of the kernel's own tables.
func (k *Image) symbolsValue() string {
	t, err := kallsyms.InFile(k.File)
	own := "no tables of its own that are understood"
	if err == nil {
		order := map[kallsyms.Layout]string{kallsyms.OffsetsFirst: "offsets first, as until 6.3", kallsyms.NamesFirst: "names first, as from 6.4 on", kallsyms.NoBase: "names first, offsets from where they stand, as in 7.3"}[t.Layout]
		data := slices.ContainsFunc(t.Symbols, func(s kallsyms.Symbol) bool { return s.Type|0x20 == 'd' })
		own = fmt.Sprintf("%d in its own tables: %s; with those of data (CONFIG_KALLSYMS_ALL): %s", len(t.Symbols), order, yes(data))
	}
	return fmt.Sprintf("%d; %s", len(k.symbols), own)
}

func (k *Image) segments() string {
	var out []string
	for i := range k.File.Progs {
		if p := &k.File.Progs[i]; p.Type == elf.PT_LOAD {
			out = append(out, fmt.Sprintf("%v %#x+%#x", p.Flags, p.Vaddr, p.Memsz))
		}
	}
	return strings.Join(out, ", ")
}

// strangeSections are those that are loaded and that the table says nothing about.
func (k *Image) strangeSections() string {
	var out []string
	for _, s := range k.File.Sections {
		if s.Flags&elf.SHF_ALLOC != 0 && kerneltab.Of(s.Name) == nil {
			out = append(out, s.Name)
		}
	}
	if len(out) == 0 {
		return absent
	}
	return strings.Join(out, " ")
}
