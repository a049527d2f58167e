package corpus

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/internal/kbuild"
)

// A Stage says what objects are made of.
type Stage struct {
	// Name is the folder's.
	Name string
	// NewTree compiles in the source tree of the newer version.
	NewTree bool
	// Text makes the text that is compiled from that of the older version and
	// the newer one; nil leaves the tree as it is.
	Text func(old, new []byte) []byte
	// Flags are added to the compiler's.
	Flags string
	// All compiles every source that is built in, not only those that differ.
	All bool
	// NoObjtool leaves out what Build's finish would do.
	NoObjtool bool
	// CC is another compiler, for which the copy of the tree is configured anew.
	CC string
	// Relink makes the object from that of Pre instead of compiling one.
	Relink func(ctx context.Context, pre, out string) error
}

// unused is a function that nothing calls, and that the compiler keeps.
const unused = "\nstatic int __attribute__((__used__, __noinline__)) gosplice_unused(int a)\n{\n\treturn a * 7 + 3;\n}\n"

// blank is what metamorphic tests put in front of a file.
const blank = "\n\n\n\n\n\n\n"

// The stages. Lines, Top and End change nothing that any function does.
var (
	Pre  = Stage{Name: "pre"}
	Post = Stage{Name: "post", Text: func(_, new []byte) []byte { return new }}
	// Raw is Pre as the compiler left it, where Build's finish does more.
	Raw = Stage{Name: "raw", NoObjtool: true}
	// Tree is Post with all headers of the newer version.
	Tree  = Stage{Name: "tree", NewTree: true}
	Lines = Stage{Name: "lines", Text: func(old, _ []byte) []byte { return append([]byte(blank), old...) }}
	Top   = Stage{Name: "top", Text: func(old, _ []byte) []byte { return append([]byte(unused), old...) }}
	End   = Stage{Name: "end", Text: func(old, _ []byte) []byte { return append(append([]byte{}, old...), unused...) }}
	// Order is Pre with its functions in the reverse order.
	Order = Stage{Name: "order", Relink: reverse}
	// All is the whole kernel, without debug information.
	All = Stage{Name: "all", All: true, Flags: "-g0"}
	// Clang, ClangLines and ClangEnd are Pre, Lines and End by another compiler.
	Clang      = Stage{Name: "clang", CC: clang, NoObjtool: true}
	ClangLines = Stage{Name: "clang-lines", CC: clang, NoObjtool: true, Text: Lines.Text}
	ClangEnd   = Stage{Name: "clang-end", CC: clang, NoObjtool: true, Text: End.Text}
)

const clang = "clang-14"

// Stages lists them by name.
var Stages = []Stage{Pre, Raw, Post, Tree, Lines, Top, End, Order, All, Clang, ClangLines, ClangEnd}

// Build makes the objects of a stage, once, and returns their folder. A file that
// does not compile has none. finish, where it is not nil, is called for each
// object before it counts as made: it may change the file.
func (c *Corpus) Build(ctx context.Context, s Stage, finish func(ctx context.Context, object string) error) (string, error) {
	name := filepath.Join("corpus", c.From.Release+"_"+c.To.Release, s.Name)
	files := c.Files
	if s.All {
		name = filepath.Join("corpus", c.From.Release, s.Name)
		var err error
		if files, err = c.BuiltIn(ctx); err != nil {
			return "", err
		}
	}
	fill := func(dir string) error { return c.build(ctx, s, dir, files, finish) }
	if s.Relink != nil {
		pre, err := c.Build(ctx, Pre, finish)
		if err != nil {
			return "", err
		}
		fill = func(dir string) error { return c.relink(ctx, s, pre, dir) }
	}
	dir, err := c.cache.Make(ctx, name, fill)
	if err != nil {
		return "", fmt.Errorf("stage %s: %w", s.Name, err)
	}
	return dir, nil
}

// build compiles in a copy of the tree that shares its files: changed sources are
// written anew, so that the tree itself stays as it is.
func (c *Corpus) build(ctx context.Context, s Stage, dir string, files []string, finish func(context.Context, string) error) error {
	t := c.from
	if s.NewTree {
		t = c.to
	}
	work := dir + ".tree"
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if out, err := exec.CommandContext(ctx, "cp", "-al", t.Dir, work).CombinedOutput(); err != nil {
		return fmt.Errorf("copy of the tree: %w: %s", err, out)
	}
	if s.Text != nil {
		for _, name := range files {
			if err := c.rewrite(s, name, work); err != nil {
				return err
			}
		}
	}
	args := []string{strings.TrimSpace(kbuild.Flags + " " + s.Flags)}
	if s.CC != "" {
		args = append(args, "CC="+s.CC)
		if said, err := makeIn(ctx, work, append(args, "olddefconfig", "modules_prepare")...); err != nil {
			return fmt.Errorf("configure for %s: %w: %s", s.CC, err, said[max(0, len(said)-2000):])
		}
	}
	if err := compile(ctx, work, args, files); err != nil {
		return err
	}
	for _, name := range files {
		object := strings.TrimSuffix(name, ".c") + ".o"
		from, to := filepath.Join(work, object), filepath.Join(dir, object)
		if !exists(from) {
			continue
		}
		if finish != nil && !s.NoObjtool {
			if err := finish(ctx, from); err != nil {
				return err
			}
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
	}
	return nil
}

// rewrite gives the copy of the tree another version of a source.
func (c *Corpus) rewrite(s Stage, name, work string) error {
	old, err := os.ReadFile(filepath.Join(c.from.Dir, name))
	if err != nil {
		return err
	}
	post, err := os.ReadFile(filepath.Join(c.to.Dir, name))
	if err != nil && !s.All {
		return err
	}
	path := filepath.Join(work, name)
	if err := os.Remove(path); err != nil { // it is a name of the file in the tree
		return err
	}
	return os.WriteFile(path, s.Text(old, post), 0o644)
}

// compile has one make compile all files, as far as they compile.
func compile(ctx context.Context, work string, args, files []string) error {
	args = append(args, "-k")
	for _, name := range files {
		args = append(args, strings.TrimSuffix(name, ".c")+".o")
	}
	said, err := makeIn(ctx, work, args...)
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, name := range files {
		if exists(filepath.Join(work, strings.TrimSuffix(name, ".c")+".o")) {
			return nil // what does not compile is no pair
		}
	}
	return fmt.Errorf("make made nothing: %w: %s", err, said[max(0, len(said)-2000):])
}

func makeIn(ctx context.Context, work string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "make", append([]string{"-s", "-j" + strconv.Itoa(runtime.NumCPU())}, args...)...)
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "KBUILD_BUILD_TIMESTAMP=1970-01-01", "LC_ALL=C")
	return cmd.CombinedOutput()
}
