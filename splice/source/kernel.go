package source

import (
	"io"
	"io/fs"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/splice/module"
)

// A Kernel says where the parts of one build of Linux are. Nothing of it is written to.
type Kernel struct {
	Release string // as uname -r prints it
	Source  string // the source that it was built from: a folder, or an archive
	Config  string // the configuration that it was built with, a file
	Image   string // its vmlinux, with symbols; [ImageRunning] for the kernel that runs here, by its memory alone
	Modules string // the folder of its modules, lib/modules/RELEASE; "" for a kernel without
	Symvers string // its Module.symvers; "" has CRCs read from the image
	Objtool string // the objtool that it was built with; "" takes the one of the source
	// Make are variables for make that its build had: DISTRIBUTOR=Debian.
	Make []string
	// OutOfTree are modules whose source is elsewhere. With one, patches are of its source, and
	// of the kernel's no more. All that are given are of the same folder: others are
	// errors.ErrUnsupported.
	OutOfTree []OutOfTree
	// ModuleMake are variables that make was told when these were built, beside those that
	// the kernel's build sets: CONFIG_FOO=m, KCPPFLAGS=-DDEBUG. M=SUB says that the folder that make
	// was told is SUB of their Source. What names the folder itself is told where it is now.
	ModuleMake []string
	// ExtraSymvers are Module.symvers of further modules whose source is elsewhere
	// (KBUILD_EXTRA_SYMBOLS of the kernel's build), or the files of these, .ko. What the modules of
	// OutOfTree export is known without.
	ExtraSymvers []string
}

// OutOfTree is a module whose source is not in the kernel's, but in a folder of its own, as the
// kernel's build takes one (make -C KERNEL M=DIR): those of DKMS, for one.
type OutOfTree struct {
	File   string // the .ko that is loaded or will be; compressed or not, stripped of debug information or not
	Source string // the folder of its source, with a Makefile or Kbuild; never written to
}

// Options adjusts how updates are made. The zero value of each field will do, but for
// Module.Name, which every update has.
type Options struct {
	// Cache is the folder where prepared sources and compiled objects are kept: it may be
	// shared by processes and machines. "" is the one that the environment variable
	// GOSPLICE_CACHE names, or gosplice in the user's folder for such.
	Cache string
	// CC is how the compiler is called, as make has it: "ccache gcc-12". "" is the one that
	// the configuration names.
	CC string
	// Buildroot is a folder with a distribution in which make, the compiler and objtool run, or
	// the name of a release of Debian, such as "bookworm", which mmdebstrap then makes in the
	// cache, once, from where apt of this system fetches its packages; "" is
	// this system.
	Buildroot string
	// Jobs is how many compilers run at once; 0 is as many as there are processors.
	Jobs int
	// Module says what the update tells about itself. Name is that of [Builder.Build]'s and
	// [Builder.Cumulative]'s; those of [Builder.Each] are called after their patches, with
	// the name before them. Fixes and Description come from the patches where they are empty.
	Module module.Options
	// Accept, InPlace and Initials are those of elfdiff.Options.
	Accept            []elfdiff.Acceptance
	InPlace, Initials bool
	// Bundle has the objects of what is made kept, for kernels of other builds: see [Result].
	Bundle bool
	// Progress, when set, is told when a stage begins, and whenever a part of it is done.
	// Calls do not overlap.
	Progress func(stage string, done, total int)
	// Root, with [ImageRunning], has proc, sys and boot of the machine whose kernel runs; nil is this
	// machine.
	Root fs.FS
	// Log, when set, gets the commands that are run, one a line, with their folder.
	Log io.Writer
}
