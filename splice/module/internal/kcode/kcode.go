package kcode

import (
	"debug/elf"
	"embed"
	"fmt"
	"path"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

//go:generate sh src/build.sh obj

//go:embed obj/*.o
var objects embed.FS

// Object returns the object of a source file, by its name without the suffix.
func Object(name string) (*elfobj.Spec, error) {
	b, err := objects.ReadFile(path.Join("obj", name+".o"))
	if err != nil {
		return nil, err
	}
	f, err := elfobj.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f.Spec()
}

// Layout says where the members of the tables are that the code goes over, and what its
// constants are.
type Layout map[string]uint64

// ReadLayout reads what layout.c says.
func ReadLayout() (Layout, error) {
	spec, err := Object("layout")
	if err != nil {
		return nil, err
	}
	l := Layout{}
	for i := range spec.Symbols {
		if s := &spec.Symbols[i]; s.Section == elfobj.SecAbs && s.Type() != elf.STT_FILE {
			l[s.Name] = s.Value
		}
	}
	return l, nil
}

// Offset returns the offset of a member of a structure, in bytes.
func (l Layout) Offset(structure, member string) uint64 { return l.Number(structure + "." + member) }

// Size returns the size of a structure, in bytes.
func (l Layout) Size(structure string) uint64 { return l.Number("sizeof." + structure) }

// Number returns the value of a constant. One that layout.c does not have is a mistake
// in the program.
func (l Layout) Number(name string) uint64 {
	v, ok := l[name]
	if !ok {
		panic("layout.c says nothing of " + name)
	}
	return v
}
