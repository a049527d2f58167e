package module

import (
	"debug/elf"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/kcode"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// madeUp is the structures of a kernel that is made up.
var madeUp = map[string][]string{
	"module": {"name", "init", "exit", "refcnt", "klp_alive", "kp", "num_kp"}, "kernel_param": {"name", "arg"}, "klp_object": {"mod"}, "klp_patch": {"list", "states", "mod", "enabled"}, "klp_state": {"id", "version", "data"},
	"task_struct":   {"tasks", "thread_node", "signal", "stack", "thread", "comm", "pid", "start_time", "nvcsw", "nivcsw"},
	"signal_struct": {"thread_head"}, "thread_struct": {"sp"}, "pt_regs": {"ip"}, "kprobe": {"addr", "pre_handler", "post_handler", "flags"},
}

// ownBuilder is the builder of an update for that kernel, which exports all that the code
// refers to.
func ownBuilder(t *testing.T, thunk bool) *builder {
	t.Helper()
	k := &Kernel{layout: kernel.Layout{"orc_entry": {Size: 6, Offsets: map[string]uint64{"sp_offset": 0, "bp_offset": 2}, Bits: map[string]uint64{"type": 2}}}}
	k.image, k.exports = &kernel.Image{File: &elfobj.File{}}, map[string]kernel.Export{}
	for name, members := range madeUp {
		s := kernel.Struct{Name: name, Size: 4096, Offsets: map[string]uint64{}}
		for i, m := range members {
			s.Offsets[m] = uint64(16 * (i + 1))
		}
		k.layout[name] = s
	}
	for _, name := range strings.Fields(`_printk __cpu_online_mask __cpu_possible_mask __module_address __module_get __num_online_cpus __per_cpu_offset
		cpus_read_lock cpus_read_unlock disable_kprobe enable_kprobe idle_threads init_task klp_enable_patch klp_patches
		module_mutex module_put msleep mutex_lock mutex_unlock nr_cpu_ids register_kprobes stack_trace_save_tsk_reliable stop_machine stop_machine_cpuslocked
		synchronize_rcu_tasks text_mutex text_poke try_module_get unregister_kprobes vfree vmalloc_noprof`) {
		k.exports[name] = kernel.Export{Name: name}
	}
	if thunk {
		k.exports[kerneltab.ReturnThunk] = kernel.Export{Name: kerneltab.ReturnThunk}
	}
	b, err := newBuilder(k, Options{Name: "own"})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// linkAll links everything.
func linkAll(t *testing.T, b *builder) {
	t.Helper()
	b.beginCode()
	for _, name := range []string{"checks", "copies", "writes", "restores"} {
		b.code.Define(name, elf.STT_OBJECT, b.Rodata(), 0, 0)
	}
	for _, name := range []string{"patch", "initials", "jump_rows", "jump_old", "jump_new", "probe_list", "exit_rows", "account", "jump_accounts"} {
		b.code.Define(name, elf.STT_OBJECT, b.Data(), 0, 0)
	}
	for _, name := range []string{"stack_size", "stack_unused", "probe_count"} {
		b.code.Number(name, 1)
	}
	for _, name := range []string{"jump", "stacks", "states", "replace", "module_exit", "replace_exits", "callbacks", "copy", "constants", "initials", "target", "probe", "livepatch", "plain", "stack", "elsewhere", "parts", "leave", "exit"} {
		b.code.Add(name, "", nil)
	}
	b.code.Add("init", "", map[string]ko.Dest{"enable": b.code.Symbols["enable_livepatch"]})
	desc := ko.Dest{Symbol: b.Data().Anchor, Addend: 64}
	b.code.Add("target_callback", "x", map[string]ko.Dest{"target": desc})
	b.code.Add("target_callback", "y", map[string]ko.Dest{"target": desc, "patch_pre_patch": {Symbol: b.Text().Anchor, Addend: 8}})
	b.stub(&probed{Function: Function{Name: "f"}, to: ko.Dest{Symbol: b.Text().Anchor, Addend: 16}, stack: 3})
	b.code.Finish()
	if err := b.refused.err(); err != nil {
		t.Fatal(err)
	}
}

// TestOwnCode links all of the module's own code, and looks at the object: nothing is
// undefined but exports, each return is listed where there is a thunk for it, and
// functions that an update has take the place of those that do nothing.
func TestOwnCode(t *testing.T) {
	for _, thunk := range []bool{false, true} {
		b := ownBuilder(t, thunk)
		linkAll(t, b)
		out, err := b.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		f, err := elfobj.Parse(out)
		if err != nil {
			t.Fatal(err)
		}
		spec, err := f.Spec()
		if err != nil {
			t.Fatal(err)
		}
		returns := 0
		for i := range spec.Sections {
			s := &spec.Sections[i]
			for _, r := range s.Relas {
				to := &spec.Symbols[r.Sym]
				if r.Sym == 0 || !to.IsDefined() && b.exports[to.Name].Name == "" {
					t.Errorf("%s+%#x leads to %q", s.Name, r.Offset, to.Name)
				}
				if to.Name == kerneltab.ReturnThunk && s.Name == ".rela.text" {
					returns++
				}
			}
		}
		listed := 0
		if s := b.Named[kerneltab.ReturnSites]; s != nil {
			listed = len(s.Data) / 4
		}
		if thunk != (listed > 20) || thunk && listed != returns {
			t.Errorf("%d returns by a thunk, %d are listed", returns, listed)
		}
		checkTables(t, b)
		leads(t, b, spec, "init_module", "own_add_probes", "own_copy_at_load", "own_drop_probes", "own_keep_module")
		leads(t, b, spec, "own_post_patch", "own_enable_probes", "own_write_constants", "own_set_initials", "own_take_over_jumps")
		leads(t, b, spec, "own_jump_pre", "own_adopt_others")
		leads(t, b, spec, "cleanup_module", "own_leave_jumps", "own_leave_probes")
	}
}

// checkTables looks where the tables about the code lead to: jumps to the thunk, and
// instructions.
func checkTables(t *testing.T, b *builder) {
	t.Helper()
	code, starts, thunks := b.Text().Data, map[uint64]bool{b.Text().Len(): true}, map[uint64]bool{}
	for off := uint64(0); off < uint64(len(code)); {
		in, err := amd64.Decode(code[off:])
		if err != nil {
			t.Fatalf("at %#x: %v", off, err)
		}
		starts[off] = true
		off += uint64(in.Len)
	}
	for _, r := range b.Text().Relas {
		if b.Symbol(r.Sym).Name == kerneltab.ReturnThunk {
			thunks[r.Offset-1] = true
		}
	}
	for i := range b.Order {
		s := b.Order[i]
		for _, r := range s.Relas {
			at := uint64(r.Addend)
			if s.Name == kerneltab.ReturnSites && (!starts[at] || !thunks[at]) || s.Name == kerneltab.ORCAddresses && !starts[at] {
				t.Errorf("%s+%#x leads to %#x", s.Name, r.Offset, at)
			}
		}
	}
}

// leads checks that a function calls, or jumps to, the definition that counts: the one
// that the linker would give others.
func leads(t *testing.T, b *builder, spec *elfobj.Spec, from string, to ...string) {
	t.Helper()
	i := slices.IndexFunc(spec.Symbols, func(s elfobj.Symbol) bool { return s.Name == from })
	if i < 0 {
		t.Fatalf("no %s", from)
	}
	fn := spec.Symbols[i]
	for _, name := range to {
		strong := b.Symbol(b.code.Symbols[strings.TrimPrefix(name, "own_")].Symbol).Value
		found := false
		for _, r := range b.Text().Relas {
			s := b.Symbol(r.Sym)
			found = found || r.Offset >= fn.Value && r.Offset < fn.Value+fn.Size && s.Name == name && s.Value == strong
		}
		if !found {
			t.Errorf("%s does not lead to the %s at %#x", from, name, strong)
		}
	}
}

// TestNoMachineCode goes over the sources: none has instructions as bytes.
func TestNoMachineCode(t *testing.T) {
	list, err := filepath.Glob("*.go")
	if inner, _ := filepath.Glob("internal/*/*.go"); err == nil {
		list = append(list, inner...)
	}
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	for _, name := range list {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			var list []ast.Expr
			switch n := n.(type) {
			case *ast.CompositeLit:
				list = n.Elts
			case *ast.CallExpr:
				list = n.Args
			}
			hex := 0
			for _, x := range list {
				if l, ok := x.(*ast.BasicLit); ok && strings.HasPrefix(l.Value, "0x") {
					hex++
				}
			}
			if hex > 1 {
				t.Errorf("%v: %d bytes", set.Position(n.Pos()), hex)
			}
			return true
		})
	}
}

// TestOwnNumbers compares the numbers that this package and the code have.
func TestOwnNumbers(t *testing.T) {
	l, err := kcode.ReadLayout()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint64{
		"BASE_ZERO": baseZero, "BASE_FIELD": basePlace, "BASE_MODULE": baseMod, "BASE_PART": firstPart, "JUMP_SIZE": jumpSize,
	} {
		if got := l.Number(name); got != want {
			t.Errorf("%s is %d in the code, and %d here", name, got, want)
		}
	}
}
