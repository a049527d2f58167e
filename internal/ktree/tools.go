package ktree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrMissing is for what is not on this machine, and can be installed.
var ErrMissing = errors.New("not on this machine")

// ErrCompiler is for a compiler that is not the one that the kernel was built with.
var ErrCompiler = errors.New("another compiler than the kernel's")

// needs are the programs and headers that preparing and compiling a kernel takes, with
// Debian's packages of them.
var needs = []struct{ program, header, pkg string }{
	{"make", "", "make"}, {"tar", "", "tar"}, {"xz", "", "xz-utils"}, {"flex", "", "flex"}, {"bison", "", "bison"}, {"bc", "", "bc"},
	{"gcc", "", "gcc"}, {"ld", "", "binutils"}, {"perl", "", "perl"}, {"pahole", "", "dwarves"},
	{"", "usr/include/libelf.h", "libelf-dev"}, {"", "usr/include/openssl/opensslv.h", "libssl-dev"},
}

// checkTools tells all that is missing at once.
func (t *Tree) checkTools() error {
	root := "/"
	if t.spec.Buildroot != "" {
		root = t.spec.Buildroot
	}
	var packages, what []string
	for _, n := range needs {
		if n.program != "" && !hasProgram(t.spec.Buildroot, n.program) {
			packages, what = append(packages, n.pkg), append(what, n.program)
		}
		if n.header != "" && !hasHeader(root, n.header) {
			packages, what = append(packages, n.pkg), append(what, filepath.Base(n.header))
		}
	}
	if len(packages) == 0 {
		return nil
	}
	where, line := "", "apt-get install "+strings.Join(packages, " ")
	if t.spec.Buildroot != "" {
		where, line = " (in "+t.spec.Buildroot+")", "chroot "+t.spec.Buildroot+" "+line
	}
	return fmt.Errorf("%s: %w%s; on Debian: %s", strings.Join(what, ", "), ErrMissing, where, line)
}

// folders are where programs are in a distribution.
var folders = []string{"usr/local/bin", "usr/bin", "bin", "usr/sbin", "sbin"}

func hasProgram(buildroot, name string) bool {
	if buildroot == "" {
		_, err := exec.LookPath(name)
		return err == nil
	}
	for _, dir := range folders {
		if _, err := os.Lstat(filepath.Join(buildroot, dir, name)); err == nil {
			return true
		}
	}
	return false
}

// hasHeader looks for a header, which may be in the folder of one architecture.
func hasHeader(root, name string) bool {
	rest, _ := strings.CutPrefix(name, "usr/include/")
	for _, pattern := range []string{name, "usr/include/*/" + rest} {
		if found, _ := filepath.Glob(filepath.Join(root, pattern)); len(found) > 0 {
			return true
		}
	}
	return false
}

// checkCompiler compares what the compiler says of itself with what the configuration has of
// the one that built the kernel.
func (t *Tree) checkCompiler(ctx context.Context, config []byte) error {
	m := compilerForm.FindSubmatch(config)
	cc := t.spec.CC
	if m != nil && cc == "" {
		cc = string(m[2])
	}
	if cc == "" {
		cc = "gcc"
	}
	words := strings.Fields(cc)
	program := words[len(words)-1] // behind ccache and the like
	if !hasProgram(t.spec.Buildroot, program) && !filepath.IsAbs(program) {
		return fmt.Errorf("%w: the kernel was built by %s, and there is no %s here; on Debian: apt-get install %s; or say where it is (-cc, -buildroot)",
			errors.Join(ErrMissing), wanted(m), program, program)
	}
	out, err := t.output(ctx, t.cache.Dir(), "sh", "-c", cc+" --version")
	if err != nil {
		return fmt.Errorf("compiler %s: %w", cc, err)
	}
	t.compiler, _, _ = strings.Cut(string(out), "\n")
	if m != nil && t.compiler != string(m[1]) {
		return fmt.Errorf("%w: it was built by %q, and %s is %q: install that version, or say where it is (-cc COMMAND), or give a folder with the distribution that has it (-buildroot)",
			ErrCompiler, m[1], cc, t.compiler)
	}
	return nil
}

func wanted(m [][]byte) string {
	if m == nil {
		return "another compiler"
	}
	return string(m[1])
}
