package cbuild

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/child"
	"github.com/gosplice/gosplice/internal/deb"
)

// A Spec says what is built, and how.
type Spec struct {
	Dir     string   // the source, which is never written to
	Command string   // of the shell, run in Dir
	Env     []string // NAME=VALUE, beside those of this process
	// Changes are files that the source has otherwise, by their paths in it; nil is for one that it has
	// no more. Modes are the permissions of those that are new, or have others.
	Changes map[string][]byte
	Modes   map[string]fs.FileMode
	Cache   string
	Jobs    int       // calls at once of what this package calls itself; 0 is as many as there are processors
	Log     io.Writer // gets commands and what the build says; nil for nobody
	// Began, when set, is called when something has to be built, since it is not kept.
	Began func()
}

// A Build is a source that was built, with each call of the tools in it.
type Build struct {
	Root     string // the path of the source
	Tree     string // a copy of it, built; nothing in it may be written to
	ID       string // what it is kept under
	Kept     bool   // it was built before
	Commands []Command
	Units    []Unit
	Outputs  []Output

	spec Spec
}

// folder is the part of a cache where builds are.
const folder = "cbuild"

// index is the file that says what is known of a build.
const index = "build.json"

// Open builds a source, unless one with the same content was built before by the same command
// and compilers.
func Open(ctx context.Context, s Spec) (*Build, error) {
	root, err := filepath.EvalSymlinks(s.Dir)
	if err == nil {
		root, err = filepath.Abs(root)
	}
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	if s.Jobs <= 0 {
		s.Jobs = runtime.NumCPU()
	}
	b := &Build{Root: root, Kept: true, spec: s}
	if err := probe(ctx, root); err != nil {
		return nil, err
	}
	if b.ID, err = b.identify(ctx); err != nil {
		return nil, err
	}
	cache, err := deb.NewCache(s.Cache)
	if err != nil {
		return nil, err
	}
	dir, err := cache.Make(ctx, folder+"/"+b.ID, func(dir string) error {
		b.Kept = false
		return b.make(ctx, dir)
	})
	if err != nil {
		return nil, err
	}
	touch(dir)
	b.Tree = filepath.Join(dir, "tree")
	text, err := os.ReadFile(filepath.Join(dir, index))
	if err != nil {
		return nil, err
	}
	var x stored
	if err := json.Unmarshal(text, &x); err != nil {
		return nil, fmt.Errorf("%s of a build: %w", index, err)
	}
	x.into(b)
	return b, nil
}

// identify is the digest of all that decides about a build.
func (b *Build) identify(ctx context.Context) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "form 2\n%q %q %q %q\n", b.Root, b.spec.Command, b.spec.Env, os.Getenv("PATH"))
	for _, name := range []string{"CC", "CXX", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS"} {
		fmt.Fprintf(h, "%s=%q\n", name, os.Getenv(name))
	}
	for _, t := range []string{"cc", "gcc", "c++", "clang", "ld"} {
		if path, err := exec.LookPath(t); err == nil {
			if path, err = filepath.EvalSymlinks(path); err == nil {
				if st, err := os.Stat(path); err == nil {
					fmt.Fprintf(h, "%s %d %d\n", path, st.Size(), st.ModTime().UnixNano())
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.spec.Changes)) {
		text := b.spec.Changes[name]
		fmt.Fprintf(h, "change %q %t %v %x\n", name, text == nil, b.spec.Modes[name], sha256.Sum256(text))
	}
	if err := digestTree(ctx, h, b.Root); err != nil {
		return "", err
	}
	return fmt.Sprintf("%.16x", h.Sum(nil)), nil
}

// digestTree digests all that is in a folder: names, permissions, and content.
func digestTree(ctx context.Context, h io.Writer, root string) error {
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		st, err := e.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%q %v ", rel, st.Mode())
		switch {
		case st.Mode().IsRegular():
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			sum := sha256.New()
			if _, err := io.Copy(sum, f); err != nil {
				return err
			}
			fmt.Fprintf(h, "%x", sum.Sum(nil))
		case st.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(h, "%q", to)
		}
		fmt.Fprintln(h)
		return nil
	})
}

// make builds in a folder of the cache.
func (b *Build) make(ctx context.Context, dir string) error {
	if b.spec.Began != nil {
		b.spec.Began()
	}
	b.Tree = filepath.Join(dir, "tree")
	bin, records := filepath.Join(dir, "bin"), filepath.Join(dir, "records")
	for _, d := range []string{b.Tree, bin, records} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	if out, err := exec.CommandContext(ctx, "cp", "-a", "--reflink=auto", b.Root+"/.", b.Tree+"/").CombinedOutput(); err != nil {
		return fmt.Errorf("copy the source: %w: %s", cmp.Or(ctx.Err(), err), bytes.TrimSpace(out))
	}
	if err := change(b.Tree, b.spec.Changes, b.spec.Modes); err != nil {
		return err
	}
	if err := writeWrappers(bin, records, os.Getenv("PATH")); err != nil {
		return err
	}
	if err := b.build(ctx, bin); err != nil {
		return err
	}
	var err error
	if b.Commands, err = readRecords(records); err != nil {
		return err
	}
	b.Units, b.Outputs = analyse(b.Root, b.Commands, b.At)
	b.forget()
	if err := b.dependencies(ctx, b.spec.Jobs); err != nil {
		return err
	}
	for _, d := range []string{bin, records} {
		if err := os.RemoveAll(d); err != nil {
			return err
		}
	}
	text, err := json.Marshal(store(b))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, index), text, 0o644)
}

// lastWords is how much of what a build says an error has, in bytes.
const lastWords = 3000

// build runs the command, with the wrappers in front.
func (b *Build) build(ctx context.Context, bin string) error {
	child.Log(b.spec.Log, b.Root, "sh", "-c", b.spec.Command)
	argv := inside(b.Tree, b.Root, b.Root, []string{"sh", "-c", b.spec.Command})
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	path := bin + string(filepath.ListSeparator) + os.Getenv("PATH")
	cmd.Env = append(append(os.Environ(), b.spec.Env...), "PATH="+path)
	child.EndTogether(cmd)
	var said bytes.Buffer
	cmd.Stdout = &said
	if b.spec.Log != nil {
		cmd.Stdout = io.MultiWriter(&said, b.spec.Log)
	}
	cmd.Stderr = cmd.Stdout
	err := cmd.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		text := said.Bytes()
		return &BuildError{b.spec.Command, err, string(bytes.TrimSpace(text[max(0, len(text)-lastWords):]))}
	}
	return nil
}

// A BuildError says that the command that builds failed.
type BuildError struct {
	Command string
	Err     error
	Said    string // its last words
}

// Error has all of it.
func (e *BuildError) Error() string {
	return fmt.Sprintf("%s: %v: %s", e.Command, e.Err, e.Said)
}

// Unwrap returns how it ended.
func (e *BuildError) Unwrap() error { return e.Err }

// At is where a file of the build is, given its path in it.
func (b *Build) At(path string) string {
	if path == b.Root {
		return b.Tree
	}
	if rel, ok := strings.CutPrefix(path, b.Root+"/"); ok {
		return filepath.Join(b.Tree, rel)
	}
	return path
}

// Rel is a path of the build as it is told to people: below the source.
func (b *Build) Rel(path string) string {
	if rel, ok := strings.CutPrefix(path, b.Root+"/"); ok {
		return rel
	}
	return path
}

// forget leaves out what was made to try something: programs that are gone, and objects whose
// source is.
func (b *Build) forget() {
	to := make([]int, len(b.Units))
	var units []Unit
	for i := range b.Units {
		to[i] = -1
		if _, err := os.Stat(b.At(b.Units[i].Source)); err == nil {
			to[i] = len(units)
			units = append(units, b.Units[i])
		}
	}
	var outputs []Output
	for _, o := range b.Outputs {
		if st, err := os.Stat(b.At(o.Path)); err != nil || !st.Mode().IsRegular() {
			continue
		}
		var left []int
		for _, u := range o.Units {
			if to[u] >= 0 {
				left = append(left, to[u])
			} else {
				o.Unknown = append(o.Unknown, b.Units[u].Object)
			}
		}
		o.Units = left
		outputs = append(outputs, o)
	}
	b.Units, b.Outputs = units, outputs
	b.forgetCommands()
}

// forgetCommands leaves out calls that no unit is of.
func (b *Build) forgetCommands() {
	to := map[int]int{}
	var left []Command
	for i := range b.Units {
		u := &b.Units[i]
		if _, ok := to[u.Command]; !ok {
			to[u.Command] = len(left)
			left = append(left, b.Commands[u.Command])
		}
		u.Command = to[u.Command]
	}
	b.Commands = left
}

// stored is a Build as it is kept: environments are there once each.
type stored struct {
	Commands     []Command
	Environments [][]string
	Env          []int // of each command
	Units        []Unit
	Outputs      []Output
}

func store(b *Build) *stored {
	x := &stored{Units: b.Units, Outputs: b.Outputs}
	seen := map[string]int{}
	for _, c := range b.Commands {
		key := strings.Join(c.Env, "\x00")
		n, ok := seen[key]
		if !ok {
			n = len(x.Environments)
			seen[key] = n
			x.Environments = append(x.Environments, c.Env)
		}
		c.Env = nil
		x.Commands, x.Env = append(x.Commands, c), append(x.Env, n)
	}
	return x
}

func (x *stored) into(b *Build) {
	b.Commands, b.Units, b.Outputs = x.Commands, x.Units, x.Outputs
	for i := range b.Commands {
		if i < len(x.Env) && x.Env[i] < len(x.Environments) {
			b.Commands[i].Env = x.Environments[x.Env[i]]
		}
	}
}
