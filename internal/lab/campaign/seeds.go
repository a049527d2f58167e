package main

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// sources are what the seeds are compiled from.
//
//go:embed seeds
var sources embed.FS

// seed is a sound input, and what goes with it.
type seed struct{ data, other []byte }

// cache holds the seeds that were read, by kind.
type cache struct {
	mu    sync.Mutex
	seeds map[string][]seed
}

// of returns the seeds of a kind, which are files in a folder of its name.
func (c *cache) of(dir string, k *kind) []seed {
	c.mu.Lock()
	defer c.mu.Unlock()
	if list, ok := c.seeds[k.name]; ok {
		return list
	}
	var list []seed
	for i := 0; ; i++ {
		data, err := os.ReadFile(seedName(dir, k.name, i))
		if err != nil {
			break
		}
		other, _ := os.ReadFile(seedName(dir, k.name, i) + ".other")
		list = append(list, seed{data, other})
	}
	c.seeds[k.name] = list
	return list
}

func seedName(dir, kind string, i int) string { return filepath.Join(dir, kind, fmt.Sprint(i)) }

// maker writes the seeds.
type maker struct {
	dir   string // for the seeds
	work  string // with the sources
	count map[string]int
}

func (m *maker) add(kind string, data, other []byte) error {
	if len(data) == 0 {
		return fmt.Errorf("an empty seed of kind %s", kind)
	}
	name := seedName(m.dir, kind, m.count[kind])
	m.count[kind]++
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	if err == nil {
		err = os.WriteFile(name, data, 0o644)
	}
	if err == nil && other != nil {
		err = os.WriteFile(name+".other", other, 0o644)
	}
	return err
}

// makeSeeds makes the seeds of all kinds.
func makeSeeds(dir string, folders []string) error {
	work := filepath.Join(dir, "work")
	if err := os.CopyFS(work, sources); err != nil {
		return err
	}
	m := &maker{dir: dir, work: filepath.Join(work, "seeds"), count: map[string]int{}}
	for _, step := range []func() error{m.objects, m.programs, m.kernels, m.update, m.record, m.symvers} {
		if err := step(); err != nil {
			return fmt.Errorf("seeds: %w", err)
		}
	}
	for _, folder := range folders {
		if err := m.folder(folder); err != nil {
			return err
		}
	}
	return nil
}

// run runs a command in the folder of the sources.
func (m *maker) run(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = m.work
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// read returns a file that run made, nothing when it is not there.
func (m *maker) read(name string) []byte {
	b, err := os.ReadFile(filepath.Join(m.work, name))
	if err != nil {
		return nil
	}
	return b
}

// maxFolderSeed bounds an object of a folder, in bytes: large ones take the time of
// many small ones.
const maxFolderSeed = 256 << 10

// folder adds the objects below pre and post in a folder, in pairs, or those below
// the folder itself, each with itself.
func (m *maker) folder(dir string) error {
	pre := filepath.Join(dir, "pre")
	if _, err := os.Stat(pre); err != nil {
		pre = dir
	}
	return filepath.WalkDir(pre, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || filepath.Ext(path) != ".o" {
			return err
		}
		if st, err := d.Info(); err != nil || st.Size() > maxFolderSeed {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		other := data
		if pre != dir {
			if other, err = os.ReadFile(filepath.Join(dir, "post", strings.TrimPrefix(path, pre))); err != nil {
				return nil
			}
		}
		return m.add("kobject", data, other)
	})
}
