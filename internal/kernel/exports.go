package kernel

import (
	"encoding/binary"

	"github.com/gosplice/gosplice/internal/kerneltab"
)

// An Export is a symbol that modules may use.
type Export struct {
	Name      string
	Addr      uint64 // link address, 0 when it comes from a Module.symvers
	CRC       uint32 // of its type, with CONFIG_MODVERSIONS
	HasCRC    bool
	GPL       bool   // only for modules with a compatible licence
	Namespace string // that modules have to import, "" for none
	Module    string // that exports it, "" for vmlinux
}

// Exports reads __ksymtab and __ksymtab_gpl with the CRCs beside them.
func (k *Image) Exports() (map[string]Export, error) {
	out := map[string]Export{}
	read := k.chunks()
	row := kerneltab.Named(kerneltab.KSymTab)
	form, size := row.Usual(), int(row.Entry())
	for _, suffix := range []string{"", kerneltab.GPL} {
		span, err := k.span(row.Bounds.Start+suffix, row.Bounds.Stop+suffix)
		if err != nil {
			return nil, err
		}
		tab, err := k.Read(span[0], span[1]-span[0])
		if err != nil {
			return nil, err
		}
		crcs := k.crcs(suffix, len(tab)/size)
		for i := 0; i+size <= len(tab); i += size {
			e, entry := Export{GPL: suffix != ""}, tab[i:i+size]
			at := func(role kerneltab.Role) uint64 { return fieldTarget(entry, &form.Fields[role], span[0]+uint64(i)) }
			e.Addr = at(kerneltab.Value)
			if e.Name, err = k.text(read, at(kerneltab.Name)); err != nil {
				return nil, err
			}
			if binary.LittleEndian.Uint32(entry[form.Fields[kerneltab.Namespace].Offset:]) != 0 {
				if e.Namespace, err = k.text(read, at(kerneltab.Namespace)); err != nil {
					return nil, err
				}
			}
			if crcs != nil {
				e.CRC, e.HasCRC = binary.LittleEndian.Uint32(crcs[i/size*4:]), true
			}
			out[e.Name] = e
		}
	}
	return out, nil
}

// crcs reads the CRCs beside a table of n exports, nil when there are none.
func (k *Image) crcs(suffix string, n int) []byte {
	start, err := k.Symbol(kerneltab.Named(kerneltab.KCRCTab).Bounds.Start + suffix)
	if err != nil {
		return nil
	}
	b, err := k.Read(start.Addr, uint64(n)*4)
	if err != nil {
		return nil
	}
	return b
}
