package lint

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice/module/internal/live"
)

// NewRunning takes the kernel that runs, by its memory, its symbols and its BTF alone: root has proc
// and sys of the machine, as os.DirFS("/") has. It takes root. The modules that are loaded are known by
// their symbols, which have no versions there.
func NewRunning(ctx context.Context, root fs.FS) (*Kernel, error) {
	img, err := image.NewRunningContext(ctx, root)
	if err != nil {
		return nil, fmt.Errorf("running kernel: %w", err)
	}
	defer img.Close()
	loaded := map[string][]image.Symbol{}
	for _, s := range img.Symbols() {
		if s.Module > 0 {
			name := img.Modules()[s.Module].Name
			loaded[name] = append(loaded[name], s)
		}
	}
	file, err := live.Of(img, root)
	if err != nil {
		return nil, err
	}
	k, err := newKernel(file)
	if err != nil {
		return nil, fmt.Errorf("running kernel: %w", err)
	}
	k.addLoaded(img, file, loaded)
	return k, nil
}

// addLoaded adds the modules that are loaded.
func (k *Kernel) addLoaded(img *image.Image, file *kernel.Image, loaded map[string][]image.Symbol) {
	k.loaded = map[string]map[string][]old{}
	for name, list := range loaded {
		byName := map[string][]old{}
		for i := range list {
			s := &list[i]
			o := old{addr: s.Addr, size: s.Size, live: true}
			var start [kernel.EntrySize]byte // zeros are no call of a tracer
			if s.IsFunc() && img.ReadAddr(start[:], s.Addr) == nil {
				_, o.traced = file.TracedAt(start[:], s.Addr)
			}
			byName[s.Name] = append(byName[s.Name], o)
			if _, ok := k.exports[s.Name]; !ok && !s.Local {
				k.exports[s.Name] = kernel.Export{Name: s.Name, Module: name}
			}
		}
		k.loaded[name] = byName
	}
}
