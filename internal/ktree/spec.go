// Package ktree is the source of a kernel, prepared to compile objects of it as the
// kernel's own build would.
//
//	t, err := ktree.Open(ctx, ktree.Spec{Source: "linux-6.1.tar.xz", Config: "config", ...})
//	units, err := t.Dependents(ctx, []string{"include/net/sock.h"})
//	pre, err := t.Compile(ctx, units, nil)
//	post, err := t.Compile(ctx, units, ktree.Overlay{"include/net/sock.h": changed})
//
// The source is copied once into a cache, configured and prepared (make olddefconfig
// modules_prepare). Nobody writes to that tree afterwards: what is compiled with other
// files is compiled in a copy of it by hard links, at the same relative paths.
//
// How an object is made is not known here but asked: make -n prints the commands.
package ktree

import (
	"io"

	"github.com/gosplice/gosplice/internal/progress"
)

// A Spec says which kernel, and with what it is compiled.
type Spec struct {
	Source  string   // a folder, or an archive that tar reads; never written to
	Config  string   // the configuration, a file
	Release string   // as uname -r prints it
	Banner  string   // what the kernel says of itself (init/version.c, linux_banner)
	Make    []string // further variables for make
	// CC is the compiler as make's CC; "" is the one that the configuration names.
	CC string
	// Buildroot is a folder with a distribution in which commands run; "" is this system.
	Buildroot string
	// Comment is what the objects of the kernel have in .comment of their compiler:
	// "GCC: (Debian 12.2.0-14) 12.2.0"; "" when that is not known.
	Comment string
	Cache   string // a folder
	Jobs    int    // how many commands run at once
	// Flags are KCFLAGS; "" is [DefaultFlags].
	Flags    string
	Progress progress.Func // may be nil
	Log      io.Writer     // gets the commands, one a line; may be nil
}

// DefaultFlags give each function and variable a section of its own. They come last on
// the compiler's command line, and change no instruction but for the width of some jumps.
const DefaultFlags = "-ffunction-sections -fdata-sections"

// An Overlay is what differs from the tree: contents by path, nil for files that are gone.
type Overlay map[string][]byte

// A Unit is an object that the build makes, and how.
type Unit struct {
	Source  string `json:"source"`  // "fs/proc/cmdline.c"
	Object  string `json:"object"`  // "fs/proc/cmdline.o"
	Command string `json:"command"` // the compiler's command line, in the root of the tree
	Objtool string `json:"objtool"` // that of objtool behind it, "" when there is none
	Module  string `json:"module"`  // the place of its module without .ko, "" for what is built in
	// Modules are all that it is part of, when there are several.
	Modules []string `json:"modules"`
	// Special says what it is part of that is not the code of the running kernel, such as
	// "the vDSO"; "" for what is.
	Special string `json:"special"`
	// Make is what make is told beside what the kernel is, where the object is of a module whose
	// source is elsewhere; nil for what the kernel's source has.
	Make []string `json:"make,omitempty"`
}
