package extmod

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/ktree"
)

// most bounds what is read of a folder, in bytes: more is no source of a module.
const most = 1 << 30

// products are the ends of the names of what a build leaves.
var products = map[string]bool{
	".o": true, ".ko": true, ".a": true, ".cmd": true, ".mod": true, ".d": true, ".order": true, ".symvers": true, ".dwo": true,
}

// skipped reports whether a file is no part of the source: what a build left, and what belongs
// to the version control. What has a command beside it, which says how it was made, is made
// again.
func skipped(name string, beside map[string]bool) bool {
	return products[path.Ext(name)] || strings.HasSuffix(name, ".mod.c") || strings.Contains(name, ".ko.") || name == ".git" || name == ".tmp_versions" || beside["."+name+".cmd"]
}

// read reads a folder: the contents of its files by their paths below it. Links to files are
// followed.
func read(ctx context.Context, dir string) (map[string][]byte, error) {
	r := reader{ctx: ctx, root: dir, files: map[string][]byte{}}
	if err := r.folder(""); err != nil {
		return nil, err
	}
	return r.files, nil
}

type reader struct {
	ctx   context.Context
	root  string
	files map[string][]byte
	size  int
}

func (r *reader) folder(rel string) error {
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	list, err := os.ReadDir(filepath.Join(r.root, filepath.FromSlash(rel)))
	if err != nil {
		return err
	}
	beside := map[string]bool{}
	for _, d := range list {
		beside[d.Name()] = true
	}
	for _, d := range list {
		name := path.Join(rel, d.Name())
		if skipped(d.Name(), beside) {
			continue
		}
		if d.IsDir() {
			err = r.folder(name)
		} else {
			err = r.file(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) file(name string) error {
	full := filepath.Join(r.root, filepath.FromSlash(name))
	st, err := os.Stat(full)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !st.Mode().IsRegular() {
		return nil // a link to nothing or to a folder, a socket: the compiler tells when it misses it
	}
	if err != nil {
		return err
	}
	if r.size += int(st.Size()); st.Size() > most || r.size > most {
		return fmt.Errorf("%s: more than %d MiB are below it: that is no source of a module", r.root, most>>20)
	}
	text, err := os.ReadFile(full)
	r.files[name] = append([]byte{}, text...) // nil would be deleted
	return err
}

// digest identifies what is read of a folder, and how it is built.
func digest(files map[string][]byte, m *ktree.Modules) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%q\x00%s\x00%s\x00", layout, m.Make, m.Built, path.Join(m.Dir, m.Sub))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%s\x00%x\x00", name, sha256.Sum256(files[name]))
	}
	return fmt.Sprintf("%.10x", h.Sum(nil))
}

// layout changes with what is kept of a folder.
const layout = "1"

// write writes the files of a snapshot below a folder.
func write(dir string, files map[string][]byte) error {
	for name, text := range files {
		full := filepath.Join(dir, filepath.FromSlash(name))
		mode := fs.FileMode(0o644)
		if bytes.HasPrefix(text, []byte("#!")) {
			mode = 0o755
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, text, mode)); err != nil {
			return err
		}
	}
	return nil
}
