package kcode

import (
	"bytes"
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// compiler is what the objects are built with: another one makes other code.
const compiler = "gcc-12 (Debian 12.2.0"

// names lists the objects.
func names(t *testing.T) []string {
	t.Helper()
	list, err := fs.Glob(objects, "obj/*.o")
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	for i := range list {
		list[i] = strings.TrimSuffix(filepath.Base(list[i]), ".o")
	}
	return list
}

// TestRebuild builds the objects anew, and compares them with those that are embedded.
func TestRebuild(t *testing.T) {
	testenv.Need(t, "sh", "gcc-12", "objcopy")
	version, err := exec.CommandContext(t.Context(), "gcc-12", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(version, []byte(compiler)) {
		testenv.Skip(t, "%q is not %s", version, compiler)
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "sh", "src/build.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	built, err := filepath.Glob(filepath.Join(dir, "*.o"))
	if err != nil || len(built) != len(names(t)) {
		t.Errorf("%d objects were built, %d are embedded: %v", len(built), len(names(t)), err)
	}
	for _, path := range built {
		now, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if was, err := objects.ReadFile("obj/" + filepath.Base(path)); err != nil || !bytes.Equal(was, now) {
			t.Errorf("%s is not what src makes, %v: run go generate", filepath.Base(path), err)
		}
	}
}

// section returns a section of an object.
func section(s *elfobj.Spec, name string) *elfobj.SpecSection {
	for i := range s.Sections {
		if s.Sections[i].Name == name {
			return &s.Sections[i]
		}
	}
	return &elfobj.SpecSection{}
}

// TestInstructions decodes all code: there is no indirect branch, branches lead to
// instructions, and so do the rows for unwinding. What objdump sees is the same.
func TestInstructions(t *testing.T) {
	for _, name := range names(t) {
		spec, err := Object(name)
		if err != nil {
			t.Fatal(err)
		}
		code := section(spec, ".text").Data
		starts := map[uint64]bool{uint64(len(code)): true}
		for off := uint64(0); off < uint64(len(code)); {
			in, err := amd64.Decode(code[off:])
			if err != nil {
				t.Fatalf("%s+%#x: %v", name, off, err)
			}
			if in.Class == amd64.CallInd || in.Class == amd64.JumpInd {
				t.Errorf("%s+%#x: an indirect branch", name, off)
			}
			starts[off] = true
			off += uint64(in.Len)
		}
		for off := range starts {
			if in, err := amd64.Decode(code[off:]); err == nil && in.PCRelLen == 1 {
				if to, ok := in.Target(code[off:], off); ok && !starts[to] {
					t.Errorf("%s+%#x: a jump to %#x, between instructions", name, off, to)
				}
			}
		}
		checkUnwind(t, name, spec, starts)
		checkObjdump(t, name, code, starts)
	}
}

// checkUnwind has each function covered by rows, from its first instruction on.
func checkUnwind(t *testing.T, name string, spec *elfobj.Spec, starts map[uint64]bool) {
	t.Helper()
	rows, err := Unwind(spec)
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	at := map[uint64]UnwindRow{}
	for i, r := range rows {
		at[r.Offset] = r
		if !starts[r.Offset] || i > 0 && rows[i-1].Offset >= r.Offset {
			t.Errorf("%s: a row at %#x, behind %#x", name, r.Offset, rows[max(i-1, 0)].Offset)
		}
	}
	for _, s := range spec.Symbols {
		if s.Type() == elf.STT_FUNC && s.IsDefined() && at[s.Value] != (UnwindRow{s.Value, BaseSP, 8, 0}) {
			t.Errorf("%s: %s begins with %+v", name, s.Name, at[s.Value])
		}
	}
	if n := len(rows); n > 0 && rows[n-1].Base != NoBase {
		t.Errorf("%s: the last function has no end", name)
	}
}

// objdumpLine is an instruction in objdump's words: its offset is what counts.
var objdumpLine = regexp.MustCompile(`(?m)^ +([0-9a-f]+):\t(.*)$`)

func checkObjdump(t *testing.T, name string, code []byte, starts map[uint64]bool) {
	t.Helper()
	if len(code) == 0 {
		return
	}
	testenv.Need(t, "objdump")
	path := filepath.Join(t.TempDir(), "code")
	if err := os.WriteFile(path, code, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "--no-show-raw-insn", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 1 // the end
	for _, m := range objdumpLine.FindAllSubmatch(out, -1) {
		at, err := strconv.ParseUint(string(m[1]), 16, 64)
		if err != nil || bytes.Contains(m[2], []byte("(bad)")) || !starts[at] {
			t.Errorf("%s: objdump: %s", name, m[0])
		}
		seen++
	}
	if seen != len(starts) {
		t.Errorf("%s: objdump sees %d instructions, not %d", name, seen-1, len(starts)-1)
	}
}

// pointed lists the functions that the kernel calls through pointers, by their objects.
var pointed = map[string][]string{
	"init": {"init_module"}, "exit": {"cleanup_module"}, "callbacks": {"post_patch", "pre_unpatch"}, "jump": {"gate", "jump_pre", "jump_post"},
	"replace_exits": {"exits_pre_patch", "exits_post_unpatch"},
	"constants":     {"copy_stopped"}, "target_callback": {"target_pre_patch", "target_post_patch", "target_pre_unpatch", "target_post_unpatch"}, "probe": {"probe_handler", "probe_after"},
}

// TestEndbr looks where these begin (Intel SDM volume 1, section 17.3).
func TestEndbr(t *testing.T) {
	for object, list := range pointed {
		spec, err := Object(object)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range list {
			i := slices.IndexFunc(spec.Symbols, func(s elfobj.Symbol) bool { return s.Name == name })
			if i < 0 {
				t.Errorf("%s has no %s", object, name)
				continue
			}
			in, err := amd64.Decode(section(spec, ".text").Data[spec.Symbols[i].Value:])
			if err != nil || in.Class != amd64.Endbr {
				t.Errorf("%s begins with %v, %v", name, in.Class, err)
			}
		}
	}
}

// linked lists what the linker defines for an update, and kernel what the code uses of
// the kernel beside members of structures.
var (
	linked = []string{
		"__this_module", "account", "checks", "copies", "exit_rows", "enable", "initials", "jump_accounts", "jump_new", "jump_old", "jump_rows", "module_name", "patch", "probe_count", "probe_list",
		"probe_stack_words", "replacement", "restores", "stack_size", "stack_unused", "target", "writes",
	}
	kernelSymbols = []string{
		"__cpu_online_mask", "__cpu_possible_mask", "__module_get", "__num_online_cpus", "__per_cpu_offset", "__x86_return_thunk", "_printk",
		"find_symbol", "module_mutex", "__module_address",
		"cpus_read_lock", "cpus_read_unlock", "disable_kprobe", "enable_kprobe", "idle_threads", "init_task", "klp_enable_patch", "klp_patches",
		"module_put", "msleep", "mutex_lock", "mutex_unlock", "nr_cpu_ids", "register_kprobes", "stack_trace_save_tsk_reliable", "stop_machine", "stop_machine_cpuslocked",
		"synchronize_rcu_tasks", "text_mutex", "text_poke", "try_module_get", "unregister_kprobes", "vfree", "vmalloc_noprof",
	}
)

// TestReferences goes over what the objects refer to: nothing else than these lists, each
// other, and members; and by relocations only that the kernel's loader applies
// (apply_relocate_add of arch/x86/kernel/module.c).
func TestReferences(t *testing.T) {
	defined, used := map[string]int{}, map[string]bool{}
	for _, name := range names(t) {
		spec, err := Object(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range spec.Symbols {
			switch {
			case s.Name == "" || s.Type() == elf.STT_FILE || s.Section == elfobj.SecAbs || strings.Contains(s.Name, "."):
			case !s.IsDefined():
				used[s.Name] = true
			case s.Bind() == elf.STB_GLOBAL:
				defined[s.Name]++
			}
		}
		checkRelocations(t, name, spec)
	}
	for name := range used {
		if defined[name] == 0 && !slices.Contains(linked, name) && !slices.Contains(kernelSymbols, name) {
			t.Errorf("nothing defines %s", name)
		}
	}
	for _, name := range slices.Concat(linked, kernelSymbols) {
		if !used[name] {
			t.Errorf("nothing uses %s", name)
		}
	}
	for name, n := range defined {
		if n > 1 {
			t.Errorf("%d objects define %s", n, name)
		}
	}
}

func checkRelocations(t *testing.T, name string, spec *elfobj.Spec) {
	t.Helper()
	known := []elf.R_X86_64{elf.R_X86_64_64, elf.R_X86_64_32, elf.R_X86_64_32S, elf.R_X86_64_PC32, elf.R_X86_64_PLT32}
	for i := range spec.Sections {
		s := &spec.Sections[i]
		for _, r := range s.Relas {
			if !slices.Contains(known, elf.R_X86_64(r.Type)) {
				t.Errorf("%s: %s+%#x: %v", name, s.Name, r.Offset, elf.R_X86_64(r.Type))
			}
		}
	}
}

// TestLayout compares the rows that updates of different versions share.
func TestLayout(t *testing.T) {
	l, err := ReadLayout()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint64{
		"sizeof.jump": 64, "jump.at": 0, "jump.expected": 8, "jump.lock": 14, "jump.ret": 15, "jump.to": 16, "jump.name": 24, "jump.bytes": 32,
		"jump.before": 40, "jump.earlier": 48, "jump.active": 56, "jump.mask": 57, "STATE_ID": 0x706d756a70736f67, "STATE_VERSION": 1,
		"sizeof.account": 32, "account.rows": 0, "account.code": 8, "account.module": 16,
	} {
		if got := l.Number(name); got != want {
			t.Errorf("%s is %d, and was %d", name, got, want)
		}
	}
}
