// Package live takes a kernel that runs for what its vmlinux says elsewhere: by its memory, its
// symbols and its BTF alone.
package live

import (
	"fmt"
	"io/fs"

	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/reloc/image"
)

// btfPath is where a kernel shows its BTF, below the root.
const btfPath = "sys/kernel/btf/vmlinux"

// Of returns the image of the kernel that img is of, at the addresses where it runs. Its memory is
// copied: img may be closed.
func Of(img *image.Image, root fs.FS) (*kernel.Image, error) {
	btf, err := fs.ReadFile(root, btfPath)
	if err != nil {
		return nil, fmt.Errorf("running kernel: %w", err)
	}
	m := kernel.Memory{Name: img.Modules()[0].Path, Read: img.ReadAddr, BTF: btf}
	for _, r := range img.Regions() {
		if r.Module == 0 && r.Read && !r.Freed && !r.Unknown {
			m.Spans = append(m.Spans, [2]uint64{r.Start, r.End})
		}
	}
	for _, s := range img.Symbols() {
		if s.Module == 0 {
			m.Symbols = append(m.Symbols, kernel.Symbol{Name: s.Name, Addr: s.Addr, Size: s.Size, Type: s.Type, Local: s.Local})
		}
	}
	k, err := kernel.OfMemory(m)
	if err != nil {
		return nil, fmt.Errorf("running kernel: %w", err)
	}
	return k, nil
}
