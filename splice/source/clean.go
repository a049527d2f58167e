package source

import (
	"context"
	"time"

	"github.com/gosplice/gosplice/internal/cbuild"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/ktree"
)

// Use is how much of a cache there is, in bytes on the disk.
type Use struct {
	Kept    int64 `json:"kept"`    // prepared sources and objects
	Removed int64 `json:"removed"` // of these, what is gone now
	Others  int64 `json:"others"`  // packages and the like, which are left alone
}

// Clean removes from a cache the prepared sources that were not opened for an age, with the
// objects that were made of them, and builds of programs; 0 is all. What was fetched stays, and so
// does what is being compiled in or built, and a build of a program that was opened within the hour.
// The age should be longer than any use of a [Builder]. A cache that is "" is that of [Options].
func Clean(ctx context.Context, cache string, age time.Duration) (Use, error) {
	var u Use
	dir, err := deb.Folder(cache)
	if err != nil {
		return u, err
	}
	if u.Removed, err = ktree.Clean(ctx, dir, age); err != nil {
		return u, err
	}
	programs, err := cbuild.Clean(ctx, dir, age)
	if err != nil {
		return u, err
	}
	u.Removed += programs
	if programs, err = cbuild.Usage(ctx, dir); err != nil {
		return u, err
	}
	kept, err := ktree.Usage(ctx, dir)
	if err != nil {
		return u, err
	}
	for _, k := range kept {
		u.Kept += k.Bytes
	}
	others, err := ktree.Others(ctx, dir, cbuild.Folders...)
	// Packages are what is neither: builds of programs are no other things.
	u.Kept, u.Others = u.Kept+programs, others.Bytes
	return u, err
}
