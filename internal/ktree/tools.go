package ktree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/need"
)

// ErrMissing is for what is not on this machine, and can be installed.
var ErrMissing = errors.New("not on this machine")

// A MissingError tells all that a build of the kernel takes and that is not there. It is an
// [ErrMissing].
type MissingError struct {
	What      []string // programs and headers, in the order in which a build needs them
	Packages  []string // of Debian, which have them, sorted
	Buildroot string   // where they are missing; "" for this system
}

// Error has the one line that installs them.
func (e *MissingError) Error() string {
	where, line := "", need.Line(e.Packages)
	if e.Buildroot != "" {
		where, line = " (in "+e.Buildroot+")", "chroot "+e.Buildroot+" "+line
	}
	return fmt.Sprintf("%s: %v%s; this installs it on Debian: %s", strings.Join(e.What, ", "), ErrMissing, where, line)
}

// Unwrap returns ErrMissing.
func (e *MissingError) Unwrap() error { return ErrMissing }

// needs are the programs and headers that preparing and compiling a kernel takes, with
// Debian's packages of them (Documentation/process/changes.rst), and the settings with which
// it takes them; "" is for every kernel.
var needs = []struct{ setting, program, header, pkg string }{
	{"", "make", "", "make"},
	{"", "flex", "", "flex"}, {"", "bison", "", "bison"}, {"", "bc", "", "bc"},
	{"", "gcc", "", "gcc"}, // for programs of the build, whatever the compiler of the kernel is
	{"", "ld", "", "binutils"}, {"", "perl", "", "perl"}, {"", "", "usr/include/stdlib.h", "libc6-dev"},
	{"CONFIG_DEBUG_INFO_BTF=y", "pahole", "", "dwarves"}, {"CONFIG_DEBUG_INFO_BTF=y", "python3", "", "python3"}, // of libbpf, for resolve_btfids
	{"CONFIG_OBJTOOL=y", "", "usr/include/libelf.h", "libelf-dev"},
	{"CONFIG_STACK_VALIDATION=y", "", "usr/include/libelf.h", "libelf-dev"},
	{"CONFIG_DEBUG_INFO_BTF=y", "", "usr/include/libelf.h", "libelf-dev"},
	{"CONFIG_MODULE_SIG=y", "", "usr/include/openssl/opensslv.h", "libssl-dev"},
	{"CONFIG_SYSTEM_TRUSTED_KEYRING=y", "", "usr/include/openssl/opensslv.h", "libssl-dev"},
}

// checkTools tells all that is missing at once.
func (t *Tree) checkTools(config []byte) error {
	e := &MissingError{Buildroot: t.spec.Buildroot}
	on := map[string]bool{"": true}
	for line := range strings.Lines(string(config)) {
		on[strings.TrimSpace(line)] = true
	}
	for _, n := range needs {
		switch {
		case !on[n.setting]:
		case n.program != "" && !t.hasProgram(n.program):
			e.What, e.Packages = append(e.What, n.program), append(e.Packages, n.pkg)
		case n.header != "" && !hasHeader(cmp.Or(t.spec.Buildroot, "/"), n.header):
			if name := filepath.Base(n.header); !slices.Contains(e.What, name) {
				e.What, e.Packages = append(e.What, name), append(e.Packages, n.pkg)
			}
		}
	}
	if err := e.orNil(); err != nil && t.spec.Buildroot == "" && t.spec.CC == "" {
		// One line installs the compiler too.
		if cc := newCompiler("", config); cc.pkg != "" && !t.hasProgram(cc.program) && !slices.Contains(e.What, cc.program) {
			e.What, e.Packages = append(e.What, cc.program), append(e.Packages, cc.pkg)
		}
	}
	if err := e.orNil(); err != nil {
		return err
	}
	return t.checkUnpack()
}

// checkUnpack looks for what unpacks the source: on this system, in any case.
func (t *Tree) checkUnpack() error {
	if st, err := os.Stat(t.spec.Source); err != nil || st.IsDir() {
		return err
	}
	e := &MissingError{}
	program, pkg := archiver(t.spec.Source)
	for _, n := range [][2]string{{"tar", "tar"}, {program, pkg}} {
		if _, err := exec.LookPath(n[0]); n[0] != "" && err != nil {
			e.What, e.Packages = append(e.What, n[0]), append(e.Packages, n[1])
		}
	}
	return e.orNil()
}

// orNil returns the error, with its packages sorted, or nil when nothing is missing.
func (e *MissingError) orNil() error {
	if len(e.What) == 0 {
		return nil
	}
	slices.Sort(e.Packages)
	e.Packages = slices.Compact(e.Packages)
	return e
}

// folders are where programs are in a distribution.
var folders = []string{"usr/local/bin", "usr/bin", "bin", "usr/sbin", "sbin", "usr/lib/ccache"}

func (t *Tree) hasProgram(name string) bool {
	root := t.spec.Buildroot
	if root == "" {
		_, err := exec.LookPath(name)
		return err == nil
	}
	if strings.Contains(name, "/") {
		_, err := os.Lstat(filepath.Join(root, name))
		return err == nil
	}
	return slices.ContainsFunc(folders, func(dir string) bool {
		_, err := os.Lstat(filepath.Join(root, dir, name))
		return err == nil
	})
}

// hasHeader looks for a header, which may be in the folder of one architecture.
func hasHeader(root, name string) bool {
	rest, _ := strings.CutPrefix(name, "usr/include/")
	for _, pattern := range []string{name, "usr/include/*-linux-gnu*/" + rest} {
		if found, _ := filepath.Glob(filepath.Join(root, pattern)); len(found) > 0 {
			return true
		}
	}
	return false
}

// ErrCompiler is for a compiler that is not the one that the kernel was built with.
var ErrCompiler = errors.New("another compiler than the kernel's")

// A CompilerError tells that the compiler of the kernel is not there. It is an [ErrCompiler],
// and an [ErrMissing] when there is none of its name at all.
type CompilerError struct {
	CC     string // the command that was tried
	Wanted string // what the compiler of the kernel says of itself: "gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"
	Found  string // what the one that was tried says; "" when there is none
	// Package is the package of Debian that has it, in some of its releases: "gcc-12"; "" when
	// that is not known.
	Package   string
	Buildroot string // where it was looked for; "" is this system
	Err       error  // why it can't be run, where it is there
}

// Error names both versions, and says what to do.
func (e *CompilerError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: it was built by %q, and ", ErrCompiler, e.Wanted)
	where := "here"
	if e.Buildroot != "" {
		where = "in " + e.Buildroot
	}
	switch {
	case e.Err != nil:
		fmt.Fprintf(&b, "%s can't be run %s (%v)", e.CC, where, e.Err)
	case e.Found == "":
		fmt.Fprintf(&b, "there is no %s %s", e.CC, where)
	default:
		fmt.Fprintf(&b, "%s %s is %q", e.CC, where, e.Found)
	}
	if e.Package != "" {
		fmt.Fprintf(&b, ": install it (on a Debian that has this version: %s)", need.Line([]string{e.Package}))
	} else {
		b.WriteString(": install it")
	}
	b.WriteString(", or say where it is (-cc COMMAND), or give a folder with the distribution that has it (-buildroot DIR)")
	return b.String()
}

// Is reports whether an error is what this one is.
func (e *CompilerError) Is(err error) bool {
	return err == ErrCompiler || err == ErrMissing && e.Found == "" && e.Err == nil
}

// Unwrap returns Err.
func (e *CompilerError) Unwrap() error { return e.Err }

// compilerForm is the configuration's line about the compiler: how it was called, and what it
// said of itself.
var compilerForm = regexp.MustCompile(`(?m)^CONFIG_CC_VERSION_TEXT="((\S+)[^"\n]*)"$`)

// A compiler is one that is to be used, and what it has to be.
type compiler struct {
	command string // as CC of make
	program string // the last word of it: "gcc-12" of "ccache gcc-12"
	wanted  string // "" when the configuration does not tell
	pkg     string
}

// wrappers run a compiler that is named behind them.
var wrappers = []string{"ccache", "distcc", "sccache", "icecc", "nice", "env"}

func newCompiler(cc string, config []byte) compiler {
	c := compiler{command: cc}
	if m := compilerForm.FindSubmatch(config); m != nil {
		c.wanted = string(m[1])
		c.pkg = packageOf(c.wanted)
		if cc == "" {
			c.command = programOf(string(m[1]), string(m[2]))
		}
	}
	c.command = cmp.Or(c.command, "gcc")
	words := strings.Fields(c.command)
	for len(words) > 1 && (slices.Contains(wrappers, filepath.Base(words[0])) || strings.Contains(words[0], "=") || strings.HasPrefix(words[0], "-")) {
		words = words[1:]
	}
	c.program = words[0]
	return c
}

// versionForm is the version at the end, or behind the word version: its first number is what
// packages have in their names.
var versionForm = regexp.MustCompile(`(?:version |\) )(\d+)\.`)

// programOf returns how a compiler is called. gcc says as its first word how it was called,
// clang does not.
func programOf(said, first string) string {
	if m := versionForm.FindStringSubmatch(said); m != nil && strings.Contains(said, "clang version") {
		return "clang-" + m[1]
	}
	return first
}

// packageOf returns the package of Debian that has a compiler.
func packageOf(said string) string {
	m := versionForm.FindStringSubmatch(said)
	switch {
	case m == nil:
		return ""
	case strings.Contains(said, "clang version"):
		return "clang-" + m[1]
	case strings.Contains(said, "gcc"):
		return "gcc-" + m[1]
	}
	return ""
}

// sameCompiler reports whether two texts are of one compiler. Only the name by which it was
// called may differ: "gcc (Debian 12.2.0-14) 12.2.0" is what gcc-12 says too. What objects
// have in their section .comment begins with "GCC:" instead of the name.
func sameCompiler(a, b string) bool { return ownVersion(a) == ownVersion(b) }

func ownVersion(said string) string {
	said = strings.TrimSpace(said)
	if strings.Contains(said, "clang version") {
		return said
	}
	if _, rest, ok := strings.Cut(said, " "); ok {
		return rest
	}
	return said
}

// checkCompiler compares what the compiler says of itself with what the configuration has of
// the one that built the kernel, and what objects have in .comment.
func (t *Tree) checkCompiler(ctx context.Context, config []byte) error {
	c := newCompiler(t.spec.CC, config)
	e := &CompilerError{CC: c.command, Wanted: c.wanted, Package: c.pkg, Buildroot: t.spec.Buildroot}
	if !t.hasProgram(c.program) {
		e.Wanted = cmp.Or(e.Wanted, c.program)
		return e
	}
	out, err := t.output(ctx, t.cache.Dir(), "sh", "-c", c.command+" --version")
	if ctx.Err() != nil {
		return err
	}
	if err != nil {
		e.Err = err
		return e
	}
	t.compiler, _, _ = strings.Cut(string(out), "\n")
	e.Found = t.compiler
	if c.wanted != "" && !sameCompiler(t.compiler, c.wanted) {
		return e
	}
	if t.spec.Comment != "" && !sameCompiler(t.compiler, t.spec.Comment) {
		e.Wanted = t.spec.Comment
		return e
	}
	return nil
}
