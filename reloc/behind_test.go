package reloc

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestBehindLast matches a function that refers to a variable without bytes, as keys of locks are in
// kernels without lockdep, which stands behind the last byte of what is mapped.
func TestBehindLast(t *testing.T) {
	testenv.Need(t, "gcc")
	dir := t.TempDir()
	src, o, exe := filepath.Join(dir, "a.c"), filepath.Join(dir, "a.o"), filepath.Join(dir, "a")
	text := "static struct {} key;\nlong count[512] = {1};\nvoid _start(void) { count[0]++; __asm__ volatile(\"\" : : \"r\"(&key)); for (;;); }\n"
	if err := os.WriteFile(src, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	gcc(t, "-c", "-O2", "-fno-pie", "-ffunction-sections", "-fdata-sections", "-o", o, src)
	gcc(t, "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-o", exe, o)
	r := mustMatch(t, mustOpen(t, o), mustImage(t, exe), Options{})
	if !r.AllMatched() {
		t.Errorf("%+v", r.Functions)
	}
}
