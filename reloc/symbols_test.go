package reloc

import (
	"bytes"
	"debug/elf"
	"os/exec"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestSymbolsAgainstNM compares the symbols of an image with what nm lists.
func TestSymbolsAgainstNM(t *testing.T) {
	testenv.Need(t, "nm")
	b := build(t, config{opt: "-O2", link: "pie"}, victims...)
	out, err := exec.Command("nm", "--defined-only", "-P", b.image).Output()
	if err != nil {
		t.Fatal(err)
	}
	img := mustImage(t, b.image)
	for line := range bytes.Lines(out) {
		f := bytes.Fields(line)
		if len(f) < 3 {
			continue
		}
		name, _, _ := strings.Cut(string(f[0]), "@")
		var want uint64
		for _, c := range f[2] {
			want = want<<4 | uint64(bytes.IndexByte([]byte("0123456789abcdef"), c))
		}
		found := false
		for _, s := range img.Lookup(name) {
			found = found || s.Addr == want
		}
		if !found {
			t.Errorf("%s: nm has it at %#x, we at %+v", name, want, img.Lookup(name))
		}
	}
	for _, s := range img.Symbols() {
		if s.Type == elf.STT_TLS || s.Size == 0 {
			continue
		}
		if got, off, ok := img.SymbolAt(s.Addr + s.Size - 1); !ok || got.Addr+off != s.Addr+s.Size-1 {
			t.Errorf("SymbolAt(%s+%#x): %+v %v", s.Name, s.Size-1, got, ok)
		}
	}
}
