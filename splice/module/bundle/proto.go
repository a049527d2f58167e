package bundle

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// protos are the prototypes of functions that a kernel has, by name: where it has one of a name. What is
// passed by value is left out, unless it is a number: its layout is not in the text.
func protos(specs []*btf.Spec, names []string) map[string]string {
	out := map[string]string{}
	for _, name := range names {
		text, ok := "", true
		for _, spec := range specs {
			list, _ := spec.AnyTypesByName(name)
			for _, t := range list {
				f, is := t.(*btf.Func)
				if !is {
					continue
				}
				p := protoText(f)
				ok = ok && p != "" && (text == "" || text == p)
				text = p
			}
		}
		if ok && text != "" {
			out[name] = text
		}
	}
	return out
}

// protoText shows a prototype, "" for one that passes a structure.
func protoText(f *btf.Func) string {
	p, ok := f.Type.(*btf.FuncProto)
	if !ok {
		return ""
	}
	list := []string{typeText(p.Return, 0)}
	for i := range p.Params {
		list = append(list, typeText(p.Params[i].Type, 0))
	}
	for _, s := range list {
		if s == "" {
			return ""
		}
	}
	return list[0] + "(" + strings.Join(list[1:], ", ") + ")"
}

// typeText shows a type behind its qualifiers; what a pointer leads to by its name.
func typeText(t btf.Type, pointers int) string {
	for range maxDepth {
		switch x := plain(t).(type) {
		case *btf.Pointer:
			pointers++
			t = x.Target
			continue
		case *btf.Typedef:
			inner := typeText(x.Type, pointers)
			if inner == "" {
				return ""
			}
			return x.Name + ":" + inner
		case *btf.Void:
			return "void" + strings.Repeat("*", pointers)
		case *btf.Int:
			return x.Name + strings.Repeat("*", pointers)
		case *btf.Enum:
			return fmt.Sprintf("enum %s/%d%s", x.Name, x.Size, strings.Repeat("*", pointers))
		case *btf.Struct, *btf.Union, *btf.Fwd:
			if pointers == 0 || x.TypeName() == "" {
				return ""
			}
			return "struct " + x.TypeName() + strings.Repeat("*", pointers) // a declaration does not say which
		case *btf.FuncProto:
			if pointers == 0 {
				return ""
			}
			return "function" + strings.Repeat("*", pointers)
		}
		return ""
	}
	return ""
}
