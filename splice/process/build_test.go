//go:build linux && amd64

package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// config is one way to build a victim.
type config struct {
	name   string
	cflags string // of the file that is patched
	link   string
	shared bool // that file becomes a library
}

var configs = []config{
	{"O2-pie", "-O2 -fPIE", "-pie", false},
	{"O2-pie-stripped", "-O2 -fPIE", "-pie -s", false},
	{"O1-nopie", "-O1 -fno-pie", "-no-pie", false},
	{"Os-pie", "-Os -fPIE", "-pie", false},
	{"Os-nopie-stripped", "-Os -fno-pie", "-no-pie -s", false},
	{"O2-cf", "-O2 -fPIE -fcf-protection=full", "-pie", false},
	{"O2-lazy", "-O2 -fPIE", "-pie -Wl,-z,lazy -Wl,-z,norelro", false},
	{"O0-pie", "-O0 -fPIE", "-pie", false},
	{"O3-noplt-sections", "-O3 -fPIE -fno-plt -ffunction-sections -fdata-sections", "-pie -Wl,--gc-sections", false},
	{"O2-library", "-O2 -fPIC", "-pie", true},
	{"O1-library-cf", "-O1 -fPIC -fcf-protection=full", "-no-pie -s", true},
	{"O2-static", "-O2 -fno-pie", "-static", false},
	{"O2-static-pie", "-O2 -fPIE", "-static-pie", false},
	{"O2-musl-static", "-O2 -fno-pie " + muslSpecs, "-static " + muslSpecs, false},
}

func configNamed(name string) config {
	for _, c := range configs {
		if c.name == name {
			return c
		}
	}
	panic("no configuration " + name)
}

// built is a victim, and the objects of its patched file.
type built struct{ program, pre, post string }

// builder compiles each thing once.
type builder struct {
	dir  func() (string, error)
	mu   sync.Mutex
	once map[string]func() (string, error)
}

var builds = builder{
	dir:  sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "gosplice-process") }),
	once: map[string]func() (string, error){},
}

func (b *builder) remove() {
	if dir, err := b.dir(); err == nil {
		os.RemoveAll(dir)
	}
}

// gcc is run with gcc.
func (b *builder) gcc(out string, args ...string) (string, error) { return b.run("gcc", out, args...) }

// run runs a compiler once for each output file, which is named relative to the
// builder's folder, and returns its path.
func (b *builder) run(compiler, out string, args ...string) (string, error) {
	b.mu.Lock()
	f, ok := b.once[out]
	if !ok {
		f = sync.OnceValues(func() (string, error) {
			dir, err := b.dir()
			if err != nil {
				return "", err
			}
			path := filepath.Join(dir, out)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return "", err
			}
			args := append([]string{"-w", "-o", path}, args...)
			if text, err := exec.Command(compiler, args...).CombinedOutput(); err != nil {
				return "", fmt.Errorf("%s %s: %w\n%s", compiler, strings.Join(args, " "), err, text)
			}
			return path, nil
		})
		b.once[out] = f
	}
	b.mu.Unlock()
	return f()
}

// program builds driver.c with testdata/NAME.c, and the objects of that file.
func program(t testing.TB, c config, name string) built {
	t.Helper()
	testenv.Need(t, "gcc")
	if strings.Contains(c.cflags, muslSpecs) {
		testenv.Need(t, "musl-gcc")
	}
	must := func(path string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	flags := strings.Fields(c.cflags)
	source := filepath.Join("testdata", name+".c")
	object := func(out, source string, extra ...string) string {
		return must(builds.gcc(c.name+"/"+out, append(append(extra, flags...), "-c", source)...))
	}
	driver := object("driver.o", filepath.Join("testdata", "driver.c"))
	b := built{pre: object(name+".o", source), post: object(name+".patched.o", source, "-DPATCHED")}
	link := append(strings.Fields(c.link), "-pthread", driver)
	if c.shared {
		lib := must(builds.gcc(c.name+"/lib"+name+".so", "-shared", b.pre))
		link = append(link, lib, "-Wl,-rpath,"+filepath.Dir(lib))
	} else {
		link = append(link, b.pre)
	}
	b.program = must(builds.gcc(c.name+"/"+name, link...))
	return b
}
