package module

import (
	"context"
	"encoding/binary"

	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/calls"
)

// callsOf makes the call graph of the kernel, once: when the first update is built,
// since nothing else needs it.
func (k *Kernel) callsOf(ctx context.Context) (_ *calls.Info, err error) {
	k.graphing.Lock()
	defer k.graphing.Unlock()
	if k.calls == nil {
		k.calls, err = calls.OfKernel(ctx, k.run, k.layout, k.bugs())
	}
	return k.calls, err
}

// bugs returns the places of traps that BUG() made, by the table that the kernel's
// handler of traps has (lib/bug.c): those of WARN() have a flag, and go on.
func (k *Kernel) bugs() map[uint64]bool {
	const warning = 1 // BUGFLAG_WARNING
	row := kerneltab.Named(kerneltab.BugTable)
	form := row.Usual()
	entry, ok := k.layout[form.Struct]
	span, bounded := k.image.Bounds(row)
	if !ok || entry.Size == 0 || !bounded {
		return nil
	}
	table, err := k.image.Read(span[0], span[1]-span[0])
	if err != nil {
		return nil
	}
	out := map[uint64]bool{}
	trap, flags := entry.Offsets[form.Fields[kerneltab.At].Member], entry.Offsets[form.Fields[kerneltab.Flags].Member]
	for at := uint64(0); at+entry.Size <= uint64(len(table)); at += entry.Size {
		if binary.LittleEndian.Uint16(table[at+flags:])&warning == 0 {
			disp := int32(binary.LittleEndian.Uint32(table[at+trap:]))
			out[span[0]+at+trap+uint64(int64(disp))] = true
		}
	}
	return out
}

// callsOf makes the call graph of a module, once.
func (t *Target) callsOf(ctx context.Context) (*calls.Info, error) {
	outer, err := t.kernel.callsOf(ctx)
	if err != nil {
		return nil, err
	}
	t.graphing.Lock()
	defer t.graphing.Unlock()
	if t.calls == nil {
		t.calls, err = calls.OfModule(ctx, t.run, outer)
	}
	return t.calls, err
}

// callsOf returns the call graph of what an object is.
func (b *builder) callsOf(ctx context.Context, o *kobject) (*calls.Info, error) {
	if o.target != nil {
		return o.target.callsOf(ctx)
	}
	return b.Kernel.callsOf(ctx)
}
