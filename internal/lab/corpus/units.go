package corpus

import (
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
)

// units lists the names of the compilation units of an image.
func units(path string) ([]string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := map[string][]byte{}
	for _, name := range []string{"abbrev", "info", "str", "line_str", "str_offsets", "addr"} {
		if s := f.Section(".debug_" + name); s != nil {
			if data[name], err = s.Data(); err != nil {
				return nil, err
			}
		}
	}
	d, err := dwarf.New(data["abbrev"], nil, nil, data["info"], nil, nil, nil, data["str"])
	if err != nil {
		return nil, fmt.Errorf("debug information: %w", err)
	}
	for _, name := range []string{"line_str", "str_offsets", "addr"} {
		if b := data[name]; b != nil {
			if err := d.AddSection(".debug_"+name, b); err != nil {
				return nil, err
			}
		}
	}
	return unitNames(d, data["info"])
}

// unitNames reads the first entry of each unit. What is behind it, nearly all,
// is not decoded.
func unitNames(d *dwarf.Data, info []byte) ([]string, error) {
	var out []string
	r := d.Reader()
	for off := 0; off+12 <= len(info); {
		length := int(binary.LittleEndian.Uint32(info[off:])) // DWARF 5, section 7.5.1.1
		header := 11
		if binary.LittleEndian.Uint16(info[off+4:]) >= 5 {
			header = 12
		}
		if length >= 0xfffffff0 || off+4+length > len(info) {
			return nil, io.ErrUnexpectedEOF
		}
		r.Seek(dwarf.Offset(off + header))
		e, err := r.Next()
		if err != nil {
			return nil, err
		}
		if name, ok := e.Val(dwarf.AttrName).(string); ok {
			out = append(out, name)
		}
		off += 4 + length
	}
	return out, nil
}
