package reloc

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// A kernelOracle is what the linker of a kernel left behind: its symbol table,
// and the relocations that it applied (CONFIG_X86_NEED_RELOCS keeps them). Where
// those of code were stripped, as in 6.12, what it made of a field is read there.
// It is read with the standard library, so that it shares no code with what it
// judges.
type kernelOracle struct {
	names    map[string][]uint64
	relas    []applied      // by address
	code     []*elf.Section // to be read, when it has no relocations
	percpu   [2]uint64
	init     [2]uint64
	running  bool // what is judged runs
	fileless bool // it has symbols that say nothing about source files
}

// applied is a relocation that the linker applied: S + A at an address.
type applied struct {
	at, value uint64
	sym       string
	fixed     bool // the symbol does not move
}

// sortedAtBuild are tables that a tool sorts after linking, so that their
// relocations describe another order (scripts/sorttable.c of Linux 6.1).
var sortedAtBuild = map[string]bool{".rela__ex_table": true, ".rela.orc_unwind_ip": true}

func openOracle(t testing.TB, path string) *kernelOracle {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	o := &kernelOracle{names: make(map[string][]uint64)}
	for i := range syms {
		s := &syms[i]
		if t := elf.ST_TYPE(s.Info); t == elf.STT_FILE || t == elf.STT_SECTION || s.Section == elf.SHN_UNDEF {
			continue
		}
		o.names[s.Name] = append(o.names[s.Name], s.Value)
	}
	if a, b := o.names["__per_cpu_start"], o.names["__per_cpu_end"]; len(a) == 1 && len(b) == 1 {
		o.percpu = [2]uint64{a[0], b[0]}
	}
	if a, b := o.names["__init_begin"], o.names["__init_end"]; len(a) == 1 && len(b) == 1 {
		o.init = [2]uint64{a[0], b[0]}
	}
	kept := false
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_EXECINSTR != 0 {
			o.code = append(o.code, s)
		}
		if s.Type != elf.SHT_RELA || int(s.Info) >= len(f.Sections) || f.Sections[s.Info].Flags&elf.SHF_ALLOC == 0 || sortedAtBuild[s.Name] {
			continue
		}
		kept = kept || f.Sections[s.Info].Flags&elf.SHF_EXECINSTR != 0
		b, err := s.Data()
		if err != nil {
			t.Fatal(err)
		}
		for ; len(b) >= 24; b = b[24:] {
			info := binary.LittleEndian.Uint64(b[8:])
			if elf.R_X86_64(elf.R_TYPE64(info)) == elf.R_X86_64_NONE {
				continue
			}
			sym := &syms[elf.R_SYM64(info)-1]
			o.relas = append(o.relas, applied{binary.LittleEndian.Uint64(b), sym.Value + binary.LittleEndian.Uint64(b[16:]), sym.Name, o.slide(sym.Value, 1) == sym.Value})
		}
	}
	if kept {
		o.code = nil
	}
	slices.SortStableFunc(o.relas, func(a, b applied) int { return cmp.Compare(a.at, b.at) })
	return o
}

// isFreed reports whether all functions of a name are in memory that is freed
// once the kernel has started.
func (o *kernelOracle) isFreed(name string) bool {
	return len(o.names[name]) > 0 && !slices.ContainsFunc(o.names[name], func(v uint64) bool { return !o.starts(v) })
}

// starts reports whether an address is in such memory, of a kernel that runs.
func (o *kernelOracle) starts(v uint64) bool { return o.running && o.init[0] <= v && v < o.init[1] }

// at returns what the linker put at an address.
func (o *kernelOracle) at(addr uint64) (applied, bool) {
	i, ok := slices.BinarySearchFunc(o.relas, addr, func(r applied, a uint64) int { return cmp.Compare(r.at, a) })
	if !ok {
		return applied{}, false
	}
	return o.relas[i], true
}

// slide returns the run address of a link address.
func (o *kernelOracle) slide(v, bias uint64) uint64 {
	if o.percpu[0] <= v && v <= o.percpu[1] {
		return v
	}
	return v + bias
}

// A tally of one or many objects.
type kernelScore struct {
	objects, functions, matched, weak, absent, freed, undecided int
	values, fields, narrowed, wrong, missing                    int
	by                                                          [8]int
	log                                                         []string
}

func (s *kernelScore) add(o *kernelScore) {
	s.objects += o.objects
	s.functions += o.functions
	s.matched += o.matched
	s.weak += o.weak
	s.absent += o.absent
	s.freed += o.freed
	s.undecided += o.undecided
	s.values += o.values
	s.fields += o.fields
	s.narrowed += o.narrowed
	s.wrong += o.wrong
	s.missing += o.missing
	for i := range s.by {
		s.by[i] += o.by[i]
	}
	s.log = append(s.log, o.log...)
}

func (s *kernelScore) String() string {
	return fmt.Sprintf("%d objects, %d functions: %d matched %v, %d weak and replaced, %d not in the kernel, %d freed, %d undecided copies, %d unresolved; %d values and %d fields compared (%d in shortened jumps or what is rewritten), %d wrong",
		s.objects, s.functions, s.matched, s.by, s.weak, s.absent, s.freed, s.undecided, s.missing, s.values, s.fields, s.narrowed, s.wrong)
}

func (s *kernelScore) complain(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

// judge compares a result with the oracle.
func (o *kernelOracle) judge(pre *object.Object, r *Result, bias uint64) *kernelScore {
	s := &kernelScore{objects: 1, functions: len(r.Functions)}
	var sites []prove.Site
	if len(o.code) > 0 {
		sites = prove.FindSites(pre)
	}
	where := pre.Name()
	has := func(name string, v uint64) bool {
		for _, x := range o.names[name] {
			if o.slide(x, bias) == v {
				return true
			}
		}
		return false
	}
	for i := range r.Functions {
		f := &r.Functions[i]
		switch {
		case f.Verdict == Matched:
			s.matched++
			s.by[f.By]++
			if f.Weak && f.By != BySymbol && !has(f.Name, f.Address) {
				s.weak++ // the code that another definition replaced
			} else if f.Name != "" && !has(f.Name, f.Address) {
				s.wrong++
				s.complain("%s: %s matched at %#x by %v, vmlinux has it at %#x", where, f.Name, f.Address, f.By, o.names[f.Name])
			}
			o.judgeFields(s, pre, r, f, bias, sites)
		case f.Weak && f.Verdict == Absent && has(f.Name, f.Replacement):
			s.weak++
		case f.Verdict == Absent && (o.isFreed(f.Name) || f.Freed && slices.ContainsFunc(o.names[f.Name], o.starts)):
			s.freed++
		case (o.running || o.fileless) && f.Verdict == Ambiguous && len(o.names[f.Name]) > 1 && slices.ContainsFunc(f.Candidates, func(a uint64) bool { return has(f.Name, a) }):
			s.undecided++ // copies, whose file kallsyms does not tell
		case len(o.names[f.Name]) == 0 && f.Verdict == Absent:
			s.absent++
			s.complain("%s: %s is not in the kernel", where, f.Name)
		default:
			s.missing++
			s.complain("%s: %s is %v %#x, vmlinux has it at %#x: %v", where, f.Name, f.Verdict, f.Candidates, o.names[f.Name], f.Mismatch)
		}
	}
	for i := range r.Symbols {
		v := &r.Symbols[i]
		if len(o.names[v.Name]) == 0 || v.Has&UseAddress == 0 {
			continue
		}
		s.values++
		if !has(v.Name, v.Address) {
			s.wrong++
			s.complain("%s: value of %s is %#x, vmlinux has it at %#x", where, v.Name, v.Address, o.names[v.Name])
		}
	}
	return s
}

func where(pre *object.Object) string {
	_, name, ok := strings.Cut(pre.Name(), "/pre/")
	if !ok {
		return pre.Name()
	}
	return name
}
