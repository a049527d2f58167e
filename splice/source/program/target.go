package program

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/cbuild"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice/source"
)

// A target is an installed file.
type target struct {
	path    string   // with links followed
	names   []string // that it is called by: of the file, and of the link that was given
	buildID string
	image   *image.Image
	code    []byte   // of its section .text
	idents  []string // of the compilers, as .comment has them
	output  *cbuild.Output
	by      source.Evidence
}

// openTarget opens an installed file.
func openTarget(path string) (*target, error) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		return nil, fmt.Errorf("installed file: %w", err)
	}
	t := &target{path: real, names: []string{filepath.Base(path)}}
	if n := filepath.Base(real); n != t.names[0] {
		t.names = append(t.names, n)
	}
	f, err := elfobj.Open(real)
	if err != nil {
		return nil, fmt.Errorf("installed file: %w", err)
	}
	defer f.Close()
	if t.code, err = section(f, kerneltab.Text); err != nil {
		return nil, err
	}
	comment, err := section(f, kerneltab.Comment)
	if err != nil {
		return nil, err
	}
	t.idents = idents(comment)
	if t.image, err = image.OpenELF(real); err != nil {
		return nil, fmt.Errorf("installed file: %w", err)
	}
	if mods := t.image.Modules(); len(mods) > 0 {
		t.buildID = hex.EncodeToString(mods[0].BuildID)
	}
	return t, nil
}

// section returns the content of the first section of a name, nil for none.
func section(f *elfobj.File, name string) ([]byte, error) {
	for s := range f.SectionsNamed(name) {
		b, err := s.Data()
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", f.Name, name, err)
		}
		return b, nil
	}
	return nil, nil
}

// idents are the texts of a section .comment, each once.
func idents(b []byte) []string {
	var out []string
	for s := range bytes.SplitSeq(b, []byte{0}) {
		if text := string(s); text != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// libraryFolders are where libraries are installed on 64-bit systems, of Debian and of others.
var libraryFolders = strings.Fields("/usr/local/lib /usr/lib/x86_64-linux-gnu /lib/x86_64-linux-gnu /usr/lib64 /lib64 /usr/lib /lib")

// findTargets looks for installed files of what the build makes, where none was given: where it
// leaves them in the source, where programs are found, and where libraries are.
func (b *Builder) findTargets(outputs []*cbuild.Output) error {
	if len(b.source.Installed) > 0 {
		return nil
	}
	for _, o := range outputs {
		for _, path := range places(o) {
			if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() {
				continue
			}
			t, err := openTarget(path)
			if errors.Is(err, elfobj.ErrNotELF) || errors.Is(err, fs.ErrPermission) {
				continue // a script, such as those that libtool makes
			}
			if err == nil {
				err = b.addTarget(t)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// places are where a file of the build may be installed.
func places(o *cbuild.Output) []string {
	out := []string{o.Path}
	name := filepath.Base(o.Path)
	if o.Shared {
		for _, dir := range libraryFolders {
			for _, n := range []string{o.Soname, name} {
				if n != "" {
					out = append(out, filepath.Join(dir, n))
				}
			}
		}
		return out
	}
	if path, err := exec.LookPath(name); err == nil {
		out = append(out, path)
	}
	return append(out, filepath.Join("/usr/sbin", name))
}

// identify finds out which file of a build each target is a copy of.
func (b *Builder) identify() error {
	built := make([]*target, len(b.pre.Outputs))
	for _, t := range b.targets {
		t.output, t.by = nil, ""
		for i := range b.pre.Outputs {
			o := &b.pre.Outputs[i]
			if built[i] == nil {
				made, err := openTarget(b.pre.At(o.Path))
				if err != nil {
					built[i] = &target{} // of another machine, or no ELF file
					continue
				}
				if err := made.image.Close(); err != nil {
					return err
				}
				built[i] = made
			}
			if by := t.resembles(o, built[i]); better(by, t.by) {
				t.output, t.by = o, by
			}
		}
	}
	return nil
}

// certainty is the order of evidence.
var certainty = []source.Evidence{source.ByBuildID, source.ByCode, source.ByName}

// better reports whether evidence is stronger.
func better(a, b source.Evidence) bool {
	if a == "" {
		return false
	}
	return b == "" || slices.Index(certainty, a) < slices.Index(certainty, b)
}

// resembles says what tells that the target is a copy of a file of the build, "" for nothing.
func (t *target) resembles(o *cbuild.Output, built *target) source.Evidence {
	switch {
	case built.path == "":
		return ""
	case t.buildID != "" && t.buildID == built.buildID:
		return source.ByBuildID
	case len(t.code) > 0 && bytes.Equal(t.code, built.code):
		return source.ByCode
	}
	for _, n := range []string{filepath.Base(o.Path), o.Soname} {
		if n != "" && slices.Contains(t.names, n) {
			return source.ByName
		}
	}
	return ""
}
