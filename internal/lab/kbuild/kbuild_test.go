package kbuild_test

import (
	"debug/elf"
	"os"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

// TestCompile makes one object twice, as it is and changed. Kernels with IBT run
// objtool over the whole image only.
func TestCompile(t *testing.T) {
	for series, section := range map[string]string{"6.1": ".orc_unwind", "6.12": "__patchable_function_entries"} {
		t.Run(series, func(t *testing.T) { testCompile(t, kbuild.Need(t, vmtest.Need(t, series)), section) })
	}
}

func testCompile(t *testing.T, tree *kbuild.Tree, section string) {
	pre, err := tree.Compile(t.Context(), "fs/proc/cmdline.c")
	if err != nil {
		t.Fatal(err)
	}
	post, err := tree.Compile(t.Context(), "fs/proc/cmdline.c", kbuild.Edit{Old: "seq_putc(m, '\\n');", New: `seq_puts(m, " changed\n");`})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{pre, post} {
		f, err := elf.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if f.Section(".text.cmdline_proc_show") == nil || f.Section(section) == nil {
			t.Errorf("%s: no section of its own for a function, or no %s", name, section)
		}
		f.Close()
	}
	a, _ := os.ReadFile(pre)
	b, _ := os.ReadFile(post)
	if string(a) == string(b) {
		t.Error("the edit changed nothing")
	}
	if _, err := tree.Compile(t.Context(), "fs/proc/cmdline.c", kbuild.Edit{Old: "no such text", New: ""}); err == nil {
		t.Error("an edit that fits nowhere was accepted")
	}
}
