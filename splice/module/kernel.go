package module

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice/module/internal/calls"
	"github.com/gosplice/gosplice/splice/module/internal/live"
	"github.com/gosplice/gosplice/splice/module/internal/objtool"
)

// A Kernel is one build of Linux: what a module for it has to know. It is
// immutable once opened, but for [Kernel.UseSymvers], and safe for concurrent
// use.
type Kernel struct {
	image   *kernel.Image
	run     *image.Image
	layout  kernel.Layout
	sites   *kernel.Sites
	exports map[string]kernel.Export
	symvers map[string]kernel.Export // nil when none was given
	magic   string
	id      []byte // build-id
	idAddr  uint64 // link address of its bytes

	calls calls.Lazy // until an update is built
}

// errNotOpened is for a kernel, or a module of one, that nobody opened.
var errNotOpened = fmt.Errorf("%w: it was not opened", ErrNotKernel)

// OpenKernel opens the vmlinux of a build, with symbols: the one in a
// distribution's package of debug information, or in a build's folder. Its
// parts are documented at their users; an image that lacks one is an [ErrNotKernel]
// that names it. A kernel of a generation that is not known is refused ([CodeGeneration]).
func OpenKernel(path string) (*Kernel, error) { return OpenKernelContext(context.Background(), path) }

// OpenKernelContext is OpenKernel with a context, which ends it between two of the parts that
// it reads.
func OpenKernelContext(ctx context.Context, path string) (*Kernel, error) {
	k := &Kernel{}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { // what to match against needs nothing of the rest
		k.run, err = image.OpenELF(path)
		return err
	})
	g.Go(func() (err error) {
		if k.image, err = kernel.Open(path); err != nil {
			return err
		}
		return k.read(ctx)
	})
	if err := g.Wait(); err != nil {
		k.Close()
		return nil, fmt.Errorf("open kernel: %w", nameError(err, ErrNotKernel))
	}
	return k, nil
}

// OpenRunning opens the kernel that runs, without its vmlinux: by its memory, its symbols and its BTF
// alone. root has proc and sys of the machine, as os.DirFS("/") has. It takes root.
//
// Addresses are those where it runs; what is made of it has distances alone, and is for that build
// wherever KASLR puts it. What it has rewritten when it started is not known to be that (the lists
// are freed), so that it is compared at load as it is now: on a machine with another processor an
// update may be refused. Replaced are functions that the function tracer knows, and nothing else: what
// takes the lists, or the values from before the start, is refused ([CodeNeedsImage]).
func OpenRunning(ctx context.Context, root fs.FS) (*Kernel, error) {
	k := &Kernel{}
	var err error
	if k.run, err = image.NewRunningContext(ctx, root); err != nil {
		return nil, fmt.Errorf("open kernel: %w", err)
	}
	if k.image, err = live.Of(k.run, root); err == nil {
		err = k.read(ctx)
	}
	if err != nil {
		k.Close()
		return nil, fmt.Errorf("open kernel: %w", nameError(err, ErrNotKernel))
	}
	return k, nil
}

func (k *Kernel) read(ctx context.Context) error {
	for _, part := range []func() error{
		func() (err error) { k.layout, err = k.image.Layout(); return k.checkGeneration(err) },
		func() (err error) { k.sites, err = k.image.Sites(k.layout); return err },
		func() (err error) { k.exports, err = k.image.Exports(); return err },
		func() (err error) { k.magic, err = k.image.Vermagic(); return err },
		func() (err error) { k.id, k.idAddr, err = k.image.BuildID(); return err },
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// UseSymvers takes the CRCs of exported symbols from a Module.symvers. Without
// it, they are read from the image. A further one, of modules that are not the kernel's, adds
// to it; what it lists again takes the place of what was listed before.
func (k *Kernel) UseSymvers(r io.Reader) error {
	if r == nil {
		return errors.New("read symvers: nothing is given")
	}
	m, err := kernel.ReadSymvers(r)
	if err != nil {
		return err
	}
	if k.symvers == nil {
		k.symvers = map[string]kernel.Export{}
	}
	maps.Copy(k.symvers, m)
	return nil
}

// Run returns the image to match against: vmlinux as linked, which is what runs
// but for the places that the module masks when it checks.
func (k *Kernel) Run() *image.Image { return k.run }

// BuildID returns the build-id of the image, as in /sys/kernel/notes.
func (k *Kernel) BuildID() []byte { return k.id }

// Vermagic returns the string by which the loader knows modules of this build.
func (k *Kernel) Vermagic() string { return k.magic }

// Banner returns what the kernel says of itself: its release, who built it, with which
// compiler and linker, and its version (init/version.c, linux_banner).
func (k *Kernel) Banner() (string, error) {
	if k.image == nil {
		return "", errNotOpened
	}
	return k.image.Banner()
}

// ExportCRC returns the CRC of an exported symbol, which covers its type and all types that this
// leads to. ok is false where the kernel does not export it, or has no CRCs.
func (k *Kernel) ExportCRC(name string) (crc uint32, ok bool) {
	e, ok := k.exports[name]
	if s, listed := k.symvers[name]; ok && listed {
		e.CRC = s.CRC
	}
	return e.CRC, ok && e.CRC != 0
}

// BTF returns the types of the kernel, as /sys/kernel/btf/vmlinux has them.
func (k *Kernel) BTF() ([]byte, error) {
	if k.image == nil {
		return nil, errNotOpened
	}
	return typesOf(k.image.File, "", "CONFIG_DEBUG_INFO_BTF")
}

// typesOf returns the types of a file, and refuses one that was built without.
func typesOf(f *elfobj.File, name, option string) ([]byte, error) {
	b, err := kernel.BTF(f)
	if err == nil && b == nil {
		err = refuse(CodeKernel, name, kerneltab.BTF, 0, "it was built without %s", option)
	}
	return b, err
}

// Close closes the files.
func (k *Kernel) Close() error {
	var errs []error
	if k.run != nil {
		errs = append(errs, k.run.Close())
	}
	if k.image != nil {
		errs = append(errs, k.image.Close())
	}
	return errors.Join(errs...)
}

// callsOf makes the call graph of the kernel, once: when the first update is built,
// since nothing else needs it.
func (k *Kernel) callsOf(ctx context.Context) (*calls.Info, error) {
	return k.calls.Get(func() (*calls.Info, error) { return calls.OfKernel(ctx, k.run, k.image, k.layout) })
}

// Objtool runs the kernel's own objtool on a copy of an object, as the kernel's
// build does for objects of modules, and returns the path of the copy, in the
// folder dir. It is for builds that run objtool over the whole image only
// (CONFIG_X86_KERNEL_IBT, CONFIG_LTO): their objects lack the tables that the
// loader needs for the code, see [CodeNoObjtool].
func (k *Kernel) Objtool(ctx context.Context, tool, object, dir string) (string, error) {
	if k.image == nil {
		return "", errNotOpened
	}
	return objtool.Run(ctx, tool, object, dir, objtool.Args(k.image))
}
