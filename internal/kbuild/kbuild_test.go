package kbuild_test

import (
	"debug/elf"
	"os"
	"testing"

	"github.com/gosplice/gosplice/internal/kbuild"
	"github.com/gosplice/gosplice/internal/vm"
)

// TestCompile makes one object twice, as it is and changed.
func TestCompile(t *testing.T) {
	tree := kbuild.Need(t, vm.Need(t, "6.1"))
	pre, err := tree.Compile(t.Context(), "", "fs/proc/cmdline.c")
	if err != nil {
		t.Fatal(err)
	}
	post, err := tree.Compile(t.Context(), t.TempDir(), "fs/proc/cmdline.c", kbuild.Edit{Old: "seq_putc(m, '\\n');", New: `seq_puts(m, " changed\n");`})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{pre, post} {
		f, err := elf.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if f.Section(".text.cmdline_proc_show") == nil || f.Section(".orc_unwind") == nil {
			t.Errorf("%s: no section of its own for a function, or none of objtool's", name)
		}
		f.Close()
	}
	a, _ := os.ReadFile(pre)
	b, _ := os.ReadFile(post)
	if string(a) == string(b) {
		t.Error("the edit changed nothing")
	}
	if _, err := tree.Compile(t.Context(), t.TempDir(), "fs/proc/cmdline.c", kbuild.Edit{Old: "no such text", New: ""}); err == nil {
		t.Error("an edit that fits nowhere was accepted")
	}
}
