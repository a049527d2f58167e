package lint

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/signature"
)

// Sealed compares a module of package module with the digest that it carries: its build-id is that
// of the whole file, without the build-id itself and without a signature behind it. It takes a few
// milliseconds. A module of others carries none, and passes.
//
// The error is a refusal of [CodeDamaged] where one bit differs. It does not say who changed it:
// who means harm makes the digest anew, and only a signature stands against that.
func Sealed(file []byte) error {
	if _, err := checkSeal(file); err != nil {
		r := finding.Refuse(CodeDamaged, "", "", 0, "%v", err)
		r.Hint = hints[CodeDamaged]
		return r
	}
	return nil
}

// marks are in modules of package module: one of them is enough, since damage may have hit another.
var marks = [][]byte{[]byte(kerneltab.UpdateNote), []byte(kerneltab.UpdateSides), []byte("\x00gosplice\x00")}

// checkSeal reports whether package module has made a file, and what is wrong with that then.
func checkSeal(file []byte) (ours bool, err error) {
	if len(file) > maxFile {
		return false, nil
	}
	for _, m := range marks {
		ours = ours || bytes.Contains(file, m)
	}
	if !ours {
		return false, nil
	}
	content, _, err := signature.Cut(file)
	if err != nil {
		return true, err
	}
	at, err := identity(content)
	if err != nil {
		return true, fmt.Errorf("gosplice made it, and it is damaged: %w", err)
	}
	h := sha256.New()
	h.Write(content[:at])
	h.Write(make([]byte, idSize))
	h.Write(content[at+idSize:])
	if !bytes.Equal(h.Sum(nil)[:idSize], content[at:at+idSize]) {
		return true, errors.New("its digest is not that of what is in it: the file is damaged, or was changed after gosplice wrote it")
	}
	return true, nil
}

// A build-id note of package module: three words, "GNU", and the digest.
const (
	idOffset = 16
	idSize   = 20
)

// identity returns where the build-id is in a file.
func identity(content []byte) (uint64, error) {
	obj, err := elfobj.Parse(content)
	if err != nil {
		return 0, err
	}
	for s := range obj.SectionsNamed(kerneltab.BuildIDNote) {
		b, err := s.Data()
		if err != nil {
			return 0, err
		}
		if s.Type != elf.SHT_NOTE || len(b) != idOffset+idSize || binary.LittleEndian.Uint32(b[4:]) != idSize {
			return 0, errors.New("its build-id is no note")
		}
		return s.Offset + idOffset, nil
	}
	return 0, errors.New("it has no build-id")
}
