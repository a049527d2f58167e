package procfs

import "encoding/binary"

// AuxType is the type of an entry of the auxiliary vector (getauxval(3)).
type AuxType uint64

// The entries that tell where the parts of a program are.
const (
	AuxPhdr        AuxType = 3  // address of the program headers
	AuxPhent       AuxType = 4  // size of a program header
	AuxPhnum       AuxType = 5  // number of program headers
	AuxPageSize    AuxType = 6  // bytes
	AuxBase        AuxType = 7  // load address of the dynamic linker
	AuxEntry       AuxType = 9  // entry point of the program
	AuxSysinfoEhdr AuxType = 33 // address of the vdso
)

// Auxv is an auxiliary vector. It does not change while a program runs.
type Auxv map[AuxType]uint64

// auxMax bounds the number of entries; the kernel has about 25.
const auxMax = 512

// ParseAuxv parses the bytes of /proc/PID/auxv of a 64-bit process. Errors are
// [*SyntaxError].
func ParseAuxv(b []byte) (Auxv, error) {
	const entry = 16
	v := make(Auxv)
	for n := 0; ; n++ {
		if len(b) == 0 && n == 0 {
			return v, nil // a kernel thread, or an exited process
		}
		if len(b) < entry || n == auxMax {
			return nil, syntaxError(1, "no AT_NULL at the end of the auxiliary vector", nil)
		}
		typ := AuxType(binary.LittleEndian.Uint64(b))
		if typ == 0 {
			return v, nil
		}
		v[typ] = binary.LittleEndian.Uint64(b[8:])
		b = b[entry:]
	}
}
