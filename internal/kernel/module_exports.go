package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// ModuleExports returns what the file of a module exports, with the CRCs that others know it by, as
// a Module.symvers would have it. What has no CRC is left out.
func ModuleExports(text []byte) ([]Export, error) {
	f, err := elfobj.Parse(text)
	if err != nil {
		return nil, err
	}
	info, err := modinfoOf(f)
	if err != nil {
		return nil, err
	}
	syms, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	byName := make(map[string]*elfobj.Symbol, len(syms))
	for i := range syms {
		byName[syms[i].Name] = &syms[i]
	}
	var out []Export
	for i := range syms {
		name, ok := strings.CutPrefix(syms[i].Name, kerneltab.CRCSymbol)
		entry := byName[kerneltab.KSymTab+"_"+name]
		if !ok || entry == nil || !entry.IsDefined() {
			continue
		}
		e := Export{Name: name, Module: info["name"], HasCRC: true}
		if e.CRC, err = crcOf(f, &syms[i]); err != nil {
			return nil, fmt.Errorf("export %s: %w", name, err)
		}
		if s := sectionOf(f, entry); s != nil {
			e.GPL = s.Name == kerneltab.KSymTab+kerneltab.GPL
		}
		if at := byName[kerneltab.NamespaceText+name]; at != nil {
			if b, err := bytesAt(f, at); err == nil {
				text, _, _ := bytes.Cut(b, []byte{0})
				e.Namespace = string(text)
			}
		}
		out = append(out, e)
	}
	return out, nil
}

// crcOf returns a CRC: the symbol's value, or what is there.
func crcOf(f *elfobj.File, s *elfobj.Symbol) (uint32, error) {
	if s.Section == elfobj.SecAbs {
		return uint32(s.Value), nil
	}
	b, err := bytesAt(f, s)
	if err != nil || len(b) < 4 {
		return 0, errors.Join(errors.New("no CRC is there"), err)
	}
	return binary.LittleEndian.Uint32(b), nil
}

// sectionOf is the section that a symbol is in, nil for none.
func sectionOf(f *elfobj.File, s *elfobj.Symbol) *elfobj.Section {
	if int(s.Section) >= len(f.Sections) {
		return nil
	}
	return f.Sections[s.Section]
}

// bytesAt returns what a section has from a symbol on.
func bytesAt(f *elfobj.File, s *elfobj.Symbol) ([]byte, error) {
	sec := sectionOf(f, s)
	if sec == nil {
		return nil, errors.New("it is in no section")
	}
	b, err := sec.Data()
	if err != nil || s.Value > uint64(len(b)) {
		return nil, errors.Join(errors.New("it is behind its section"), err)
	}
	return b[s.Value:], nil
}

// line is the one that a Module.symvers has for an export.
func (e *Export) line() string {
	kind := "EXPORT_SYMBOL"
	if e.GPL {
		kind += "_GPL"
	}
	module := e.Module
	if module == "" {
		module = "vmlinux"
	}
	return fmt.Sprintf("%#08x\t%s\t%s\t%s\t%s\n", e.CRC, e.Name, module, kind, e.Namespace)
}

// Symvers is a Module.symvers of some exports.
func Symvers(list []Export) string {
	var b strings.Builder
	for i := range list {
		b.WriteString(list[i].line())
	}
	return b.String()
}
