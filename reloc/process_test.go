package reloc

import (
	"bufio"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/gosplice/gosplice/reloc/image"
)

// start runs a program until the test ends, and waits for its first lines, so
// that it is past the dynamic linker.
func start(t testing.TB, path string, args ...string) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux")
	}
	cmd := exec.Command(path, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	lines := bufio.NewScanner(out)
	for range 3 {
		if !lines.Scan() {
			t.Fatalf("%s ended early", path)
		}
	}
	return cmd.Process.Pid
}

func mustProcess(t *testing.T, pid int) *image.Image {
	t.Helper()
	img, err := image.OpenProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	return img
}

// mainModule returns the main program's module.
func mainModule(t *testing.T, img *image.Image) *image.Module {
	t.Helper()
	for i := range img.Modules() {
		if img.Modules()[i].Main {
			return &img.Modules()[i]
		}
	}
	t.Fatalf("no main program among %d modules", len(img.Modules()))
	return nil
}

// TestProcess matches live processes: where the loader put them, stripped or
// not, bound lazily or at once, and when their file is gone.
func TestProcess(t *testing.T) {
	for _, tt := range []struct {
		name     string
		c        config
		stripped bool
		remove   bool
	}{
		{"pie", config{opt: "-O2", link: "pie", cf: true}, false, false},
		{"pie stripped", config{opt: "-O2", link: "pie", sections: true}, true, false},
		{"no plt", config{opt: "-O1", link: "pie", noPLT: true}, false, false},
		{"no pie", config{opt: "-Os", link: "nopie"}, true, false},
		{"static", config{opt: "-O2", link: "static"}, false, false},
		{"static stripped", config{opt: "-O3", link: "static"}, true, false},
		{"deleted", config{opt: "-O2", link: "pie"}, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := build(t, tt.c, victims...)
			o := readOracle(t, b.image)
			path := b.image
			if tt.stripped {
				path = b.stripped
			}
			pid := start(t, path, "x", "y")
			if tt.remove {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
			img := mustProcess(t, pid)
			m := mainModule(t, img)
			var total score
			for i, name := range victims {
				pre := mustOpen(t, b.objects[i])
				r := mustMatch(t, pre, img, Options{})
				total.add(judge(r, o, name+".c", m.Bias))
				checkLibrary(t, img, r)
			}
			t.Log(total)
			if total.wrong+total.ambiguous+total.other > 0 {
				t.Errorf("%v\n%v", total, total.log)
			}
		})
	}
}

// checkLibrary checks the final addresses of functions of the C library
// against the library's own symbols.
func checkLibrary(t *testing.T, img *image.Image, r *Result) {
	t.Helper()
	for _, v := range r.Symbols {
		if v.Has&UsePLT == 0 || v.Has&UseAddress == 0 {
			continue
		}
		known := false
		for _, s := range img.Lookup(v.Name) {
			known = known || s.Addr == v.Address || s.Type == elf.STT_GNU_IFUNC
		}
		if !known && len(img.Lookup(v.Name)) > 0 {
			name, off, _ := img.SymbolAt(v.Address)
			t.Errorf("%s is at %#x, where %v+%#x is", v.Name, v.Address, name, off)
		}
	}
}

// TestSharedLibrary matches an object that is a part of a shared library which
// a process has loaded, next to a program that has functions of the same names.
func TestSharedLibrary(t *testing.T) {
	for _, bind := range []string{"-Wl,-z,lazy", "-Wl,-z,now"} {
		t.Run(bind, func(t *testing.T) {
			t.Parallel()
			b := build(t, config{opt: "-O2", link: "shared"}, "shapes", "beta", "threads", "twins", "data")
			lib := filepath.Join(b.dir, "libvictim.so")
			if err := os.Rename(b.image, lib); err != nil {
				t.Fatal(err)
			}
			exe := filepath.Join(b.dir, "program")
			gcc(t, "-O2", "-o", exe, filepath.Join("testdata", "main.c"), lib, bind, "-Wl,-rpath,"+b.dir)
			o := readOracle(t, lib)
			// A program that is not PIC has its own copy of the library's
			// variable, and that is the one in use.
			delete(o.global, "shared_counter")
			want := readOracle(t, exe).global["shared_counter"][0]
			img := mustProcess(t, start(t, exe, "x", "y"))
			var total score
			for i, name := range victims[1:] {
				r := mustMatch(t, mustOpen(t, b.objects[i]), img, Options{Module: "libvictim.so"})
				var bias uint64
				for _, m := range img.Modules() {
					if m.Name == "libvictim.so" {
						bias = m.Bias
					}
				}
				total.add(judge(r, o, name+".c", bias))
				for _, v := range r.Symbols {
					if at := want + mainModule(t, img).Bias; v.Name == "shared_counter" && v.Address != at {
						t.Errorf("%s: shared_counter is %#x, want the program's copy at %#x", name, v.Address, at)
					}
				}
			}
			t.Log(total)
			if total.wrong+total.ambiguous+total.other > 0 {
				t.Errorf("%v\n%v", total, total.log)
			}
		})
	}
}

// TestProcessModules checks what a process is seen to consist of.
func TestProcessModules(t *testing.T) {
	b := build(t, config{opt: "-O2", link: "pie"}, victims...)
	img := mustProcess(t, start(t, b.image, "x", "y"))
	want := map[string]bool{"image": false, "libc.so.6": false, "[vdso]": false}
	for i, m := range img.Modules() {
		if _, ok := want[m.Name]; ok {
			want[m.Name] = true
		}
		if _, at := img.ModuleAt(m.Start); at != i {
			t.Errorf("ModuleAt(%#x) is %d, want %d (%s)", m.Start, at, i, m.Name)
		}
	}
	for name, seen := range want {
		if !seen {
			t.Errorf("no module %s among %+v", name, img.Modules())
		}
	}
	if len(img.Lookup("__vdso_gettimeofday")) == 0 {
		t.Error("no symbols of the vdso")
	}
	main := img.Lookup("main")
	if len(main) != 1 {
		t.Fatalf("main: %+v", main)
	}
	if s, off, ok := img.SymbolAt(main[0].Addr + 1); !ok || s.Name != "main" || off != 1 {
		t.Errorf("SymbolAt(main+1): %+v %d %v", s, off, ok)
	}
}
