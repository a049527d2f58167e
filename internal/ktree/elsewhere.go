package ktree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/internal/deb"
)

// Elsewhere is where in a copy of the tree the sources of modules lie that are not the kernel's,
// each in a folder of its own: by way of an overlay.
const Elsewhere = "external/"

// Modules are what a folder below [Elsewhere] makes: the source of modules, with a Makefile or
// Kbuild, as the kernel's build takes one (make M=DIR).
type Modules struct {
	Dir  string   // below the root of the tree: "external/v4l2loopback"
	Sub  string   // the folder in it that make is told, "" for itself
	Make []string // further variables for make
	// Built is what the folder was called where the modules were built: objects have it by
	// __FILE__.
	Built string
}

// A FolderError tells that the kernel's build makes no module of a folder.
type FolderError struct {
	Said string // by make, the end of it
	Err  error
}

// Error has make's last words.
func (e *FolderError) Error() string {
	text := "the kernel's build makes no module of it"
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Said != "" {
		text += ": " + e.Said
	}
	return text
}

// Unwrap returns Err.
func (e *FolderError) Unwrap() error { return e.Err }

// Cache returns where the tree is kept, for who keeps more there.
func (t *Tree) Cache() *deb.Cache { return t.cache }

// ModuleUnits asks make for the objects of the modules of a folder, which an overlay brings along.
// What the folder builds and is in no module is left out. The error is a [FolderError] where
// there is none.
func (t *Tree) ModuleUnits(ctx context.Context, m *Modules, o Overlay) ([]Unit, error) {
	w, err := t.workspace(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.apply(o); err != nil {
		return nil, errors.Join(t.explain(err), w.release())
	}
	list, err := t.askModules(ctx, w, m)
	return list, errors.Join(err, w.release())
}

// askModules is ask for modules beside the kernel's.
func (t *Tree) askModules(ctx context.Context, w *workspace, m *Modules) ([]Unit, error) {
	told := m.told()
	cmd := t.makeModules(ctx, w, told, t.spec.Flags, []string{"-n", "-k", "-Otarget", "-j" + strconv.Itoa(t.spec.Jobs)}, "modules")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	// Makefiles have the whole path of the folder where they say $(PWD): what another copy
	// of the tree is called must not matter.
	out = bytes.ReplaceAll(bytes.ReplaceAll(out, []byte(w.dir+"/"), nil), []byte(w.dir), []byte("."))
	p := parseCommands(out)
	p.list = slices.DeleteFunc(p.list, func(u Unit) bool { return u.Module == "" })
	for i := range p.list {
		p.list[i].Make = told
	}
	words := string(bytes.TrimSpace(said.Bytes()[max(0, said.Len()-2000):]))
	switch {
	case len(p.damaged) > 0:
		return nil, fmt.Errorf("make prints %d commands that can't be read, such as %.300q", len(p.damaged), p.damaged[0])
	case len(p.list) == 0:
		return nil, &FolderError{Said: words, Err: err}
	}
	return p.list, nil
}

// told is what make is told of the folder.
func (m *Modules) told() []string {
	out := []string{"M=" + path.Join(m.Dir, m.Sub)}
	flags := "KCFLAGS="
	for _, v := range m.Make {
		if own, ok := strings.CutPrefix(v, flags); ok {
			flags += own
			continue
		}
		out = append(out, v)
	}
	if m.Built != "" && m.Built != m.Dir {
		flags += " -fmacro-prefix-map=" + m.Dir + "=" + m.Built
	}
	return append(out, flags)
}

// makeModules is a call of make for the modules of a folder, which begins what it is told. Flags
// are for the compiler, behind those that are told. Makefiles ask for the folder in which a person
// called make by $(PWD).
func (t *Tree) makeModules(ctx context.Context, w *workspace, told []string, flags string, how []string, goals ...string) *exec.Cmd {
	dir := strings.TrimPrefix(told[0], "M=")
	args := slices.Concat([]string{"PWD=" + filepath.Join(w.dir, filepath.FromSlash(dir)), "make"}, how, t.args)
	for _, v := range told {
		if strings.HasPrefix(v, "KCFLAGS=") {
			v += " " + flags
		}
		args = append(args, v)
	}
	for _, g := range goals {
		args = append(args, strings.TrimPrefix(g, dir+"/"))
	}
	return t.command(ctx, w.dir, "env", args...)
}

// Inputs lists for some units the files that each is made of, with an overlay, by the preprocessor.
// A list is nil where it does not take the source, or something is missing that is only there
// when make has made it.
func (t *Tree) Inputs(ctx context.Context, units []Unit, o Overlay) ([][]string, error) {
	e, err := t.edition(o)
	if err != nil {
		return nil, err
	}
	c, err := t.compilation(ctx, e)
	if err != nil {
		return nil, err
	}
	count := t.spec.Progress.Begin("dependencies", len(units))
	out := make([][]string, len(units))
	err = t.each(ctx, len(units), func(ctx context.Context, i int) error {
		defer count.Done()
		if _, err := os.Stat(filepath.Join(c.dir, filepath.FromSlash(units[i].Source))); err != nil {
			return ignoreMissing(err)
		}
		text, err := c.listInputs(ctx, &units[i], filepath.Join(c.out.dir, strconv.Itoa(i)+".d"))
		if text == nil || err != nil {
			return err
		}
		out[i], err = t.embedded(c.dir, &units[i], parseDeps(text))
		return err
	})
	return out, errors.Join(err, c.release())
}

// Changes compares how objects are made by two lists of units, for causes: the files that may be
// why. Objects are in the order of their names.
func Changes(before, after []Unit, causes []string) []UnitChange {
	list := unitChanges(newUnits(slices.Clone(before)), newUnits(slices.Clone(after)), causes)
	slices.SortFunc(list, func(a, b UnitChange) int { return cmpString(a.object(), b.object()) })
	return list
}

func (c *UnitChange) object() string {
	if c.Post != nil {
		return c.Post.Object
	}
	return c.Pre.Object
}

// CheckComment holds the compiler against what an object has in its section .comment of the one
// that made it: "GCC: (Debian 12.2.0-14) 12.2.0". The error is a [CompilerError].
func (t *Tree) CheckComment(comment string) error {
	if comment == "" || sameCompiler(t.compiler, comment) {
		return nil
	}
	cc, _, _ := strings.Cut(t.compiler, " ")
	return &CompilerError{CC: cc, Wanted: comment, Found: t.compiler, Package: packageOf(strings.ToLower(comment)), Buildroot: t.spec.Buildroot}
}
