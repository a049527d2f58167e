//go:build linux && amd64

package process

import (
	"encoding/binary"
	"errors"

	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
)

// resolver finds the values of imports in the process.
type resolver struct {
	*plan
	module map[*splice.Import]int // whose references an import's are
}

// newResolver notes for each import which module it is looked up for: the one
// that the functions of its object belong to.
func newResolver(p *plan) *resolver {
	r := &resolver{plan: p, module: map[*splice.Import]int{}}
	_, first := p.image.ModuleAt(p.spans[0].addr)
	for i := range p.update.Objects {
		o := &p.update.Objects[i]
		mod := first
		if len(o.Redirects) > 0 {
			mod = p.modules[o.Redirects[0].Old[0].Module]
		}
		for k := range o.Imports {
			r.module[&o.Imports[k]] = mod
		}
	}
	return r
}

// maxTLSModules bounds the module numbers of the dynamic linker, which counts
// from 1. It tells a slot that holds one from a slot that holds an offset.
const maxTLSModules = 1 << 20

// resolve turns the places of an import into addresses. An import without a
// value is looked up as the dynamic linker would.
func (r *resolver) resolve(im *splice.Import) (splice.Resolved, error) {
	out := splice.Resolved{TPOff: im.TPOff, TLS: im.TLS}
	for _, f := range []struct {
		from *splice.Place
		to   *uint64
	}{{im.Address, &out.Address}, {im.PLT, &out.PLT}, {im.GOT, &out.GOT}, {im.TLSSlot, &out.TLSSlot}, {im.TLSBlock, &out.TLSBlock}} {
		if f.from != nil {
			*f.to = r.addr(*f.from)
		}
	}
	if out.TLSSlot != 0 {
		var b [8]byte
		if err := r.image.ReadAddr(b[:], out.TLSSlot); err != nil {
			return out, err
		}
		switch v := binary.LittleEndian.Uint64(b[:]); {
		case v > 0 && v < maxTLSModules:
			out.TLSPair, out.TLSSlot = out.TLSSlot, 0
		case int64(v) > 0: // a function of the dynamic linker; an offset from the thread pointer is negative
			out.TLSDesc, out.TLSSlot = out.TLSSlot, 0
		}
	}
	if out.Address == 0 && im.TPOff == nil && im.TLSSlot == nil && im.TLSBlock == nil && im.TLS == nil {
		// Also when there is a PLT entry or a slot: code may take the address.
		addr, err := r.lookup(r.module[im], im.Name)
		if err != nil && out.PLT == 0 && out.GOT == 0 {
			return out, err
		}
		out.Address = addr
	}
	return out, nil
}

// staticHints say what helps for functions that stand in the part of glibc that is linked into each program which uses
// them (libc_nonshared.a), and that no library has.
var staticHints = map[string]string{
	"atexit":         "have the patch call __cxa_atexit(f, 0, 0), which the C library has; it keeps the update in memory",
	"at_quick_exit":  "have the patch call __cxa_at_quick_exit(f, 0), which the C library has; it keeps the update in memory",
	"pthread_atfork": "have the patch call __register_atfork(prepare, parent, child, 0), which the C library has; it keeps the update in memory",
}

// lookup finds a symbol as a module would.
func (r *resolver) lookup(module int, name string) (uint64, error) {
	if module == image.NoModule {
		return 0, splice.Refuse(splice.CodeUnresolved, name, "", 0, "no module to look it up for")
	}
	addr, err := r.image.Resolve(module, name)
	if err != nil {
		code := splice.CodeUnresolved
		if errors.Is(err, image.ErrIndirect) {
			code = splice.CodeIndirect
		}
		ref := splice.Refuse(code, name, r.image.Modules()[module].Name, 0, "it can't be resolved")
		if hint, ok := staticHints[name]; ok {
			ref.Hint = hint
		}
		ref.Err = err
		return 0, ref
	}
	return addr, nil
}
