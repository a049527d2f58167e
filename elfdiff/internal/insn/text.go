package insn

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// TextAt shows the instruction at an offset of the cursor's function, or its
// bytes where none decodes.
func (k *Cursor) TextAt(off uint64) string {
	at := Cursor{Object: k.Object, Atom: k.Atom, Off: off}
	if _, err := at.Load(); err != nil {
		return amd64.Disasm(k.Atom.Bytes[off:min(off+1, uint64(len(k.Atom.Bytes)))], off, nil)
	}
	return at.Text()
}

// Text shows the instruction at the cursor with its references by name:
//
//	mov    counter+0x4(%rip),%eax
//	call   printf
//	jne    +0x30
func (k *Cursor) Text() string {
	if k.Inst.Len == 0 {
		return "end of function"
	}
	b := append([]byte(nil), k.Bytes()...)
	var names, rest []string
	for i := range k.Refs[:min(len(k.Refs), MaxRefsShown)] {
		if k.stamp(b, &k.Refs[i], len(names)) {
			names = append(names, operandText(k.Object, &k.Refs[i]))
		} else {
			rest = append(rest, " <"+operandText(k.Object, &k.Refs[i])+">")
		}
	}
	if n := len(k.Refs) - MaxRefsShown; n > 0 {
		rest = append(rest, fmt.Sprintf(" <and %d more references>", n))
	}
	s := amd64.Disasm(b, k.Off, nil)
	for i, name := range names {
		s = unstamp(s, k.Off+uint64(k.Inst.Len), i, name)
	}
	if to, ok := k.Inst.Target(k.Bytes(), k.Off); ok && len(k.Refs) == 0 {
		s = strings.Replace(s, fmt.Sprintf("%#x", to), fmt.Sprintf("+%#x", to), 1)
	}
	if to, ok := k.Inst.Operand(k.Bytes(), k.Off); ok && len(k.Refs) == 0 {
		s = cutComment(s) + fmt.Sprintf("        # +%#x", to)
	}
	return strings.ReplaceAll(s, "\t", " ") + strings.Join(rest, "")
}

// stampBase and what follows it are the numbers that stand in for references
// while an instruction is printed: no compiler makes them up.
const stampBase = 0x5ba1e0d0

// stamp writes the i-th stamp into the field of a reference, and reports
// whether the field is an operand of four or eight bytes that will show.
func (k *Cursor) stamp(b []byte, r *object.Ref, i int) bool {
	off, n := r.Offset-k.Off, amd64.FieldSize(r.Type)
	field := uint8(off)
	if i > 8 || n < 4 || off+uint64(n) > uint64(len(b)) {
		return false
	}
	operands := [...][2]uint8{{k.Inst.PCRelOff, k.Inst.PCRelLen}, {k.Inst.ImmOff, k.Inst.ImmLen}, {k.Inst.DispOff, k.Inst.DispLen}}
	for _, op := range operands {
		if op[0] == field && int(op[1]) == n {
			clear(b[off : off+uint64(n)])
			binary.LittleEndian.PutUint32(b[off:], stampBase+uint32(i)*0x100000)
			return true
		}
	}
	return false
}

// unstamp puts the name where the stamp is printed: as the number itself, or
// as the address that it leads to from the end of the instruction.
func unstamp(s string, end uint64, i int, name string) string {
	stamp := uint64(stampBase + uint32(i)*0x100000)
	if abs := fmt.Sprintf("%#x", end+stamp); strings.Contains(s, abs) && !strings.Contains(s, fmt.Sprintf("%#x(%%", stamp)) {
		return strings.Replace(s, abs, name, 1)
	}
	number := fmt.Sprintf("%#x", stamp)
	if !strings.Contains(s, number) {
		return s + " <" + name + ">"
	}
	return strings.Replace(cutComment(s), number, name, 1)
}

// cutComment removes the address that the printer adds for RIP-relative
// operands, which means nothing in a relocatable object.
func cutComment(s string) string {
	if i := strings.Index(s, "        # "); i >= 0 {
		return s[:i]
	}
	return s
}

// operandForms say how assembly writes relocation types that are more than
// the address of the symbol.
var operandForms = map[elf.R_X86_64]string{
	elf.R_X86_64_GOTPCREL:        "@GOTPCREL",
	elf.R_X86_64_GOTPCRELX:       "@GOTPCREL",
	elf.R_X86_64_REX_GOTPCRELX:   "@GOTPCREL",
	elf.R_X86_64_GOTOFF64:        "@GOTOFF",
	elf.R_X86_64_TLSGD:           "@TLSGD",
	elf.R_X86_64_TLSLD:           "@TLSLD",
	elf.R_X86_64_DTPOFF32:        "@DTPOFF",
	elf.R_X86_64_GOTTPOFF:        "@GOTTPOFF",
	elf.R_X86_64_TPOFF32:         "@TPOFF",
	elf.R_X86_64_GOTPC32_TLSDESC: "@TLSDESC",
	elf.R_X86_64_TLSDESC_CALL:    "@TLSCALL",
	elf.R_X86_64_SIZE32:          "@SIZE",
}

// operandText is [RefText] with the form of the relocation.
func operandText(o *object.Object, r *object.Ref) string {
	return RefText(o, r) + operandForms[elf.R_X86_64(r.Type)]
}

// RefText names what a reference means, for a person: a symbol and an offset,
// a quoted string, the bytes of a small constant.
func RefText(o *object.Object, r *object.Ref) string {
	if r.Target == object.NoAtom {
		name := o.Symbol(r.Sym).Name
		if s := o.Symbol(r.Sym); name == "" && s.Type() == elf.STT_SECTION {
			name = o.SectionName(s.Section)
		}
		return PlaceText(Clip(name), r.TargetOff)
	}
	t := &o.Atoms[r.Target]
	if s, ok := literalText(t, r.TargetOff); ok {
		return s
	}
	if s := o.Symbol(r.Sym); !r.Implicit && s.IsWeak() && s.Name != t.Name && s.Value == t.Offset {
		return PlaceText(Clip(s.Name), r.TargetOff) // which another definition may have
	}
	return Describe(o, r.Target, r.TargetOff)
}

// Clip bounds the length of a name that may stand in every line of a listing.
func Clip(s string) string {
	if len(s) <= maxNameShown {
		return s
	}
	const tail = 32 // where a number is, of what a compiler made
	return strings.ToValidUTF8(s[:maxNameShown-tail], "") + "…" + strings.ToValidUTF8(s[len(s)-tail:], "")
}

// literalText shows an anonymous constant by its content: strings also where
// they do not stand in a string section, as without optimisation.
func literalText(t *object.Atom, off int64) (string, bool) {
	if !t.IsLiteral() || !t.Anonymous() || len(t.Refs) > 0 {
		return "", false
	}
	b, ok := object.Tail(t, off)
	if !ok || len(b) == 0 {
		return "", false
	}
	if t.Kind == object.Merge {
		return fmt.Sprintf("{% x}", b), len(b) <= 2*MaxShown
	}
	if s, ok := Printable(b); ok || t.Kind == object.String {
		return Quote(s), true
	}
	return "", false
}

// IsText reports whether an anonymous constant reads as a string.
func IsText(a *object.Atom) bool {
	if !a.Anonymous() || len(a.Refs) > 0 || a.Kind == object.Merge {
		return false
	}
	_, ok := Printable(a.Bytes)
	return ok
}

const (
	MaxShown  = 16 // bytes of a constant
	MaxQuoted = 60 // bytes of a string
	// MaxRefsShown bounds the references of one instruction that are shown; no
	// compiler makes more than two.
	MaxRefsShown = 8
	// maxNameShown bounds the name of a symbol in an instruction, in bytes.
	maxNameShown = 256
)

// Printable returns the string at the start of b, without its terminator, and
// reports whether it reads as text.
func Printable(b []byte) ([]byte, bool) {
	s, _, terminated := bytes.Cut(b, []byte{0})
	shown := s[:min(len(s), MaxQuoted)]
	if len(s) > 2 && s[0] == 1 { // the mark of a log level in the Linux kernel
		shown = shown[1:]
	}
	if !terminated || len(shown) == 0 || !utf8.Valid(s) {
		return s, false
	}
	for _, r := range string(shown) {
		if r != utf8.RuneError && !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return s, false
		}
	}
	return s, true
}

// Quote shows a string in quotes, cut at [MaxQuoted] bytes.
func Quote(s []byte) string {
	if len(s) > MaxQuoted {
		return fmt.Sprintf("%q...", s[:MaxQuoted])
	}
	return fmt.Sprintf("%q", s)
}

// Describe names a place for a person: foo+0x12, or .rodata+0x40 where there
// is no name.
func Describe(o *object.Object, id object.AtomID, off int64) string {
	if id == object.NoAtom {
		return fmt.Sprintf("?+%#x", off)
	}
	a := &o.Atoms[id]
	name := a.Name
	if name == "" {
		name, off = o.SectionName(a.Section), off+int64(a.Offset)
	}
	return PlaceText(Clip(name), off)
}

// PlaceText names a place by an offset from a name: foo+0x12.
func PlaceText(name string, off int64) string {
	switch {
	case off > 0:
		return fmt.Sprintf("%s+%#x", name, off)
	case off < 0:
		return fmt.Sprintf("%s-%#x", name, -off)
	}
	return name
}

// sourceNames are the ends of the names of source files.
var sourceNames = map[string]bool{
	".c": true, ".h": true, ".cc": true, ".cpp": true, ".cxx": true, ".C": true, ".hh": true, ".hpp": true, ".hxx": true,
	".inl": true, ".inc": true, ".ipp": true, ".tcc": true, ".m": true, ".mm": true, ".S": true, ".s": true, ".rs": true, ".y": true, ".l": true,
}

// IsSourceName reports whether a text is the name of a source file, as __FILE__ is.
func IsSourceName(s []byte) bool {
	return len(s) < 4096 && sourceNames[path.Ext(string(s))] && !bytes.ContainsAny(s, " \t\n%")
}
