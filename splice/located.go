package splice

import (
	"bytes"

	"github.com/gosplice/gosplice/elfdiff/object"
)

// located answers where literals of pre are in run: in a file, where nothing writes, and with
// their content.
type located struct{ *Part }

// AtomAddr implements extract.Located.
func (l located) AtomAddr(pre object.AtomID) (uint64, bool) {
	addr, ok := l.Match.AtomAddr(pre)
	if !ok || l.Image == nil {
		return 0, false
	}
	mod, _ := l.Image.ModuleAt(addr)
	reg := l.Image.RegionAt(addr)
	a := l.Diff.Pre.Atom(pre)
	b := make([]byte, len(a.Bytes))
	if mod == nil || reg == nil || reg.Write || l.Image.ReadAddr(b, addr) != nil {
		return 0, false
	}
	return addr, bytes.Equal(b, a.Bytes)
}
