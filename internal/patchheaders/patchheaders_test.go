package patchheaders_test

import (
	"debug/elf"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/patchheaders"
)

// kernelHeaders stand for those of a kernel, as far as the headers need them.
var kernelHeaders = map[string]string{
	"compiler.h": "#ifndef WITHOUT\n#define CONFIG_LIVEPATCH 1\n#endif\n#define __used __attribute__((__used__))\n#define __section(s) __attribute__((__section__(s)))\n#define __always_inline inline __attribute__((__always_inline__))\n",
	"livepatch.h": `#pragma once
struct klp_object { const char *name; };
#define NULL ((void *)0)
typedef unsigned gfp_t;
void *klp_shadow_get(void *, unsigned long);
void *klp_shadow_alloc(void *, unsigned long, unsigned long, gfp_t, void *, void *);
void *klp_shadow_get_or_alloc(void *, unsigned long, unsigned long, gfp_t, void *, void *);
void klp_shadow_free(void *, unsigned long, void *);
void klp_shadow_free_all(unsigned long, void *);
`,
	"printk.h":      "int printk(const char *, ...);\n",
	"static_call.h": "#define static_call(name) name\n",
	"syscalls.h":    "#define SYSCALL_DEFINE2(name, t, a, u, b) long sys_##name(t a, u b)\n",
}

const functions = "static int before(struct klp_object *o) { return 0; }\nstatic void after(struct klp_object *o) {}\nstatic int start(void) { return 0; }\nstatic void end(void) {}\n"

var spellings = []struct {
	name, include, text string
	hooks               []string // the callbacks that it makes, sorted
	refused             string   // or what the compiler says
}{
	{"own", "gosplice.h", "GOSPLICE_PRE_PATCH(before);\nGOSPLICE_POST_PATCH(after);\nGOSPLICE_PRE_UNPATCH(after);\nGOSPLICE_POST_UNPATCH(after);",
		[]string{"post_patch", "post_unpatch", "pre_patch", "pre_unpatch"}, ""},
	{"kpatch", "kpatch-macros.h", "static int kp(patch_object *o) { return before(o); }\nKPATCH_PRE_PATCH_CALLBACK(kp);\nKPATCH_POST_PATCH_CALLBACK(after);\nKPATCH_PRE_UNPATCH_CALLBACK(after);\nKPATCH_POST_UNPATCH_CALLBACK(after);",
		[]string{"post_patch", "post_unpatch", "pre_patch", "pre_unpatch"}, ""},
	{"Ksplice", "ksplice-patch.h", "ksplice_pre_apply(start);\nksplice_post_apply(end);\nksplice_post_reverse(end);", []string{"post_patch", "post_unpatch", "pre_patch"}, ""},
	{"of another type", "gosplice.h", "GOSPLICE_PRE_PATCH(after);", nil, "incompatible pointer type"},
	{"Ksplice's stop", "ksplice-patch.h", "ksplice_apply(end);", nil, "the machine does not stand still"},
	{"Ksplice's veto", "ksplice-patch.h", "ksplice_pre_reverse(start);", nil, "can't be kept from being disabled"},
	{"an ignored section", "kpatch-macros.h", `KPATCH_IGNORE_SECTION(".data");`, nil, ""},
	{"an ignored function", "kpatch-macros.h", "KPATCH_IGNORE_FUNCTION(start);", nil, "not left out in silence"},
	{"forced", "kpatch-macros.h", "KPATCH_FORCE_UNSAFE(start);", nil, "is not replaced under them"},
	{"shadow data", "gosplice.h", "struct extra { int n; };\nint *use(const void *o) { struct extra *e = gosplice_shadow_get_or_alloc(o, GOSPLICE_SHADOW_ID(\"n\"), struct extra, 0);\n if (!gosplice_shadow_get(o, 1, int)) gosplice_shadow_free(o, 1);\n gosplice_shadow_free_all(2); return e ? &e->n : gosplice_shadow_alloc(o, 3, int, 0); }", nil, ""},
	{"a long name", "gosplice.h", "unsigned long use(void) { return GOSPLICE_SHADOW_ID(\"a name that has more than thirty-two characters\"); }", nil, "at most 32 characters"},
	{"kpatch's shadow data", "kpatch-macros.h", "void use(void *o) { if (!kpatch_shadow_get(o, \"n\")) kpatch_shadow_alloc(o, \"n\", 8, 0); kpatch_shadow_free(o, \"n\"); }", nil, ""},
	{"others of kpatch", "kpatch-macros.h", "void use(void (*f)(void)) { KPATCH_STATIC_CALL(f)(); KPATCH_PRINTK(\"%d\", 1); KPATCH_PRINTK(\"x\"); }", nil, ""},
	{"a system call of kpatch", "kpatch-syscall.h", "KPATCH_SYSCALL_DEFINE2(pair, int, a, int, b) { return a + b; }", nil, ""},
}

// TestSpellings compiles a patch's words, and looks which callbacks there are.
func TestSpellings(t *testing.T) {
	testenv.Need(t, "gcc")
	tree := t.TempDir()
	for path, b := range patchheaders.Files() {
		write(t, filepath.Join(tree, path), b)
	}
	for name, text := range kernelHeaders {
		write(t, filepath.Join(tree, "include/linux", name), []byte(text))
	}
	for i, s := range spellings {
		t.Run(s.name, func(t *testing.T) {
			text := fmt.Sprintf("#include <linux/livepatch.h>\n#include %q\n#include %q\n%s%s\n", s.include, s.include, functions, s.text)
			file := filepath.Join(tree, fmt.Sprintf("%d.c", i))
			write(t, file, []byte(text))
			cmd := exec.CommandContext(t.Context(), "gcc", "-std=gnu11", "-O2", "-Wall", "-Werror", "-Wno-unused-function", "-fno-builtin", "-Iinclude", "-c", filepath.Base(file), "-o", "o.o")
			cmd.Dir = tree
			out, err := cmd.CombinedOutput()
			if (err != nil) != (s.refused != "") || !strings.Contains(string(out), s.refused) {
				t.Fatalf("%v, want it to say %q\n%s", err, s.refused, out)
			}
			if got := hooks(t, filepath.Join(tree, "o.o")); err == nil && !slices.Equal(got, s.hooks) {
				t.Errorf("callbacks %q, want %q", got, s.hooks)
			}
		})
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestShadowNowhere has a kernel without livepatch, which has no shadow data.
func TestShadowNowhere(t *testing.T) {
	testenv.Need(t, "gcc")
	tree := t.TempDir()
	for path, b := range patchheaders.Files() {
		write(t, filepath.Join(tree, path), b)
	}
	for name, text := range kernelHeaders {
		write(t, filepath.Join(tree, "include/linux", name), []byte(text))
	}
	write(t, filepath.Join(tree, "include/linux/livepatch.h"), nil)
	for i, use := range []string{"gosplice_shadow_get(o, 1, int)", "gosplice_shadow_alloc(o, 1, int, 0)", "gosplice_shadow_get_or_alloc(o, 1, int, 0)", "gosplice_shadow_free(o, 1)", "gosplice_shadow_free_all(1)", ""} {
		file := fmt.Sprintf("%d.c", i)
		write(t, filepath.Join(tree, file), fmt.Appendf(nil, "#include \"gosplice.h\"\nstatic int before(struct klp_object *o) { return 0; }\nGOSPLICE_PRE_PATCH(before);\nvoid f(void *o) { %s; }\n", use))
		cmd := exec.CommandContext(t.Context(), "gcc", "-std=gnu11", "-O2", "-Wall", "-Werror", "-DWITHOUT", "-Iinclude", "-c", file, "-o", "o.o")
		cmd.Dir = tree
		out, err := cmd.CombinedOutput()
		if (err != nil) != (use != "") || use != "" && !strings.Contains(string(out), "gosplice: shadow data take a kernel with CONFIG_LIVEPATCH") {
			t.Errorf("%s: %v\n%s", use, err, out)
		}
	}
}

// TestShadowID holds that the numbers of names are worked out by the compiler, to what
// FNV-1a gives.
func TestShadowID(t *testing.T) {
	testenv.Need(t, "gcc")
	tree := t.TempDir()
	for path, b := range patchheaders.Files() {
		write(t, filepath.Join(tree, path), b)
	}
	for name, text := range kernelHeaders {
		write(t, filepath.Join(tree, "include/linux", name), []byte(text))
	}
	text := "#include \"gosplice.h\"\n"
	for i, name := range []string{"", "a", "my-fix count", "exactly thirty-two characters, 32"[:32]} {
		h := fnv.New64a()
		h.Write([]byte(name))
		text += fmt.Sprintf("unsigned long id%d(void) { unsigned long id = GOSPLICE_SHADOW_ID(%q); if (!__builtin_constant_p(id) || id != %#xUL) not_constant(); return id; }\n", i, name, h.Sum64())
	}
	write(t, filepath.Join(tree, "id.c"), []byte("void not_constant(void) __attribute__((error(\"another number\")));\n"+text))
	cmd := exec.CommandContext(t.Context(), "gcc", "-std=gnu11", "-O2", "-Wall", "-Werror", "-Iinclude", "-c", "id.c")
	cmd.Dir = tree
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// hooks returns the callbacks of an object, sorted.
func hooks(t *testing.T, path string) []string {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		return nil // it was not compiled
	}
	defer f.Close()
	kinds := map[string]bool{}
	for _, s := range f.Sections {
		if kind, ok := strings.CutPrefix(s.Name, ".kpatch.callbacks."); ok {
			kinds[kind] = true
		}
	}
	return slices.Sorted(maps.Keys(kinds))
}

func TestFiles(t *testing.T) {
	got := slices.Sorted(maps.Keys(patchheaders.Files()))
	want := []string{"include/gosplice.h", "include/kpatch-macros.h", "include/kpatch-syscall.h", "include/ksplice-patch.h"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
