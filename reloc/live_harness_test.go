package reloc

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/vm"
)

// A guestKernel is a kernel that runs in a virtual machine.
type guestKernel struct {
	*vm.Machine
	symbols []Symbol
	at      map[string]uint64 // of the kernel's own symbols, the first of each name
	bias    uint64            // run address minus link address
}

// peekProgram builds the program that reads memory.
func peekProgram(t testing.TB) map[string]string {
	t.Helper()
	b, err := vm.BuildProgram(t.Context(), "github.com/gosplice/gosplice/reloc/testdata/peek")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "peek")
	if err := os.WriteFile(name, b, 0o700); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"/bin/peek": name}
}

// boot starts a kernel.
func boot(t testing.TB, opt vm.Options) *vm.Machine {
	t.Helper()
	opt.Files = peekProgram(t)
	return vm.New(t, opt)
}

// look reads the symbols of a running kernel, and how far it was moved.
func look(t testing.TB, m *vm.Machine, o *kernelOracle) *guestKernel {
	t.Helper()
	g := &guestKernel{Machine: m, at: make(map[string]uint64)}
	b, err := m.ReadFile(t.Context(), "/proc/kallsyms")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		addr, err := strconv.ParseUint(f[0], 16, 64)
		if err != nil || len(f) < 3 {
			t.Fatalf("kallsyms: %q", line)
		}
		s := Symbol{Name: f[2], Addr: addr, Type: elf.STT_OBJECT, Local: f[1] >= "a", Module: 0}
		if f[1] == "t" || f[1] == "T" || f[1] == "W" || f[1] == "w" {
			s.Type = elf.STT_FUNC
		}
		if len(f) > 3 {
			s.Module = 1
		} else if _, ok := g.at[s.Name]; !ok {
			g.at[s.Name] = addr
		}
		g.symbols = append(g.symbols, s)
	}
	o.running = true
	g.bias = g.at["_text"] - o.names["_text"][0]
	return g
}

// moduleArea is where modules, and trampolines, are.
var moduleArea = [2]uint64{0xffffffffc0000000, 0xffffffffff000000}

// image reads the memory of the kernel: its code, constants and data, and what
// of the area of modules is asked for.
func (g *guestKernel) image(t testing.TB, more ...[2]uint64) *Image {
	t.Helper()
	a := g.at
	regions := []Region{
		{Start: 0, End: a["__per_cpu_end"], Write: true, Volatile: true},
		{Start: a["_text"], End: a["_etext"], Read: true, Exec: true, Volatile: true},
		{Start: a["__start_rodata"], End: a["__end_rodata"], Read: true, Volatile: true},
		{Start: a["_sdata"], End: a["__init_begin"], Read: true, Write: true, Volatile: true},
		{Start: a["__init_begin"], End: a["__init_end"], Volatile: true, Freed: true},
		{Start: a["__init_end"], End: a["_end"], Write: true, Volatile: true},
		{Start: moduleArea[0], End: moduleArea[1], Exec: true, Volatile: true, Module: 1},
	}
	regions[0].Module = NoModule
	var spans [][2]uint64
	for _, r := range regions {
		if r.Read {
			spans = append(spans, [2]uint64{r.Start, r.End})
		}
	}
	mem, err := NewSegments(g.peek(t, append(spans, more...))...)
	if err != nil {
		t.Fatal(err)
	}
	img, err := NewImage(mem, regions, []Module{{Name: "vmlinux", Start: a["_text"], End: a["_end"], Bias: g.bias, Main: true}, {Name: "modules", Start: moduleArea[0], End: moduleArea[1]}}, g.symbols)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// peek reads stretches of memory, some megabytes at a time.
func (g *guestKernel) peek(t testing.TB, spans [][2]uint64) []Segment {
	t.Helper()
	const piece = 4 << 20
	var out []Segment
	for _, s := range spans {
		data := make([]byte, 0, s[1]-s[0])
		for at := s[0]; at < s[1]; at += piece {
			n := min(piece, s[1]-at)
			r, err := g.Run(t.Context(), vm.Command{Path: "/bin/peek", Args: []string{fmt.Sprintf("%x", at), fmt.Sprintf("%x", n)}})
			if err != nil || r.Status != 0 || uint64(len(r.Stdout)) != n {
				t.Fatalf("peek: %v %+v", err, r)
			}
			data = append(data, r.Stdout...)
		}
		out = append(out, Segment{s[0], data})
	}
	return out
}
