package lint

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"

	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/reloc/image"
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
	btf, err := fs.ReadFile(root, "sys/kernel/btf/vmlinux")
	if err != nil {
		return nil, fmt.Errorf("running kernel: %w", err)
	}
	m := kernel.Memory{Name: img.Modules()[0].Path, Read: img.ReadAddr, BTF: btf}
	for _, r := range img.Regions() {
		if r.Module == 0 && r.Read && !r.Freed && !r.Unknown {
			m.Spans = append(m.Spans, [2]uint64{r.Start, r.End})
		}
	}
	loaded := map[string][]image.Symbol{}
	for _, s := range img.Symbols() {
		switch {
		case s.Module == 0:
			m.Symbols = append(m.Symbols, kernel.Symbol{Name: s.Name, Addr: s.Addr, Size: s.Size, Type: s.Type, Local: s.Local})
		case s.Module > 0:
			name := img.Modules()[s.Module].Name
			loaded[name] = append(loaded[name], s)
		}
	}
	file, err := kernel.OfMemory(m)
	if err != nil {
		return nil, fmt.Errorf("running kernel: %w", err)
	}
	k, err := newKernel(file)
	if err != nil {
		return nil, fmt.Errorf("running kernel: %w", err)
	}
	return k, k.addLoaded(img, loaded)
}

// addLoaded adds the modules that are loaded.
func (k *Kernel) addLoaded(img *image.Image, loaded map[string][]image.Symbol) error {
	k.live = true
	k.loaded = map[string]map[string][]old{}
	for name, list := range loaded {
		byName := map[string][]old{}
		for i := range list {
			s := &list[i]
			o := old{addr: s.Addr, size: s.Size, live: true}
			if s.IsFunc() {
				_ = img.ReadAddr(o.start[:], s.Addr) // zeros are no call of a tracer
			}
			byName[s.Name] = append(byName[s.Name], o)
			if _, ok := k.exports[s.Name]; !ok && !s.Local {
				k.exports[s.Name] = kernel.Export{Name: s.Name, Module: name}
			}
		}
		k.loaded[name] = byName
	}
	return nil
}

// maxStart is what is read of the start of a function, bytes.
const maxStart = 9

// tracedStart reports whether a function in memory begins with a call of the tracer, that is off
// or on, behind an ENDBR64 or what becomes of one.
func tracedStart(b []byte) bool {
	for _, skip := range []int{0, 4} {
		if x := b[skip:]; len(x) >= 5 && (bytes.HasPrefix(x, []byte{0x0f, 0x1f, 0x44, 0, 0}) || x[0] == 0xe8) {
			return true
		}
	}
	return false
}
