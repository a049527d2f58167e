package source

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/extmod"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/internal/ktree"
	"github.com/gosplice/gosplice/internal/progress"
	"github.com/gosplice/gosplice/splice/module"
)

// A Builder makes updates for one kernel. It may be used by several goroutines, one after
// the other; one alone has as many compilers at work as [Options].Jobs says.
type Builder struct {
	kernel  Kernel
	opt     Options
	tree    *ktree.Tree
	image   *module.Kernel
	targets *targets
	tell    progress.Func
	cache   string
	config  string // digest
	// subject is the source that patches are of: the tree, or elsewhere, which is nil where
	// modules of the kernel's own source are meant only.
	subject   subject
	elsewhere *extmod.Source
	// objtool completes objects where the kernel's build has it see the whole image only,
	// see delayed; "" where they are complete. finished is where such objects are kept.
	objtool, finished string
}

// errNotOpen is for a builder that nobody opened, or a plan that nobody made.
var errNotOpen = errors.New("the kernel was not opened, or nothing is planned")

// Open opens a kernel: it checks that the compiler is the one that the kernel was built
// with, prepares the source once for all later calls, and reads the image. What is missing
// on this machine is told before anything else is done.
//
// Close has to be called in the end.
func Open(ctx context.Context, k Kernel, opt Options) (*Builder, error) {
	b := &Builder{kernel: k, opt: opt, tell: progress.Func(opt.Progress)}
	if b.opt.Jobs <= 0 {
		b.opt.Jobs = runtime.NumCPU()
	}
	var err error
	if b.cache, err = deb.Folder(opt.Cache); err != nil {
		return nil, err
	}
	if err := b.fillRunning(); err != nil {
		return nil, err
	}
	k = b.kernel
	if err := k.check(); err != nil {
		return nil, err
	}
	config, err := os.ReadFile(k.Config)
	if err != nil {
		return nil, fmt.Errorf("configuration of the kernel: %w", err)
	}
	b.config = fmt.Sprintf("%x", sha256.Sum256(config))
	if b.opt.Buildroot, err = ktree.Buildroot(ctx, b.cache, opt.Buildroot, config, b.tell); err != nil {
		return nil, err
	}
	if err := b.openImage(ctx); err != nil {
		return nil, err
	}
	b.targets = newTargets(b.image, k)
	if err := b.openSources(ctx, delayed(config)); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// openSources opens what is compiled, and what completes objects.
func (b *Builder) openSources(ctx context.Context, delayed bool) error {
	if err := b.openModules(); err != nil {
		return err
	}
	if err := b.useSymvers(); err != nil {
		return err
	}
	if err := b.openTree(ctx); err != nil {
		return err
	}
	if delayed {
		if err := b.openObjtool(); err != nil {
			return err
		}
	}
	return b.openSource(ctx)
}

// check says what a kernel lacks, and what of it can't be followed.
func (k *Kernel) check() error {
	for _, x := range []struct{ what, path string }{{"source", k.Source}, {"configuration", k.Config}, {"image (vmlinux)", k.Image}} {
		if x.path == "" {
			return fmt.Errorf("the %s of the kernel %s is not given", x.what, k.Release)
		}
		if x.path == ImageRunning {
			continue
		}
		if _, err := os.Stat(x.path); err != nil {
			return fmt.Errorf("%s of the kernel: %w", x.what, err)
		}
	}
	if err := k.checkOutOfTree(); err != nil {
		return err
	}
	return k.checkModules()
}

// checkModules looks whether the folder of the modules is one.
func (k *Kernel) checkModules() error {
	if k.Modules == "" {
		return nil
	}
	list, err := os.ReadDir(k.Modules)
	if err != nil {
		return fmt.Errorf("modules of the kernel: %w", err)
	}
	if !slices.ContainsFunc(list, func(e os.DirEntry) bool {
		return e.IsDir() && e.Name() == "kernel" || strings.HasPrefix(e.Name(), "modules.") || strings.Contains(e.Name(), ".ko")
	}) {
		return fmt.Errorf("modules of the kernel: there are none in %s: give the folder lib/modules/RELEASE of the package that the image is from", k.Modules)
	}
	return nil
}

// delays are the settings with which a kernel's build has objtool see the whole image only
// (scripts/Makefile.lib, delay-objtool; 6.19 has one more).
var delays = [][]byte{[]byte("CONFIG_X86_KERNEL_IBT=y"), []byte("CONFIG_LTO_CLANG=y"), []byte("CONFIG_KLP_BUILD=y")}

// delayed reports whether objects lack what objtool adds to them.
func delayed(config []byte) bool {
	for line := range bytes.Lines(config) {
		for _, d := range delays {
			if bytes.Equal(bytes.TrimSpace(line), d) {
				return true
			}
		}
	}
	return false
}

func (b *Builder) openImage(ctx context.Context) error {
	if b.kernel.Image == ImageRunning {
		var err error
		b.image, err = module.OpenRunning(ctx, b.opt.root())
		return err
	}
	k, err := module.OpenKernelContext(ctx, b.kernel.Image)
	if err != nil {
		if boots(b.kernel.Image) {
			err = fmt.Errorf("%w: that is what boots the kernel: give its vmlinux, with symbols (Debian's packages linux-image-*-dbg have it)", err)
		}
		return err
	}
	b.image = k
	return nil
}

// boots reports whether a file is what a loader boots: the image is packed in it.
func boots(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 2)
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == "MZ"
}

func (b *Builder) openTree(ctx context.Context) error {
	banner, err := b.image.Banner()
	if err != nil {
		return err
	}
	b.tree, err = ktree.Open(ctx, ktree.Spec{
		Source: b.kernel.Source, Config: b.kernel.Config, Release: b.kernel.Release, Banner: banner, Make: b.kernel.Make,
		CC: b.opt.CC, Buildroot: b.opt.Buildroot, Cache: b.cache, Jobs: b.opt.Jobs, Progress: b.tell, Log: b.opt.Log,
	})
	return err
}

// openObjtool finds the objtool of the kernel. What it has made is kept by what it is.
func (b *Builder) openObjtool() error {
	b.objtool = cmp.Or(b.kernel.Objtool, filepath.Join(b.tree.Dir(), "tools/objtool/objtool"))
	tool, err := os.ReadFile(b.objtool)
	if err != nil {
		return fmt.Errorf("objtool of the kernel: %w", err)
	}
	b.finished = filepath.Join(b.cache, ktree.Finished, b.tree.ID(), fmt.Sprintf("%.8x", sha256.Sum256(tool)))
	return b.objtoolInside(tool)
}

// objtoolInside has objtool run in the buildroot: one that was built there may not run here.
func (b *Builder) objtoolInside(tool []byte) error {
	if b.opt.Buildroot == "" {
		return nil
	}
	if err := os.MkdirAll(b.finished, 0o755); err != nil {
		return err
	}
	inner, script := filepath.Join(b.finished, "objtool"), filepath.Join(b.finished, "objtool.sh")
	text, err := ktree.Inside(b.opt.Buildroot, b.cache, inner)
	if err != nil {
		return err
	}
	for _, x := range []struct {
		name string
		text []byte
	}{{inner, tool}, {script, text}} {
		if st, err := os.Stat(x.name); err == nil && st.Mode()&0o100 != 0 {
			continue // its folder is named by all that it depends on
		}
		if err := files.Write(x.name, bytes.NewReader(x.text)); err != nil {
			return err
		}
		if err := os.Chmod(x.name, 0o755); err != nil {
			return err
		}
	}
	b.objtool = script
	return nil
}

// Close closes the files of the kernel.
func (b *Builder) Close() error {
	if b.image == nil {
		return nil
	}
	return b.image.Close()
}

// Tree returns the folder of the source that patches are of, as it is kept, without any patch: the
// kernel's, or that of modules elsewhere. Nothing in it may be written to.
func (b *Builder) Tree() string {
	if b.subject == nil {
		return ""
	}
	return b.subject.Dir()
}

// Identity says which kernel this is.
func (b *Builder) Identity() Identity {
	if b.image == nil {
		return Identity{}
	}
	return Identity{
		Release:  cmp.Or(b.kernel.Release, firstWord(b.image.Vermagic())),
		BuildID:  fmt.Sprintf("%x", b.image.BuildID()),
		Vermagic: strings.TrimSpace(b.image.Vermagic()),
		Compiler: b.tree.Compiler(),
		Config:   b.config,
		Tree:     b.tree.ID(),
	}
}

func firstWord(s string) string {
	w, _, _ := strings.Cut(s, " ")
	return w
}
