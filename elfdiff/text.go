package elfdiff

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

// textAt shows the instruction at an offset of the cursor's function, or its
// bytes where none decodes.
func (k *cursor) textAt(off uint64) string {
	at := cursor{o: k.o, a: k.a, off: off}
	if _, err := at.load(); err != nil {
		return amd64.Disasm(k.a.Bytes[off:min(off+1, uint64(len(k.a.Bytes)))], off, nil)
	}
	return at.text()
}

// text shows the instruction at the cursor with its references by name:
//
//	mov    counter+0x4(%rip),%eax
//	call   printf
//	jne    +0x30
func (k *cursor) text() string {
	if k.in.Len == 0 {
		return "end of function"
	}
	b := append([]byte(nil), k.bytes()...)
	var names, rest []string
	for i := range k.refs[:min(len(k.refs), maxRefsShown)] {
		if k.stamp(b, &k.refs[i], len(names)) {
			names = append(names, operandText(k.o, &k.refs[i]))
		} else {
			rest = append(rest, " <"+operandText(k.o, &k.refs[i])+">")
		}
	}
	if n := len(k.refs) - maxRefsShown; n > 0 {
		rest = append(rest, fmt.Sprintf(" <and %d more references>", n))
	}
	s := amd64.Disasm(b, k.off, nil)
	for i, name := range names {
		s = unstamp(s, k.off+uint64(k.in.Len), i, name)
	}
	if to, ok := k.in.Target(k.bytes(), k.off); ok && len(k.refs) == 0 {
		s = strings.Replace(s, fmt.Sprintf("%#x", to), fmt.Sprintf("+%#x", to), 1)
	}
	if to, ok := k.in.Operand(k.bytes(), k.off); ok && len(k.refs) == 0 {
		s = cutComment(s) + fmt.Sprintf("        # +%#x", to)
	}
	return strings.ReplaceAll(s, "\t", " ") + strings.Join(rest, "")
}

// stampBase and what follows it are the numbers that stand in for references
// while an instruction is printed: no compiler makes them up.
const stampBase = 0x5ba1e0d0

// stamp writes the i-th stamp into the field of a reference, and reports
// whether the field is an operand of four or eight bytes that will show.
func (k *cursor) stamp(b []byte, r *object.Ref, i int) bool {
	off, n := r.Offset-k.off, amd64.FieldSize(r.Type)
	field := uint8(off)
	if i > 8 || n < 4 || off+uint64(n) > uint64(len(b)) {
		return false
	}
	operands := [...][2]uint8{{k.in.PCRelOff, k.in.PCRelLen}, {k.in.ImmOff, k.in.ImmLen}, {k.in.DispOff, k.in.DispLen}}
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

// operandText is refText with the form of the relocation.
func operandText(o *object.Object, r *object.Ref) string {
	return refText(o, r) + operandForms[elf.R_X86_64(r.Type)]
}

// refText names what a reference means, for a person: a symbol and an offset,
// a quoted string, the bytes of a small constant.
func refText(o *object.Object, r *object.Ref) string {
	if r.Target == object.NoAtom {
		name := o.Symbol(r.Sym).Name
		if s := o.Symbol(r.Sym); name == "" && s.Type() == elf.STT_SECTION {
			name = o.SectionName(s.Section)
		}
		return place(clip(name), r.TargetOff)
	}
	t := &o.Atoms[r.Target]
	if s, ok := literalText(t, r.TargetOff); ok {
		return s
	}
	return describe(o, r.Target, r.TargetOff)
}

// clip bounds the length of a name that may stand in every line of a listing.
func clip(s string) string {
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
		return fmt.Sprintf("{% x}", b), len(b) <= 2*maxShown
	}
	if s, ok := printable(b); ok || t.Kind == object.String {
		return quote(s), true
	}
	return "", false
}

// isText reports whether an anonymous constant reads as a string.
func isText(a *object.Atom) bool {
	if !a.Anonymous() || len(a.Refs) > 0 || a.Kind == object.Merge {
		return false
	}
	_, ok := printable(a.Bytes)
	return ok
}

const (
	maxShown  = 16 // bytes of a constant
	maxQuoted = 60 // bytes of a string
	// maxRefsShown bounds the references of one instruction that are shown; no
	// compiler makes more than two.
	maxRefsShown = 8
	// maxNameShown bounds the name of a symbol in an instruction, in bytes.
	maxNameShown = 256
)

// printable returns the string at the start of b, without its terminator, and
// reports whether it reads as text.
func printable(b []byte) ([]byte, bool) {
	s, _, terminated := bytes.Cut(b, []byte{0})
	shown := s[:min(len(s), maxQuoted)]
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

func quote(s []byte) string {
	if len(s) > maxQuoted {
		return fmt.Sprintf("%q...", s[:maxQuoted])
	}
	return fmt.Sprintf("%q", s)
}

// describe names a place for a person: foo+0x12, or .rodata+0x40 where there
// is no name.
func describe(o *object.Object, id object.AtomID, off int64) string {
	if id == object.NoAtom {
		return fmt.Sprintf("?+%#x", off)
	}
	a := &o.Atoms[id]
	name := a.Name
	if name == "" {
		name, off = o.SectionName(a.Section), off+int64(a.Offset)
	}
	return place(clip(name), off)
}

func place(name string, off int64) string {
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

// isSourceName reports whether a text is the name of a source file, as __FILE__ is.
func isSourceName(s []byte) bool {
	return len(s) < 4096 && sourceNames[path.Ext(string(s))] && !bytes.ContainsAny(s, " \t\n%")
}
