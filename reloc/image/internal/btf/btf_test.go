package btf

import (
	"encoding/binary"
	"maps"
	"testing"
)

// made is BTF with an int, a structure with a bit field, a pointer, and another structure.
func made() []byte {
	names := []byte("\x00int\x00klp_func\x00new_func\x00nop\x00klp_ops\x00node\x00")
	at := func(name string) uint32 {
		for i := 1; ; i++ {
			if string(names[i:i+len(name)+1]) == name+"\x00" && names[i-1] == 0 {
				return uint32(i)
			}
		}
	}
	words := []uint32{
		at("int"), 1 << 24, 4, 0x20,
		at("klp_func"), 1<<31 | 4<<24 | 2, 16, at("new_func"), 3, 64, at("nop"), 1, 1<<24 | 100,
		0, 2 << 24, 1,
		at("klp_ops"), 4<<24 | 1, 8, at("node"), 3, 8,
	}
	b := binary.LittleEndian.AppendUint16(nil, magic)
	b = append(b, 1, 0)
	for _, w := range []uint32{headerSize, 0, uint32(4 * len(words)), uint32(4 * len(words)), uint32(len(names))} {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	for _, w := range words {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return append(b, names...)
}

func TestOffsets(t *testing.T) {
	got, err := Offsets(made(), map[string][]string{"klp_func": {"new_func", "nop"}, "klp_ops": {"node"}})
	if err != nil || !maps.Equal(got["klp_func"], map[string]uint64{"new_func": 8, "nop": 12}) || got["klp_ops"]["node"] != 1 {
		t.Errorf("%v, %v", got, err)
	}
	for _, want := range []map[string][]string{{"klp_patch": {"mod"}}, {"klp_ops": {"node", "func_stack"}}} {
		if got, err := Offsets(made(), want); err == nil {
			t.Errorf("%v: %v", want, got)
		}
	}
	for n := range made() {
		if _, err := Offsets(made()[:n], nil); err == nil {
			t.Errorf("the first %d bytes are BTF", n)
		}
	}
}

func FuzzOffsets(f *testing.F) {
	f.Add(made())
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = Offsets(b, map[string][]string{"klp_func": {"new_func"}})
	})
}
