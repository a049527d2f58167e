// Package btf reads where members of structures are from BTF (Documentation/bpf/btf.rst of
// Linux 6.12). It is all that an image needs of BTF: what reads types is the library
// github.com/cilium/ebpf/btf, which drags in parsers, flags and formatters.
package btf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

const (
	magic      = 0xeb9f
	headerSize = 24
	typeSize   = 12
	kindStruct = 4
	memberSize = 12
)

// extras are the bytes behind the 12 of a type, by kind: those of each of its vlen elements,
// and those in any case.
var extras = [...]struct{ each, once int }{
	1: {0, 4}, 3: {0, 12}, 4: {memberSize, 0}, 5: {memberSize, 0}, 6: {8, 0}, 13: {8, 0}, 14: {0, 4}, 15: {12, 0}, 17: {0, 4}, 19: {12, 0},
}

var errDamaged = errors.New("damaged BTF")

// Offsets returns the offsets, in bytes, of members of structures, both by name. A structure
// or member that is not there is an error; members of nameless structures in it are not there.
func Offsets(b []byte, want map[string][]string) (map[string]map[string]uint64, error) {
	types, names, err := sections(b)
	if err != nil {
		return nil, err
	}
	out := map[string]map[string]uint64{}
	for len(types) > 0 {
		if len(types) < typeSize {
			return nil, errDamaged
		}
		info := binary.LittleEndian.Uint32(types[4:])
		kind, n := int(info>>24&0x1f), int(info&0xffff)
		if kind >= len(extras) {
			return nil, fmt.Errorf("BTF with types of kind %d", kind)
		}
		end := typeSize + n*extras[kind].each + extras[kind].once
		if end > len(types) {
			return nil, errDamaged
		}
		if name := names.at(types); kind == kindStruct && want[name] != nil && out[name] == nil {
			out[name] = members(types[typeSize:end], names, want[name], info>>31 != 0)
		}
		types = types[end:]
	}
	return out, check(out, want)
}

// check wants all that was asked for.
func check(out map[string]map[string]uint64, want map[string][]string) error {
	for name, members := range want {
		if i := slices.IndexFunc(members, func(m string) bool { _, ok := out[name][m]; return !ok }); i >= 0 {
			return fmt.Errorf("BTF has no struct %s with a member %s", name, members[i])
		}
	}
	return nil
}

// members reads those of a structure that are asked for. With bits, the upper byte of an
// offset is the width of a bit field.
func members(b []byte, names table, want []string, bits bool) map[string]uint64 {
	out := map[string]uint64{}
	for ; len(b) > 0; b = b[memberSize:] {
		off := binary.LittleEndian.Uint32(b[8:])
		if bits {
			off &= 1<<24 - 1
		}
		if name := names.at(b); slices.Contains(want, name) {
			out[name] = uint64(off / 8)
		}
	}
	return out
}

// sections returns the types and the names.
func sections(b []byte) ([]byte, table, error) {
	if len(b) < headerSize || binary.LittleEndian.Uint16(b) != magic {
		return nil, nil, errDamaged
	}
	word := func(i int) uint64 { return uint64(binary.LittleEndian.Uint32(b[i:])) }
	part := func(off, size uint64) ([]byte, bool) {
		start := word(4) + off // header length
		return b[min(start, uint64(len(b))):min(start+size, uint64(len(b)))], start+size <= uint64(len(b))
	}
	types, ok := part(word(8), word(12))
	names, also := part(word(16), word(20))
	if !ok || !also {
		return nil, nil, errDamaged
	}
	return types, names, nil
}

// table are NUL-terminated names.
type table []byte

// at returns the name whose offset is at the start of b, "" where it leads nowhere.
func (t table) at(b []byte) string {
	off := binary.LittleEndian.Uint32(b)
	if uint64(off) >= uint64(len(t)) {
		return ""
	}
	name, _, _ := bytes.Cut(t[off:], []byte{0})
	return string(name)
}
