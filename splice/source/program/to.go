package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/patch"
)

// To makes updates that take the installed programs to another version of the source: all that
// differs between the two is a patch. Of packages of Debian, the result names the patches that
// the other version has and this one has not, and what its changelog says is fixed.
//
// What a build writes of its version into programs stays that of the installed one, unless the
// sources themselves say it.
func (b *Builder) To(ctx context.Context, post Source) (*source.Result, error) {
	if b.pre == nil {
		return nil, errNotOpen
	}
	began := time.Now()
	changes, modes, err := between(ctx, b.source.Dir, post.Dir)
	if err != nil {
		return nil, err
	}
	patches, err := newPatches(b.source.Dir, post.Dir)
	if err != nil {
		return nil, err
	}
	w := &work{b: b, r: source.Unfinished(b.opt.Name, source.Identity{}, patches...), at: began}
	if w.fixes = fixesOf(b.opt.Fixes, patches); len(b.opt.Fixes) == 0 {
		for _, id := range newCVEs(b.source.Dir, post.Dir) {
			if !slices.Contains(w.fixes, id) {
				w.fixes = append(w.fixes, id)
			}
		}
	}
	p, err := b.planChanges(ctx, changes, modes)
	if err != nil {
		return nil, err
	}
	return w.do(ctx, p)
}

// between lists the files that differ between two folders: their content in the second, nil for
// what it does not have.
func between(ctx context.Context, pre, post string) (map[string][]byte, map[string]fs.FileMode, error) {
	changes, modes := map[string][]byte{}, map[string]fs.FileMode{}
	there := map[string]bool{}
	err := files(ctx, post, func(name string, st fs.FileInfo) error {
		there[name] = true
		text, err := os.ReadFile(filepath.Join(post, name))
		if err != nil {
			return err
		}
		was, err := os.Lstat(filepath.Join(pre, name))
		if err == nil && was.Mode() == st.Mode() {
			old, err := os.ReadFile(filepath.Join(pre, name))
			if err != nil || bytes.Equal(old, text) {
				return err
			}
		}
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			changes[name], modes[name] = append([]byte{}, text...), st.Mode().Perm()
			return nil
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	err = files(ctx, pre, func(name string, _ fs.FileInfo) error {
		if !there[name] {
			changes[name] = nil
		}
		return nil
	})
	return changes, modes, err
}

// files goes over the regular files of a folder, without what quilt keeps for itself.
func files(ctx context.Context, dir string, do func(name string, st fs.FileInfo) error) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if e.IsDir() && (e.Name() == ".pc" || e.Name() == ".git") {
			return filepath.SkipDir
		}
		if !e.Type().IsRegular() {
			return nil
		}
		st, err := e.Info()
		if err != nil {
			return err
		}
		return do(strings.TrimPrefix(path, dir+"/"), st)
	})
}

// newPatches are those of the distribution that a version has and another has not, by what they
// do; where it has none, the difference itself is one.
func newPatches(pre, post string) ([]*patch.Patch, error) {
	var list [2][]*patch.Patch
	for i, dir := range []string{pre, post} {
		series := filepath.Join(dir, "debian/patches/series")
		if _, err := os.Stat(series); err != nil {
			continue // it has none
		}
		var err error
		if list[i], err = patch.ReadSeries(series); err != nil {
			return nil, err
		}
	}
	var out []*patch.Patch
	for _, p := range list[1] {
		if !slices.ContainsFunc(list[0], func(o *patch.Patch) bool { return o.Digest == p.Digest }) {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		name := filepath.Base(post)
		if v := debianVersion(post); v != "" {
			name = v
		}
		out = append(out, &patch.Patch{Name: name, Subject: fmt.Sprintf("all that differs in %s", name)})
	}
	return out, nil
}

// changelogHead begins an entry of debian/changelog: redis (5:7.0.15-1) suite; urgency=high.
var changelogHead = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]* \(([^)]+)\) `)

// debianVersion is the version of a source package, "" for another source.
func debianVersion(dir string) string {
	text, _ := os.ReadFile(filepath.Join(dir, "debian/changelog")) // another source has none
	if m := changelogHead.FindSubmatch(text); m != nil {
		return string(m[1])
	}
	return ""
}

var cveForm = regexp.MustCompile(`CVE-[0-9]{4}-[0-9]{4,}`)

// newCVEs are those that the entries of debian/changelog name which one version has, and another
// has not.
func newCVEs(pre, post string) []string {
	old, _ := os.ReadFile(filepath.Join(pre, "debian/changelog")) // another source has none
	text, _ := os.ReadFile(filepath.Join(post, "debian/changelog"))
	had := map[string]bool{}
	for line := range strings.Lines(string(old)) {
		if m := changelogHead.FindStringSubmatch(line); m != nil {
			had[m[1]] = true
		}
	}
	var out []string
	in := false
	for line := range strings.Lines(string(text)) {
		if m := changelogHead.FindStringSubmatch(line); m != nil {
			in = !had[m[1]]
		}
		if !in {
			continue
		}
		for _, id := range cveForm.FindAllString(line, -1) {
			if !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	return out
}
