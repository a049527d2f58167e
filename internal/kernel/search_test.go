package kernel

import (
	"bytes"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// TestIsSearch: kernels before 5.13 have the structure too, and a function that takes a name.
func TestIsSearch(t *testing.T) {
	arg := &btf.Struct{Name: searchArg, Size: 8, Members: []btf.Member{{Name: "name", Type: &btf.Int{Name: "long", Size: 8}}}}
	truth, word := &btf.Int{Name: "bool", Size: 1, Encoding: btf.Bool}, &btf.Int{Name: "long", Size: 8}
	pointer := func(to btf.Type) btf.Type { return &btf.Pointer{Target: to} }
	for _, tt := range []struct {
		name   string
		ret    btf.Type
		params []btf.Type
		want   bool
	}{
		{"6.1", truth, []btf.Type{pointer(arg)}, true},
		{"5.10", pointer(word), []btf.Type{pointer(word), pointer(word), pointer(word), pointer(word), truth, truth}, false},
		{"two arguments", truth, []btf.Type{pointer(arg), truth}, false},
		{"another argument", truth, []btf.Type{pointer(word)}, false},
		{"a word", word, []btf.Type{pointer(arg)}, false},
	} {
		proto := &btf.FuncProto{Return: tt.ret}
		for _, p := range tt.params {
			proto.Params = append(proto.Params, btf.FuncParam{Name: "x", Type: p})
		}
		b, err := btf.NewBuilder([]btf.Type{arg, &btf.Func{Name: "find_symbol", Type: proto, Linkage: btf.GlobalFunc}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := b.Marshal(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if got := isSearch(spec); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
