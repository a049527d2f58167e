package kernel

import (
	"encoding/binary"
	"sync"

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

// exported are the exports, once they were asked for.
type exported struct {
	once sync.Once
	list map[string]Export
	err  error
}

// Exports returns what __ksymtab and __ksymtab_gpl have, with the CRCs beside them, by name.
// They are read once; nobody may write to the map.
func (k *Image) Exports() (map[string]Export, error) {
	k.exported.once.Do(func() { k.exported.list, k.exported.err = k.readExports() })
	return k.exported.list, k.exported.err
}

func (k *Image) readExports() (map[string]Export, error) {
	out := map[string]Export{}
	read := k.chunks()
	row := kerneltab.Named(kerneltab.KSymTab)
	form, size := row.Usual(), int(row.Entry())
	flags, err := k.exportFlags()
	if err != nil {
		return nil, err
	}
	for _, suffix := range []string{"", kerneltab.GPL} {
		if suffix != "" && flags != nil {
			break // one list has all
		}
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
			if flags != nil {
				if i/size >= len(flags) {
					return nil, k.fail(kerneltab.KFlagsTab, "it has %d entries, for %d exports", len(flags), len(tab)/size)
				}
				e.GPL = flags[i/size]&gplOnly != 0
			}
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

// gplOnly is KSYM_FLAG_GPL_ONLY (include/linux/module_symbol.h of Linux 7.3).
const gplOnly = 1

// exportFlags reads the flags of exports, a byte each, where the kernel has these instead of
// two lists.
func (k *Image) exportFlags() ([]byte, error) {
	span, ok := k.Bounds(kerneltab.Named(kerneltab.KFlagsTab))
	if !ok {
		return nil, nil
	}
	return k.Read(span[0], span[1]-span[0])
}

// crcs reads the CRCs beside a table of n exports, nil when there are none.
func (k *Image) crcs(suffix string, n int) []byte {
	bounds := kerneltab.Named(kerneltab.KCRCTab).Bounds
	span, err := k.span(bounds.Start+suffix, bounds.Stop+suffix)
	if err != nil || span[1]-span[0] != uint64(n)*4 { // empty without CONFIG_MODVERSIONS
		return nil
	}
	b, err := k.Read(span[0], uint64(n)*4)
	if err != nil {
		return nil
	}
	return b
}
