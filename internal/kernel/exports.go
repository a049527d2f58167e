package kernel

import "encoding/binary"

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

// ksymtabEntry is sizeof(struct kernel_symbol) with
// CONFIG_HAVE_ARCH_PREL32_RELOCATIONS: value, name and namespace, each
// relative to itself (include/linux/export.h).
const ksymtabEntry = 12

// Exports reads __ksymtab and __ksymtab_gpl with the CRCs beside them.
func (k *Image) Exports() (map[string]Export, error) {
	out := map[string]Export{}
	read := k.chunks()
	for _, suffix := range []string{"", "_gpl"} {
		span, err := k.span("__start___ksymtab"+suffix, "__stop___ksymtab"+suffix)
		if err != nil {
			return nil, err
		}
		tab, err := k.Read(span[0], span[1]-span[0])
		if err != nil {
			return nil, err
		}
		crcs := k.crcs(suffix, len(tab)/ksymtabEntry)
		for i := 0; i+ksymtabEntry <= len(tab); i += ksymtabEntry {
			e := Export{GPL: suffix != ""}
			at := func(field int) uint64 {
				return span[0] + uint64(i+field) + uint64(int64(int32(binary.LittleEndian.Uint32(tab[i+field:]))))
			}
			e.Addr = at(0)
			if e.Name, err = k.text(read, at(4)); err != nil {
				return nil, err
			}
			if binary.LittleEndian.Uint32(tab[i+8:]) != 0 {
				if e.Namespace, err = k.text(read, at(8)); err != nil {
					return nil, err
				}
			}
			if crcs != nil {
				e.CRC, e.HasCRC = binary.LittleEndian.Uint32(crcs[i/ksymtabEntry*4:]), true
			}
			out[e.Name] = e
		}
	}
	return out, nil
}

// crcs reads the CRCs beside a table of n exports, nil when there are none.
func (k *Image) crcs(suffix string, n int) []byte {
	start, err := k.Symbol("__start___kcrctab" + suffix)
	if err != nil {
		return nil
	}
	b, err := k.Read(start.Addr, uint64(n)*4)
	if err != nil {
		return nil
	}
	return b
}
