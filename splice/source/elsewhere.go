package source

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/errname"
	"github.com/gosplice/gosplice/internal/extmod"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source/patch"
)

// checkOutOfTree says what can't be followed of modules whose source is elsewhere.
func (k *Kernel) checkOutOfTree() error {
	for i := range k.OutOfTree {
		m := &k.OutOfTree[i]
		for _, x := range []struct{ what, path string }{{"file", m.File}, {"source", m.Source}} {
			if x.path == "" {
				return fmt.Errorf("the %s of a module that is not the kernel's is not given", x.what)
			}
			if _, err := os.Stat(x.path); err != nil {
				return fmt.Errorf("%s of the module: %w", x.what, err)
			}
		}
		if filepath.Clean(m.Source) != filepath.Clean(k.OutOfTree[0].Source) {
			return fmt.Errorf("%s and %s are of different folders: patches are of the source in one (%w)", k.OutOfTree[0].File, m.File, errors.ErrUnsupported)
		}
	}
	if len(k.ExtraSymvers) > 0 && k.Symvers == "" {
		return errors.New("lists of what other modules export come on top of the Module.symvers of the kernel, which is not given")
	}
	return nil
}

// openModules opens the files of the modules whose source is elsewhere. One of another kernel is
// refused.
func (b *Builder) openModules() error {
	for i := range b.kernel.OutOfTree {
		file := b.kernel.OutOfTree[i].File
		m, err := b.image.OpenModule(file)
		var system *fs.PathError
		if err != nil && !errors.Is(err, finding.ErrRefused) && !errors.As(err, &system) {
			err = errname.As(err, module.ErrNotModule)
		}
		if err != nil {
			return fmt.Errorf("%s, for the kernel %q: %w", file, strings.TrimSpace(b.image.Vermagic()), err)
		}
		if b.targets.open[m.Name()] != nil {
			return fmt.Errorf("%s: the module %s is given twice", file, m.Name())
		}
		b.targets.open[m.Name()] = m
	}
	return nil
}

// openSource opens the source that patches are of.
func (b *Builder) openSource(ctx context.Context) error {
	b.subject = b.tree
	list := b.kernel.OutOfTree
	if len(list) == 0 {
		return nil
	}
	var all []byte
	for i := range list {
		text, err := kernel.ReadModule(list[i].File)
		if err != nil {
			return err
		}
		if err := b.checkComment(text); err != nil {
			return fmt.Errorf("%s: %w", list[i].File, err)
		}
		all = append(append(all, 0), text...)
	}
	spec := extmod.Spec{
		Dir: list[0].Source, Name: slices.Min(slices.Collect(maps.Keys(b.targets.open))), Make: b.kernel.ModuleMake,
		Built: func(files []string) string { return extmod.Built(all, files) },
	}
	s, err := extmod.Open(ctx, b.tree, spec)
	if err != nil {
		return err
	}
	b.subject, b.elsewhere = s, s
	return b.checkNames(s)
}

// checkComment holds the compiler against the one that a module was built with.
func (b *Builder) checkComment(text []byte) error {
	f, err := elfobj.Parse(text)
	if err != nil {
		return err
	}
	for s := range f.SectionsNamed(kerneltab.Comment) {
		said, err := s.Data()
		if err != nil {
			return err
		}
		for c := range bytes.SplitSeq(said, []byte{0}) {
			if err := b.tree.CheckComment(string(c)); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkNames looks whether the folder makes the modules that are given.
func (b *Builder) checkNames(s *extmod.Source) error {
	made := s.Modules()
	for name := range b.targets.open {
		if !slices.Contains(made, name) {
			return fmt.Errorf("%s makes the modules %s, and not %s: give the folder of its source, and what make was told when it was built",
				b.kernel.OutOfTree[0].Source, strings.Join(made, ", "), name)
		}
	}
	return nil
}

// useSymvers takes the lists of exported symbols: the kernel's, those that are given beside it, that of
// the folder of modules, as the kernel's build takes it, and what the files of its modules export.
func (b *Builder) useSymvers() error {
	if b.kernel.Symvers == "" {
		return nil // CRCs come from the image
	}
	names := append([]string{b.kernel.Symvers}, b.kernel.ExtraSymvers...)
	if len(b.kernel.OutOfTree) > 0 {
		own := filepath.Join(b.kernel.OutOfTree[0].Source, "Module.symvers")
		if _, err := os.Stat(own); err == nil {
			names = append(names, own)
		}
	}
	for i := range b.kernel.OutOfTree {
		names = append(names, b.kernel.OutOfTree[i].File)
	}
	for _, name := range names {
		text, err := kernel.ReadModule(name)
		if err != nil {
			return err
		}
		if bytes.HasPrefix(text, []byte(elf.ELFMAG)) {
			list, err := kernel.ModuleExports(text)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			text = []byte(kernel.Symvers(list))
		}
		if err := b.image.UseSymvers(bytes.NewReader(text)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// ofKernel refuses patches of the kernel's own files where those of modules elsewhere are wanted.
func (b *Builder) ofKernel(list []*patch.Patch) []*finding.Refusal {
	if b.elsewhere == nil {
		return nil
	}
	var out []*finding.Refusal
	for _, p := range list {
		for i := range p.Files {
			name := p.Files[i].Old
			_, here := b.elsewhere.Stat(name)
			_, there := b.tree.Stat(name)
			if name != "" && errors.Is(here, fs.ErrNotExist) && there == nil {
				out = append(out, refuse(CodeKernelFile, "", name, "patch %s: it is the kernel's, and not below %s", p.Name, b.kernel.OutOfTree[0].Source))
			}
		}
	}
	return out
}

// classify says what a file is to a build.
func (b *Builder) classify(name string) (FileKind, string) {
	if b.elsewhere == nil {
		return classify(name)
	}
	base := path.Base(name)
	switch ext := path.Ext(name); {
	case strings.HasPrefix(base, "Kconfig"):
		return FileOther, "the kernel's build does not read it here"
	case strings.HasPrefix(base, "Makefile"), strings.HasPrefix(base, "Kbuild"), ext == ".mk":
		return FileMakefile, ""
	case ext == ".c", ext == ".S", ext == ".rs":
		return FileSource, ""
	case ext == ".h", ext == ".inc":
		return FileHeader, ""
	case extmod.IsDocument(name):
		return FileOther, "documentation, or packaging"
	}
	return FileGenerator, ""
}

// notShipped refuses an object of a module that there is no file of.
func (b *Builder) notShipped(object, name string, err error) *finding.Refusal {
	r := refuse(CodeNotShipped, "", object, "it is part of the module %s, which is not there: %v", name, err)
	if b.elsewhere != nil {
		r.Hint = "give the file of that module as well: -module " + path.Base(name) + ".ko"
	}
	return r
}

// explain says of code of modules elsewhere that is not what it was compiled to what may be why.
func (b *Builder) explain(list []*finding.Refusal) {
	for _, r := range list {
		if b.elsewhere != nil && r.Code == splice.CodeNotMatched {
			r.Hint = fmt.Sprintf("give the source that the module was built of (%s), and with -module-make what make was told then", b.kernel.OutOfTree[0].Source)
		}
	}
}
