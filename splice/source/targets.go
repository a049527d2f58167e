package source

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
)

// targets are the modules of a kernel by name, opened when one is asked for.
type targets struct {
	kernel *module.Kernel
	dir    string

	list func() (map[string]string, error) // file by name
	mu   sync.Mutex
	open map[string]*module.Target // with those that are given by their files
}

func newTargets(k *module.Kernel, of Kernel) *targets {
	t := &targets{kernel: k, dir: of.Modules, open: map[string]*module.Target{}}
	t.list = sync.OnceValues(t.find)
	return t
}

// nameOf is the name of a module by its file or its place in the tree: the kernel has '_'
// where files have '-'.
func nameOf(path string) string {
	base, _, _ := strings.Cut(filepath.Base(path), ".ko")
	return strings.ReplaceAll(base, "-", "_")
}

// find lists the files of the modules.
func (t *targets) find() (map[string]string, error) {
	out := map[string]string{}
	if t.dir == "" {
		return out, nil
	}
	err := filepath.WalkDir(t.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(d.Name(), ".ko") {
			return err
		}
		if name := nameOf(path); out[name] == "" {
			out[name] = path
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("modules of the kernel: %w", err)
	}
	return out, nil
}

// taken refuses the name of an update that a module of the kernel has: of the two, only one could
// be loaded.
func (t *targets) taken(name string) (*splice.Refusal, error) {
	list, err := t.list()
	if err != nil || list[name] == "" {
		return nil, err
	}
	r := splice.Refuse(module.CodeName, name, filepath.Base(list[name]), 0, "a module of the kernel is called so, and could not be loaded beside the update")
	r.Hint = "call the update otherwise (mkupdate -name NAME)"
	return r, nil
}

// errNoModule is for a module that the distribution does not ship.
var errNoModule = errors.New("no such module")

// get opens a module by its name, once.
func (t *targets) get(name string) (*module.Target, error) {
	name = nameOf(name)
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.open[name]; m != nil {
		return m, nil
	}
	list, err := t.list()
	if err != nil {
		return nil, err
	}
	path := list[name]
	if path == "" {
		return nil, fmt.Errorf("%s: %w in %s", name, errNoModule, t.dir)
	}
	m, err := t.kernel.OpenModule(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t.open[name] = m
	return m, nil
}
