package source

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/finding"
)

// narrow reports whether an object has code for 32 bits, as the vDSO and real mode have it:
// that is never part of the running kernel.
func narrow(path string) (bool, error) {
	f, err := elf.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return f.Class == elf.ELFCLASS32, nil
}

// compareNarrow compares an object for 32 bits, which can't be carried: it is the same, or refused.
func (c *compared) compareNarrow() error {
	same, err := sameLoaded(c.preFile, c.postFile)
	if err != nil || same {
		return err
	}
	u := c.unit()
	c.result.Outcome = elfdiff.OutcomeRefused
	c.refused = []*finding.Refusal{refuse(CodeSpecial, "", u.Object, "it is part of %s, has code for 32 bits, and changes", u.Special)}
	return nil
}

// sameLoaded compares what is loaded of two objects, byte by byte: what differs in debug
// information only is the same. It is for what elfdiff does not read.
func sameLoaded(pre, post string) (bool, error) {
	var sides [2][]byte
	for i, path := range []string{pre, post} {
		f, err := elf.Open(path)
		if err != nil {
			return false, err
		}
		sides[i], err = loaded(f)
		f.Close()
		if err != nil {
			return false, fmt.Errorf("%s: %w", path, err)
		}
	}
	return bytes.Equal(sides[0], sides[1]), nil
}

// loaded is all that matters of an object when it is loaded: its sections, the relocations of
// these, and the symbols.
func loaded(f *elf.File) ([]byte, error) {
	var out bytes.Buffer
	for i, s := range f.Sections {
		of := int(s.Info)
		moves := (s.Type == elf.SHT_REL || s.Type == elf.SHT_RELA) && of < len(f.Sections) && f.Sections[of].Flags&elf.SHF_ALLOC != 0
		if !moves && s.Flags&elf.SHF_ALLOC == 0 {
			continue
		}
		fmt.Fprintf(&out, "%d %s %v %v %d %d\n", i, s.Name, s.Type, s.Flags, s.Size, s.Addralign)
		if s.Type == elf.SHT_NOBITS {
			continue
		}
		b, err := s.Data()
		if err != nil {
			return nil, err
		}
		out.Write(b)
	}
	symbols, err := f.Symbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return nil, err
	}
	for _, s := range symbols {
		fmt.Fprintf(&out, "%+v\n", s)
	}
	return out.Bytes(), nil
}
