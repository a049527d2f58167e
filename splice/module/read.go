package module

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/signature"
)

// Schema is the version of the JSON of a [Module]. Keys may be added to a version.
const Schema = 1

// maxModule bounds the file of a module, in bytes. The kernel's own bound is INT_MAX.
const maxModule = 256 << 20

// kernelNote is the section that names the kernel which a module is for.
const kernelNote = kerneltab.UpdateNote

// Read reads a module that [Module.WriteTo] wrote: its name, its ID, which kernel it is for,
// its Origin, and whether it is signed. What else was found when it was built is not in the file. The error
// wraps [ErrNotModule] when it is no module of this package.
func Read(r io.Reader) (*Module, error) {
	if r == nil {
		return nil, errors.New("read module: nothing is given")
	}
	b, err := io.ReadAll(io.LimitReader(r, maxModule+1))
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	if len(b) > maxModule {
		return nil, fmt.Errorf("read module: %w: more than %d bytes", ErrNotModule, maxModule)
	}
	m, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	return m, nil
}

func parse(b []byte) (*Module, error) {
	f, err := elfobj.Parse(b)
	if err != nil {
		return nil, err
	}
	info, err := content(f, kerneltab.Modinfo)
	if err != nil {
		return nil, err
	}
	m := &Module{
		Schema: Schema, Functions: []Function{}, Data: []Data{}, Initials: []Initial{}, References: []Reference{}, Findings: []elfdiff.Finding{}, Accepted: []elfdiff.Finding{}, Pins: []Pin{},
		Origin: newOrigin(), Signed: signature.IsSigned(b), Plain: true, image: b,
	}
	for line := range bytes.SplitSeq(info, []byte{0}) {
		key, value, _ := strings.Cut(string(line), "=")
		switch key {
		case "name":
			m.Name = value
		case "livepatch":
			m.Plain = false
		}
		m.Origin.read(key, value)
	}
	if !isName(m.Name) {
		return nil, fmt.Errorf("%w of this package: its name is %.80q", ErrNotModule, m.Name)
	}
	if m.ID, err = noteOf(f, kerneltab.BuildIDNote, buildIDNote); err != nil {
		return nil, err
	}
	m.Kernel, err = noteOf(f, kernelNote, kernelNoteAt)
	return m, err
}

// content returns the bytes of the one section of a name.
func content(f *elfobj.File, name string) ([]byte, error) {
	for s := range f.SectionsNamed(name) {
		return s.Data()
	}
	return nil, fmt.Errorf("%w of this package: it has no %s", ErrNotModule, name)
}

// noteOf returns what a note says, in hexadecimal. It begins at an offset in the section.
func noteOf(f *elfobj.File, name string, at int) (string, error) {
	b, err := content(f, name)
	if err != nil {
		return "", err
	}
	if len(b) < at || uint64(binary.LittleEndian.Uint32(b[4:])) > uint64(len(b)-at) {
		return "", fmt.Errorf("%w of this package: %s has %d bytes", ErrNotModule, name, len(b))
	}
	return fmt.Sprintf("%x", b[at:][:binary.LittleEndian.Uint32(b[4:])]), nil
}
