// Package extmod is the source of modules that are no part of the kernel's (make M=DIR), as a
// source that patches are of.
//
//	s, err := extmod.Open(ctx, tree, extmod.Spec{Dir: "/usr/src/v4l2loopback-0.12.7"})
//	units, err := s.Dependents(ctx, []string{"v4l2loopback.h"})
//	pre, err := s.Compile(ctx, units, nil)
//	post, err := s.Compile(ctx, units, ktree.Overlay{"v4l2loopback.h": changed})
//
// The folder is read once, into the cache of the kernel's tree, and never written to. Its files are
// an overlay over that tree, in a folder below its root: so they are compiled at the same
// place each time, wherever they come from, and kept by content. How they are made is asked of the
// kernel's build, which reads their Makefiles.
package extmod
