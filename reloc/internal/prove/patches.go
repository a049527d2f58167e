package prove

import (
	"bytes"
	"strings"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/rewrite"
)

// breakpoint accepts an instruction of rewritten code whose first byte is int3:
// a kprobe (arch/x86/kernel/kprobes/core.c). The rest of it stays.
//
//	cc ...    int3
func breakpoint(w *walker, pin, _ amd64.Inst) (int, int, bool) {
	n := int(pin.Len)
	if w.j+n > len(w.run) || w.run[w.j] != 0xcc || w.pre[w.i] == 0xcc || !w.m.rewritten(w.t.Addr) {
		return 0, 0, false
	}
	refs := w.refs(n)
	from := w.i + 1
	for k := range refs {
		off := int(refs[k].Offset)
		if off < from || !bytes.Equal(w.pre[from:off], w.run[w.j+from-w.i:w.j+off-w.i]) {
			return 0, 0, false
		}
		from = off + int(FieldSize(&refs[k]))
	}
	if f := w.i + int(pin.PCRelOff); pin.PCRelLen > 0 && len(refs) == 0 && from <= f {
		if !bytes.Equal(w.pre[from:f], w.run[w.j+from-w.i:w.j+f-w.i]) {
			return 0, 0, false
		}
		w.branch(pin, pin)
		from = f + int(pin.PCRelLen)
	}
	if from > w.i+n || !bytes.Equal(w.pre[from:w.i+n], w.run[w.j+from-w.i:w.j+n]) {
		return 0, 0, false
	}
	for k := range refs {
		if e := w.solve(w.ref+k, w.j+int(refs[k].Offset)-w.i); e != nil {
			w.t.Err = e
			break
		}
	}
	w.ref += len(refs)
	w.t.Patches = append(w.t.Patches, image.Patch{Kind: image.PatchBreakpoint, Offset: uint64(w.i), Address: w.t.Addr + uint64(w.j)})
	return n, n, true
}

// probeJump accepts a jump into the buffer of an optimised kprobe. It stands
// over whole instructions, and what is left of the last one stays.
//
//	e9 d32 ...    jmp buffer
func probeJump(w *walker, _, rin amd64.Inst) (int, int, bool) {
	if rin.Class != amd64.Jump || rin.Len != 5 || !w.m.rewritten(w.t.Addr) {
		return 0, 0, false
	}
	to := w.t.Addr + uint64(Relative(rin, w.run, w.j))
	name, _, ok := w.m.Symbolize(to)
	if !ok || !strings.HasPrefix(name, rewrite.ProbePage) {
		return 0, 0, false
	}
	n := 0
	for n < 5 {
		in, err := amd64.Decode(w.pre[w.i+n:])
		if err != nil {
			return 0, 0, false
		}
		n += int(in.Len)
	}
	if w.j+n > len(w.run) {
		return 0, 0, false
	}
	refs := w.refs(n)
	from := w.i + 5
	for k := range refs {
		off, size := int(refs[k].Offset), int(FieldSize(&refs[k]))
		if off+size <= from {
			continue
		}
		if off > from && !bytes.Equal(w.pre[from:off], w.run[w.j+from-w.i:w.j+off-w.i]) {
			return 0, 0, false
		}
		from = off + size
	}
	if !bytes.Equal(w.pre[from:w.i+n], w.run[w.j+from-w.i:w.j+n]) {
		return 0, 0, false
	}
	w.ref += len(refs)
	w.t.Patches = append(w.t.Patches, image.Patch{Kind: image.PatchProbeJump, Offset: uint64(w.i), Address: w.t.Addr + uint64(w.j), Target: to})
	return n, n, true
}
