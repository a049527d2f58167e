package splice

import (
	"debug/elf"
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// noteEscape notes that the address of a carried function is taken. A jump
// table leads into functions, and .eh_frame describes them: neither gives a
// program a pointer. Nor does a table of virtual functions, which they are called by,
// and a function of the library that is called by what the library keeps is found where that is.
func (k *linking) noteEscape(u *use) {
	if u.sec.Name == kerneltab.EhFrame || u.sym.Type() != elf.STT_FUNC || u.rela.Addend != 0 && u.rela.Addend != -4 || k.isBranch(u) {
		return
	}
	if strings.HasPrefix(u.sym.Name, "_ZNSt17_Function_handler") || k.isVirtual(u) { // of std::function
		return
	}
	if _, own := k.local(u); own && !slices.Contains(k.out.Escapes, u.sym.Name) {
		k.out.Escapes = append(k.out.Escapes, u.sym.Name)
	}
}

// isVirtual reports whether a field is that of a function in a table of virtual functions: of C++, by its name; of Rust, by its
// form: what drops a value, or nothing, its size, its alignment, and functions.
func (k *linking) isVirtual(u *use) bool {
	if u.area == areaCode || elf.R_X86_64(u.rela.Type) != elf.R_X86_64_64 {
		return false
	}
	if strings.Contains(u.sec.Name, "._ZTV") {
		return true
	}
	const word, head = 8, 24
	isRust := strings.HasPrefix(u.sym.Name, "_R") || strings.HasPrefix(u.sym.Name, "_ZN") && strings.HasSuffix(u.sym.Name, "E") && strings.Contains(u.sym.Name, "17h")
	if !isRust || u.rela.Offset%word != 0 || u.sec.Size < head || u.sec.Size%word != 0 || u.rela.Offset == word || u.rela.Offset == 2*word {
		return false
	}
	relas, err := u.obj.file.Relas(u.sec.Index)
	if err != nil || slices.ContainsFunc(relas, func(r elfobj.Rela) bool { return r.Offset >= word && r.Offset < head }) {
		return false
	}
	b, err := u.sec.Data()
	if err != nil || len(b) < head {
		return false
	}
	size, align := binary.LittleEndian.Uint64(b[word:]), binary.LittleEndian.Uint64(b[2*word:])
	return bits.OnesCount64(align) == 1 && size%align == 0
}
