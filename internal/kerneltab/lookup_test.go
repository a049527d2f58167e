package kerneltab

import "testing"

func TestOf(t *testing.T) {
	for _, c := range []struct{ name, row, carried string }{
		{"", "", ""},
		{".", "", ""},
		{".t", "", ""},
		{".text", Text, Text},
		{".text.unlikely.foo", Text, Text},
		{".text_of_another_kind", Text, ""},
		{".data", Data, Data},
		{".data1", Data, ""},
		{".data.foo", Data, Data},
		{".data.rel.ro.local", ".data.rel.ro", Data},
		{".data..percpu", PerCPU, PerCPU},
		{".data..percpu..read_mostly", PerCPU, PerCPU},
		{".data..ro_after_init", ROAfterInit, Data},
		{".data..read_mostly", Data, Data},
		{".data.once", ".data.once", Data},
		{".bss..page_aligned", Bss, Bss},
		{".rodata.str1.1", Rodata, Rodata},
		{".init.text", ".init.", ""},
		{".init_array.00100", ".init_array", ""},
		{".initcall6.init", ".initcall", ""},
		{".init.rodata", ".init.", ""},
		{".exit.text", ".exit.text", ".text"},
		{".exit.other", ".exit.", ""},
		{".exitcall.exit", ".exitcall", ""},
		{"__jump_table", JumpTable, JumpTable},
		{"__jump_table2", "", ""},
		{"__bug_table", BugTable, BugTable},
		{"__ksymtab_gpl", KSymTab, ""},
		{"___ksymtab+printk", "___ksymtab", ""},
		{"__ksymtab_strings", KSymTab, ""},
		{".orc_unwind", ORCRows, ORCRows},
		{".orc_unwind_ip", ORCAddresses, ORCAddresses},
		{".orc_header", ".orc_header", ""},
		{".discard.addressable", Discard, ""},
		{"runtime_ptr_dentry_hashtable", RuntimePtr, ""},
		{"runtime_shift_d_hash_shift", RuntimeShift, ""},
		{"runtime_mask___futex_mask", RuntimeMask, ""},
		{"__dyndbg", "__dyndbg", "__dyndbg"},
		{"__dyndbg.descriptor.3", "__dyndbg", "__dyndbg"},
		{"__dyndbg_classes", "__dyndbg_classes", ""},
		{"__tracepoints", "__tracepoints", ""},
		{"__tracepoints_ptrs", "__tracepoints_ptrs", ""},
		{"__tracepoint_str", "__tracepoint", ""},
		{".note.gnu.property", ".note.gnu.", ""},
		{".note.gnu.build-id", BuildIDNote, ""},
		{".altinstr_aux", AltAux, Text},
		{".noinstr.text", ".noinstr.text", ""},
		{"foo", "", ""},
		{".debug_info", "", ""},
	} {
		s := Of(c.name)
		if got := nameOf(s); got != c.row {
			t.Errorf("Of(%q) is the row of %q, want %q", c.name, got, c.row)
		}
		to := ""
		if s := Carried(c.name); s != nil {
			to = s.Module.To
		}
		if to != c.carried {
			t.Errorf("%q goes to %q, want %q", c.name, to, c.carried)
		}
		if got, want := nameOf(Named(c.name)), c.name; got != "" && got != want {
			t.Errorf("Named(%q) is the row of %q", c.name, got)
		}
	}
}

func nameOf(s *Section) string {
	if s == nil {
		return ""
	}
	return s.Name
}

func TestLayout(t *testing.T) {
	for _, c := range []struct {
		name   string
		size   uint64
		role   Role
		offset uint64
		ok     bool
	}{
		{AltInstructions, 12, Length, 10, true},
		{AltInstructions, 13, ReplacementLength, 11, true},
		{AltInstructions, 14, ReplacementLength, 13, true},
		{AltInstructions, 14, Flags, 10, true},
		{AltInstructions, 12, Flags, 0, false},
		{AltInstructions, 16, At, 0, false},
		{BugTable, 12, Line, 8, true},
		{BugTable, 16, Line, 12, true},
		{BugTable, 16, Format, 4, true},
		{ExTable, 12, Target, 4, true},
		{"foo", 12, At, 0, false},
	} {
		l := Named(c.name).Layout(c.size)
		if l.Has(c.role) != c.ok {
			t.Errorf("%s, %d bytes: has field %d: %v", c.name, c.size, c.role, !c.ok)
		} else if c.ok && l.Fields[c.role].Offset != c.offset {
			t.Errorf("%s, %d bytes: field %d is at %d, want %d", c.name, c.size, c.role, l.Fields[c.role].Offset, c.offset)
		}
	}
	if n := Named(AltInstructions).Entry(); n != 0 {
		t.Errorf("alternatives have one size, %d", n)
	}
	if n := Named(ExTable).Entry(); n != 12 {
		t.Errorf("exceptions have %d bytes", n)
	}
	if b := Named(JumpTable).Usual().Fields[Key].Bits(); b != 1<<64-4 {
		t.Errorf("the bits of a key are %#x", b)
	}
	if b := Named(KCRCTab).Usual().Fields[Value].Bits(); b != 1<<32-1 {
		t.Errorf("the bits of a CRC are %#x", b)
	}
}

func TestCount(t *testing.T) {
	for _, c := range []struct {
		table string
		size  uint64
		n     uint64
		ok    bool
	}{
		{ParaSites, 0, 0, true},
		{ParaSites, 12, 1, true},
		{ParaSites, 16, 1, true},
		{ParaSites, 28, 2, true},
		{ParaSites, 24, 2, false},
		{ExTable, 24, 2, true},
		{ExTable, 25, 3, false},
		{ORCRows, 12, 2, true},
		{ThisModule, 896, 0, false},
	} {
		if n, ok := Named(c.table).Usual().Count(c.size); n != c.n || ok != c.ok {
			t.Errorf("%s has %d entries in %d bytes, %v; want %d, %v", c.table, n, c.size, ok, c.n, c.ok)
		}
	}
}

func TestORCOf(t *testing.T) {
	for _, o := range orcs {
		if got, ok := ORCOf(o.TypeBits, o.Header); !ok || got != o {
			t.Errorf("%s: %+v, %v: two generations can't be told apart", o.Versions, got, ok)
		}
		fact := ORCFact()
		if fact.Form(ORCValue(orcSize, o.TypeBits, o.Header)) == nil {
			t.Errorf("%s: not among the forms", o.Versions)
		}
	}
	for _, c := range []struct {
		bits   uint64
		header string
	}{{4, ""}, {3, ""}, {3, "00"}, {2, orcs[1].Header}} {
		if o, ok := ORCOf(c.bits, c.header); ok {
			t.Errorf("%d bits, header %q: %+v", c.bits, c.header, o)
		}
	}
}

// TestFacts: each fact has forms, all different, and says where another one goes.
func TestFacts(t *testing.T) {
	for _, f := range append([]Fact{Exports, Anchor, ModuleMemory, ORCFact()}, Structures...) {
		if f.Name == "" || f.Where == "" || len(f.Forms) == 0 {
			t.Errorf("%+v: no name, no forms, or nothing about where they are", f)
		}
		for i := range f.Forms {
			if f.Form(f.Forms[i].Value) != &f.Forms[i] {
				t.Errorf("%s: %q is there twice", f.Name, f.Forms[i].Value)
			}
		}
		if f.Form("something else") != nil {
			t.Errorf("%s: anything is a form", f.Name)
		}
	}
	for _, row := range EntryTables() {
		if row == nil || row.Usual() == nil || row.Usual().Struct == "" {
			t.Errorf("%v: a table whose entries nothing describes", row)
		}
	}
}

func TestOfAllocates(t *testing.T) {
	names := []string{".text.foo", "__jump_table", ".debug_info", ".init.text", "foo"}
	if n := testing.AllocsPerRun(100, func() {
		for _, name := range names {
			Of(name)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestIndex holds the number of rows that a name is compared with to a few.
func TestIndex(t *testing.T) {
	const most = 16
	for b := range index {
		if n := len(index[b]); n > most {
			t.Errorf("%d rows are looked at for names like %s, want %d at most", n, index[b][0].Name, most)
		}
	}
}

func BenchmarkOf(b *testing.B) {
	names := []string{".text.foo", ".rela.text.foo", ".rodata.str1.1", "__jump_table", ".data.rel.ro", ".debug_info", "__ksymtab_strings"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		Of(names[i%len(names)])
	}
}
