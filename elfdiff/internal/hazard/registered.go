package hazard

import (
	"strings"

	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// LedTo lists the functions and objects that one leads to, directly or not, by nothing but what a condition holds for.
func LedTo(o *object.Object, from object.AtomID, through func(object.AtomID) bool) (list []object.AtomID) {
	met := map[object.AtomID]bool{from: true}
	for work := []object.AtomID{from}; len(work) > 0; {
		a := &o.Atoms[work[len(work)-1]]
		work = work[:len(work)-1]
		for i := range a.Refs {
			id := a.Refs[i].Target
			if id == object.NoAtom || met[id] || !through(id) {
				continue
			}
			met[id] = true
			list, work = append(list, id), append(work, id)
		}
	}
	return list
}

// sysctlTable is what tells the kernel of numbers that a person may set, which have a value that is good without (include/linux/sysctl.h).
const sysctlTable = "struct ctl_table"

// MaySet reports whether a function may set a variable, by its name: it does more than to read it; or whether an object
// leads to it, so that who has the object may.
func MaySet(o *object.Object, a *object.Atom, variable object.AtomID) bool {
	if a.Kind != object.Func {
		return !isOfType(o, a, sysctlTable)
	}
	k := insn.Cursor{Object: o, Atom: a}
	for {
		ok, err := k.Load()
		if err != nil {
			return true // of what does not decode, nothing is known
		}
		if !ok {
			return false
		}
		for i := range k.Refs {
			if r := &k.Refs[i]; r.Target == variable && !reads(&k, r) {
				return true
			}
		}
		k.Advance()
	}
}

// Stores reports whether a function has an instruction that writes to a variable, by its name.
func Stores(o *object.Object, a *object.Atom, variable object.AtomID) bool {
	k := insn.Cursor{Object: o, Atom: a}
	for a.Kind == object.Func {
		if ok, err := k.Load(); !ok || err != nil {
			return false
		}
		for i := range k.Refs {
			if r := &k.Refs[i]; r.Target == variable && inMemory(&k, r) && k.Inst.StoresTo(k.Bytes()) {
				return true
			}
		}
		k.Advance()
	}
	return false
}

// reads reports whether an instruction does nothing but read what a reference of it names.
func reads(k *insn.Cursor, r *object.Ref) bool { return inMemory(k, r) && !k.Inst.StoresTo(k.Bytes()) }

// inMemory reports whether a reference is of the operand in memory of an instruction.
func inMemory(k *insn.Cursor, r *object.Ref) bool {
	const lea = 0x8d
	isLea := k.Inst.Opcode.Map() == amd64.MapOne && k.Inst.Opcode.Byte() == lea
	return k.Inst.DispLen > 0 && r.Offset == k.Off+uint64(k.Inst.DispOff) && !isLea
}

// isOfType reports whether the type of a variable begins with a text, by debug information.
func isOfType(o *object.Object, a *object.Atom, text string) bool {
	s, typ := dtypes.OfVariable(o, a)
	return typ != 0 && strings.HasPrefix(strings.TrimPrefix(s.Text(typ), "const "), text)
}
