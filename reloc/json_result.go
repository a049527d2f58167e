package reloc

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// MarshalJSON writes the result, see [ResultSchema]: what runpre -json prints of an object,
// and all that the methods of a Result tell.
func (r *Result) MarshalJSON() ([]byte, error) {
	j := resultJSON{Schema: ResultSchema, Functions: r.Functions, Symbols: r.Symbols, TLSBlock: address(r.TLSBlock), Located: []locatedJSON{}}
	if j.Functions == nil {
		j.Functions = []FuncResult{}
	}
	if j.Symbols == nil {
		j.Symbols = []Value{}
	}
	for id, ok := range r.located {
		if ok {
			j.Located = append(j.Located, locatedJSON{object.AtomID(id), address(r.atoms[id])})
		}
	}
	if r.read != nil {
		for _, id := range slices.Sorted(maps.Keys(r.read.atoms)) {
			j.Located = append(j.Located, locatedJSON{id, address(r.read.atoms[id])})
		}
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes. Errors in a [MismatchError] come back as
// their text.
func (r *Result) UnmarshalJSON(b []byte) error {
	var j resultJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	if j.Schema != ResultSchema {
		return fmt.Errorf("a result of schema %d, where this package knows %d", j.Schema, ResultSchema)
	}
	*r = Result{Functions: j.Functions, Symbols: j.Symbols, TLSBlock: uint64(j.TLSBlock)}
	r.read = readTables(&j)
	return nil
}

// tables are what the methods of a result that was read look things up in. They are maps,
// since indices in JSON may be any.
type tables struct {
	atoms   map[object.AtomID]uint64
	funcs   map[object.AtomID]int32
	symbols map[elfobj.SymbolIndex]int32
}

func readTables(j *resultJSON) *tables {
	t := &tables{map[object.AtomID]uint64{}, map[object.AtomID]int32{}, map[elfobj.SymbolIndex]int32{}}
	for _, l := range j.Located {
		t.atoms[l.Atom] = uint64(l.Address)
	}
	for i := range j.Functions {
		t.funcs[j.Functions[i].Atom] = int32(i)
	}
	for i := range j.Symbols {
		if s := j.Symbols[i].Symbol; s != 0 {
			t.symbols[s] = int32(i)
		}
	}
	return t
}

// MarshalJSON writes the value as an element of that of [Result.MarshalJSON].
func (v Value) MarshalJSON() ([]byte, error) {
	value, kind := v.Primary()
	return json.Marshal(&valueJSON{
		Name: v.Name, Value: address(value), Kind: kind, Symbol: v.Symbol, Atom: v.Atom, Has: v.Has, Address: address(v.Address),
		PLT: address(v.PLT), GOT: address(v.GOT), TPOff: v.TPOff, TLS: address(v.TLS), TLSSlot: address(v.TLSSlot), From: v.From,
	})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (v *Value) UnmarshalJSON(b []byte) error {
	var j valueJSON
	err := json.Unmarshal(b, &j)
	*v = Value{
		Name: j.Name, Symbol: j.Symbol, Atom: j.Atom, Has: j.Has, Address: uint64(j.Address),
		PLT: uint64(j.PLT), GOT: uint64(j.GOT), TPOff: j.TPOff, TLS: uint64(j.TLS), TLSSlot: uint64(j.TLSSlot), From: j.From,
	}
	return err
}

// Primary returns the value that says most about a symbol, and which of the uses it is of.
func (v *Value) Primary() (uint64, Use) {
	for _, p := range []struct {
		use   Use
		value uint64
	}{{UseTLS, v.TLS}, {UseTPOff, uint64(v.TPOff)}, {UseAddress, v.Address}, {UsePLT, v.PLT}, {UseGOT, v.GOT}} {
		if v.Has&p.use != 0 {
			return p.value, p.use
		}
	}
	return v.TLSSlot, UseTLSSlot
}
