//go:build linux && amd64

package process

import (
	"encoding/binary"

	"github.com/gosplice/gosplice/splice"
)

// resolver finds the values of imports in the process.
type resolver struct{ *plan }

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
	}{{im.Address, &out.Address}, {im.PLT, &out.PLT}, {im.GOT, &out.GOT}, {im.TLSSlot, &out.TLSSlot}} {
		if f.from != nil {
			*f.to = r.addr(*f.from)
		}
	}
	if out.TLSSlot != 0 {
		var b [8]byte
		if err := r.image.ReadAddr(b[:], out.TLSSlot); err != nil {
			return out, err
		}
		if v := binary.LittleEndian.Uint64(b[:]); v > 0 && v < maxTLSModules {
			out.TLSPair, out.TLSSlot = out.TLSSlot, 0
		}
	}
	if out.Address == 0 && out.TPOff == nil && im.TLSSlot == nil {
		// Also when there is a PLT entry or a slot: code may take the address.
		addr, err := r.lookup(im.Name)
		if err != nil && out.PLT == 0 && out.GOT == 0 {
			return out, err
		}
		out.Address = addr
	}
	return out, nil
}

// lookup finds a symbol as the module that the update is for would.
func (r *resolver) lookup(name string) (uint64, error) {
	if len(r.spans) == 0 {
		return 0, splice.Refuse(splice.CodeUnresolved, name, "", 0, "no module to look it up for")
	}
	_, mod := r.image.ModuleAt(r.spans[0].addr)
	addr, err := r.image.Resolve(mod, name)
	if err != nil {
		ref := splice.Refuse(splice.CodeUnresolved, name, r.image.Modules()[mod].Name, 0, "it can't be resolved")
		ref.Err = err
		return 0, ref
	}
	return addr, nil
}
