package kernel

import (
	"bytes"

	"github.com/cilium/ebpf/btf"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// Types finds the numbers of types in an image's BTF.
type Types struct{ spec *btf.Spec }

// BTF returns the types of a kernel, or of a module, as its file has them; nil where there are none.
func BTF(f *elfobj.File) ([]byte, error) {
	for s := range f.SectionsNamed(kerneltab.BTF) {
		return s.Data()
	}
	return nil, nil
}

// Types reads the image's .BTF.
func (k *Image) Types() (*Types, error) {
	b, err := BTF(k.File)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, k.fail(kerneltab.BTF, "no such section: the kernel was built without CONFIG_DEBUG_INFO_BTF")
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(b))
	if err != nil {
		return nil, &Error{Image: k.Path, What: kerneltab.BTF, Msg: "types", Err: err}
	}
	return &Types{spec}, nil
}

// typeKinds are the kinds of types by the words that the kernel's source has for
// them (include/linux/btf_ids.h).
var typeKinds = map[string]func(btf.Type) bool{
	"struct":  func(t btf.Type) bool { _, ok := t.(*btf.Struct); return ok },
	"union":   func(t btf.Type) bool { _, ok := t.(*btf.Union); return ok },
	"typedef": func(t btf.Type) bool { _, ok := t.(*btf.Typedef); return ok },
	"func":    func(t btf.Type) bool { _, ok := t.(*btf.Func); return ok },
}

// ID returns the number of a type by its kind and name: the first, where several
// have it, as the kernel's build takes it (tools/bpf/resolve_btfids).
func (t *Types) ID(kind, name string) (uint32, bool) {
	is := typeKinds[kind]
	if is == nil {
		return 0, false
	}
	list, err := t.spec.AnyTypesByName(name)
	if err != nil {
		return 0, false
	}
	best, found := btf.TypeID(0), false
	for _, typ := range list {
		id, err := t.spec.TypeID(typ)
		if err == nil && is(typ) && (!found || id < best) {
			best, found = id, true
		}
	}
	return uint32(best), found
}

// StackWords returns how many eightbytes of arguments the functions of a name take
// on the stack (psABI section 3.2.3). ok is false when there is no function of that
// name, when several disagree, and when the number of arguments varies.
func (t *Types) StackWords(name string) (words int, ok bool) {
	list, err := t.spec.AnyTypesByName(name)
	if err != nil {
		return 0, false
	}
	for _, typ := range list {
		f, isFunc := typ.(*btf.Func)
		if !isFunc {
			continue
		}
		proto, isProto := f.Type.(*btf.FuncProto)
		if !isProto {
			return 0, false
		}
		n, fixed := stackWords(proto)
		if !fixed || ok && n != words {
			return 0, false
		}
		words, ok = n, true
	}
	return words, ok
}

// stackWords goes over the arguments: each that is no larger than two eightbytes
// goes into registers while there are enough of them. A structure that is returned
// in memory takes one for its address.
func stackWords(proto *btf.FuncProto) (int, bool) {
	const eightbyte = 8
	registers, words := 6, 0
	if size, err := btf.Sizeof(proto.Return); err == nil && size > 2*eightbyte {
		registers--
	}
	for _, p := range proto.Params {
		if _, void := p.Type.(*btf.Void); void { // the mark of variable arguments
			return 0, false
		}
		size, err := btf.Sizeof(p.Type)
		if err != nil {
			return 0, false
		}
		n := (size + eightbyte - 1) / eightbyte
		if size > 2*eightbyte || n > registers {
			words += n
			continue
		}
		registers -= n
	}
	return words, true
}

// Takers returns the functions that take a structure, union or enumeration of a name
// as an argument, or a pointer to it, or return it.
func (t *Types) Takers(name string) []string {
	var out []string
	for typ, err := range t.spec.All() {
		if err != nil {
			break
		}
		f, ok := typ.(*btf.Func)
		if !ok {
			continue
		}
		if proto, ok := f.Type.(*btf.FuncProto); ok && takes(proto, name) {
			out = append(out, f.Name)
		}
	}
	return out
}

func takes(proto *btf.FuncProto, name string) bool {
	if leadsTo(proto.Return, name) {
		return true
	}
	for _, p := range proto.Params {
		if leadsTo(p.Type, name) {
			return true
		}
	}
	return false
}

// leadsTo goes through pointers, qualifiers and typedefs.
func leadsTo(t btf.Type, name string) bool {
	for range maxDepth {
		if t != nil && t.TypeName() == name {
			return true
		}
		switch x := t.(type) {
		case *btf.Pointer:
			t = x.Target
		case *btf.Array:
			t = x.Type
		case *btf.Const:
			t = x.Type
		case *btf.Volatile:
			t = x.Type
		case *btf.Restrict:
			t = x.Type
		case *btf.Typedef:
			t = x.Type
		default:
			return false
		}
	}
	return false
}
