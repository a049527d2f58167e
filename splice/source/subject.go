package source

import (
	"context"
	"io/fs"

	"github.com/gosplice/gosplice/internal/extmod"
	"github.com/gosplice/gosplice/internal/ktree"
)

// A subject is the source that patches are of: the kernel's, or that of modules elsewhere.
type subject interface {
	Dir() string
	Stat(name string) (fs.FileInfo, error)
	Effects(ctx context.Context, o ktree.Overlay) (*ktree.Effects, error)
	Dependents(ctx context.Context, changed []string) ([]ktree.Unit, error)
	Has(ctx context.Context, object, file string) (bool, error)
	Wider(ctx context.Context, than int, files ...string) (bool, error)
	UnitsOf(ctx context.Context, o ktree.Overlay, sources ...string) ([]ktree.Unit, []ktree.Unbuilt, error)
	Unaffected(ctx context.Context, units []ktree.Unit, o ktree.Overlay) ([]string, error)
	Compile(ctx context.Context, units []ktree.Unit, o ktree.Overlay) ([]ktree.Object, error)
}

var _, _ subject = (*ktree.Tree)(nil), (*extmod.Source)(nil)
