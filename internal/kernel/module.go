package kernel

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/decompress"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A Module is the file of a kernel module, and where the loader puts its parts.
// It is immutable and safe for concurrent use.
type Module struct {
	Path    string
	Name    string // by which the kernel knows it
	File    *elfobj.File
	Magic   string // vermagic
	BuildID []byte // nil when it has none
	// Parts are the pieces of memory that the loader allocates. Distances
	// within one are constants of the file.
	Parts []Part

	id     place // of the build-id's bytes
	places []place
	syms   []elfobj.Symbol
	byName map[string][]elfobj.SymbolIndex // defined ones
	at     map[place]elfobj.SymbolIndex    // functions
}

// maxModule bounds what a compressed module may unpack to.
const maxModule = 512 << 20

// OpenModule opens a module, compressed or not, for kernels with the structures
// of l.
func OpenModule(path string, l Layout) (*Module, error) {
	b, err := ReadModule(path)
	if err != nil {
		return nil, err
	}
	return parseModule(path, b, l)
}

// ReadModule reads the file of a module, compressed or not.
func ReadModule(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if format, packed := decompress.Detect(b); packed {
		if b, err = format.Bytes(b, 0, decompress.Most(uint64(len(b)), maxModule)); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return b, nil
}

func parseModule(path string, b []byte, l Layout) (*Module, error) {
	m := &Module{Path: path}
	var err error
	if m.File, err = elfobj.Parse(b); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := m.read(l); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Module) fail(what, format string, args ...any) *Error {
	return &Error{Image: m.Path, What: what, Msg: fmt.Sprintf(format, args...)}
}

func (m *Module) read(l Layout) error {
	if m.File.Type != elf.ET_REL {
		return m.fail("header", "%v is no module", m.File.Type)
	}
	if err := m.modinfo(); err != nil {
		return err
	}
	if err := m.lay(l); err != nil {
		return err
	}
	if err := m.buildID(); err != nil {
		return err
	}
	var err error
	if m.syms, err = m.File.Symbols(); err != nil {
		return fmt.Errorf("%s: %w", m.Path, err)
	}
	m.byName, m.at = map[string][]elfobj.SymbolIndex{}, map[place]elfobj.SymbolIndex{}
	for i := range m.syms {
		s := &m.syms[i]
		if i == 0 || !s.IsDefined() || s.Name == "" || s.Type() == elf.STT_FILE || s.Type() == elf.STT_SECTION {
			continue
		}
		m.byName[s.Name] = append(m.byName[s.Name], elfobj.SymbolIndex(i))
		p, ok := m.place(s)
		if !ok || s.Type() != elf.STT_FUNC {
			continue
		}
		if old, twice := m.at[p]; !twice || m.syms[old].Bind() == elf.STB_LOCAL && s.Bind() != elf.STB_LOCAL {
			m.at[p] = elfobj.SymbolIndex(i)
		}
	}
	return nil
}

// modinfo reads what .modinfo says.
func (m *Module) modinfo() error {
	info, err := modinfoOf(m.File)
	if err != nil {
		return fmt.Errorf("%s: %w", m.Path, err)
	}
	m.Name, m.Magic = info["name"], info["vermagic"]
	if m.Name == "" || m.Magic == "" {
		return m.fail(kerneltab.Modinfo, "no name or no vermagic: this is no module that was linked for loading")
	}
	return nil
}

// modinfoOf reads the pairs of .modinfo, the last of each name.
func modinfoOf(f *elfobj.File) (map[string]string, error) {
	out := map[string]string{}
	for s := range f.SectionsNamed(kerneltab.Modinfo) {
		b, err := s.Data()
		if err != nil {
			return nil, err
		}
		for pair := range bytes.SplitSeq(b, []byte{0}) {
			key, value, _ := strings.Cut(string(pair), "=")
			out[key] = value
		}
	}
	return out, nil
}

// buildID finds the note NT_GNU_BUILD_ID (gABI chapter 5, "Note Section").
func (m *Module) buildID() error {
	const head = 16 // three words, and "GNU"
	for s := range m.File.SectionsNamed(kerneltab.BuildIDNote) {
		b, err := s.Data()
		if err != nil {
			return fmt.Errorf("%s: %w", m.Path, err)
		}
		p := m.places[s.Index]
		if len(b) <= head || string(b[12:16]) != "GNU\x00" || !p.kept {
			continue
		}
		n := min(uint64(binary.LittleEndian.Uint32(b[4:])), uint64(len(b)-head))
		m.BuildID, m.id = b[head:head+n], place{p.part, p.off + head, true}
	}
	return nil
}

// BuildIDAt returns where the bytes of the build-id are.
func (m *Module) BuildIDAt() (part int, off uint64) { return m.id.part, m.id.off }

// Lookup returns the defined symbols of a name, in the order in which livepatch
// counts them.
func (m *Module) Lookup(name string) []elfobj.Symbol {
	var out []elfobj.Symbol
	for _, i := range m.byName[name] {
		out = append(out, m.syms[i])
	}
	return out
}

// Imports reports whether the module has an undefined symbol of that name.
func (m *Module) Imports(name string) bool {
	for i := range m.syms {
		if s := &m.syms[i]; s.Name == name && s.Section == elfobj.SecUndef {
			return true
		}
	}
	return false
}

// Function returns the symbol of the code at a place, a global one if there are
// several.
func (m *Module) Function(part int, off uint64) (elfobj.Symbol, bool) {
	i, ok := m.at[place{part, off, true}]
	return m.syms[i], ok
}

// ErrPosition says that livepatch can't tell a function from others of its name.
var ErrPosition = errors.New("its name means one function while the module is loaded, and another one later")

// Position is [Image.Position] for a module, where symbols are counted in the
// order of the symbol table (klp_find_object_symbol of kernel/livepatch/core.c).
// Once a module is loaded, the kernel forgets the symbols of what it frees, so
// that these must not make a difference.
func (m *Module) Position(name string, part int, off uint64) (uint64, error) {
	want := place{part, off, true}
	all, kept, pos, keptPos := 0, 0, uint64(0), uint64(0)
	for _, i := range m.byName[name] {
		p, ok := m.place(&m.syms[i])
		all++
		if ok && !m.Parts[p.part].Init {
			kept++
		}
		if ok && p == want && pos == 0 {
			pos, keptPos = uint64(all), uint64(kept)
		}
	}
	switch {
	case pos == 0:
		return 0, m.fail(name, "no such symbol at %s+%#x", m.Parts[part].Name, off)
	case all == 1:
		return 0, nil
	case pos != keptPos || kept == 1:
		return 0, ErrPosition
	}
	return pos, nil
}
