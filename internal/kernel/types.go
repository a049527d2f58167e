package kernel

import (
	"bytes"

	"github.com/cilium/ebpf/btf"
)

// Types finds the numbers of types in an image's BTF.
type Types struct{ spec *btf.Spec }

// Types reads the image's .BTF.
func (k *Image) Types() (*Types, error) {
	for s := range k.File.SectionsNamed(".BTF") {
		b, err := s.Data()
		if err != nil {
			return nil, err
		}
		spec, err := btf.LoadSpecFromReader(bytes.NewReader(b))
		if err != nil {
			return nil, &Error{Image: k.Path, What: ".BTF", Msg: "types", Err: err}
		}
		return &Types{spec}, nil
	}
	return nil, k.fail(".BTF", "no such section: the kernel was built without CONFIG_DEBUG_INFO_BTF")
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
