package bundle

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/dwarf"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

const typesSource = `
typedef unsigned int u32;
enum kind { ONE, TWO = 7 };
struct list { struct list *next; };
struct foo { int a; union { long b; char c[3][5]; }; u32 d : 3, e : 5; enum kind kind; struct list list; void (*call)(struct foo *, u32); struct bar *bar; };
struct bar { int x; int y; };
int f(struct foo *p) { struct list l = p->list; return l.next ? p->bar->y : p->a + TWO; }
`

// kernelTypes are those of typesSource as a kernel's BTF has them, in a form to be changed.
type kernelTypes struct {
	foo, bar, list *btf.Struct
	kind           *btf.Enum
}

func newKernelTypes() *kernelTypes {
	integer := func(name string, size uint32, enc btf.IntEncoding) *btf.Int {
		return &btf.Int{Name: name, Size: size, Encoding: enc}
	}
	i, long, char, unsigned := integer("int", 4, btf.Signed), integer("long int", 8, btf.Signed), integer("char", 1, btf.Signed), integer("unsigned int", 4, btf.Unsigned)
	u32 := &btf.Typedef{Name: "u32", Type: unsigned}
	k := &kernelTypes{foo: &btf.Struct{Name: "foo", Size: 64}, bar: &btf.Struct{Name: "bar", Size: 8}, list: &btf.Struct{Name: "list", Size: 8}}
	k.kind = &btf.Enum{Name: "kind", Size: 4, Values: []btf.EnumValue{{Name: "ONE"}, {Name: "TWO", Value: 7}}}
	k.list.Members = []btf.Member{{Name: "next", Type: &btf.Pointer{Target: k.list}}}
	k.bar.Members = []btf.Member{{Name: "x", Type: i}, {Name: "y", Type: i, Offset: 32}}
	inner := &btf.Union{Size: 16, Members: []btf.Member{{Name: "b", Type: long}, {Name: "c", Type: &btf.Array{Index: i, Type: &btf.Array{Index: i, Type: char, Nelems: 5}, Nelems: 3}}}}
	call := &btf.FuncProto{Return: &btf.Void{}, Params: []btf.FuncParam{{Type: &btf.Pointer{Target: k.foo}}, {Type: u32}}}
	k.foo.Members = []btf.Member{
		{Name: "a", Type: i}, {Type: inner, Offset: 64}, {Name: "d", Type: u32, Offset: 192, BitfieldSize: 3}, {Name: "e", Type: u32, Offset: 195, BitfieldSize: 5},
		{Name: "kind", Type: k.kind, Offset: 224}, {Name: "list", Type: k.list, Offset: 256}, {Name: "call", Type: &btf.Pointer{Target: call}, Offset: 320},
		{Name: "bar", Type: &btf.Pointer{Target: k.bar}, Offset: 384},
	}
	k.foo.Size = 56
	return k
}

func (k *kernelTypes) spec(t *testing.T) *btf.Spec {
	t.Helper()
	b, err := btf.NewBuilder([]btf.Type{k.foo, k.bar, k.list, k.kind}, nil)
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
	return spec
}

// TestTypes holds debug information that gcc has made against types of a kernel, in which one thing
// is another.
func TestTypes(t *testing.T) {
	testenv.Need(t, "gcc")
	dir := t.TempDir()
	source, out := filepath.Join(dir, "f.c"), filepath.Join(dir, "f.o")
	if err := os.WriteFile(source, []byte(typesSource), 0o644); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.CommandContext(t.Context(), "gcc", "-g", "-O2", "-c", "-o", out, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	o, err := object.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	words := &Words{Names: []string{"TWO", "list"}, Members: []string{"list", "next", "bar", "y", "a"}, Functions: []string{"f"}}
	whole := *words
	whole.Whole = []string{"p"}
	for _, c := range []struct {
		name    string
		change  func(k *kernelTypes)
		differs []string // in what the words name
		whole   []string // where foo counts as a whole
		two     bool     // the enumerator is the same
	}{
		{"nothing", func(*kernelTypes) {}, nil, nil, true},
		{"another member moved", func(k *kernelTypes) { k.foo.Members[4].Offset += 8 }, nil, []string{"struct foo"}, true},
		{"grown", func(k *kernelTypes) { k.foo.Size += 8 }, nil, []string{"struct foo"}, true},
		{"a member moved", func(k *kernelTypes) { k.foo.Members[5].Offset += 64 }, []string{"struct foo"}, []string{"struct foo"}, true},
		{"a member gone", func(k *kernelTypes) { k.bar.Members = k.bar.Members[:1] }, []string{"struct bar"}, []string{"struct bar"}, true},
		{"behind a pointer", func(k *kernelTypes) { k.bar.Members[1].Offset = 0 }, []string{"struct bar"}, []string{"struct bar"}, true},
		{"renamed", func(k *kernelTypes) { k.bar.Members[1].Name = "z" }, []string{"struct bar"}, []string{"struct bar"}, true},
		{"of another type", func(k *kernelTypes) { k.bar.Members[1].Type = &btf.Int{Name: "unsigned int", Size: 4} }, []string{"struct bar"}, []string{"struct bar"}, true},
		{"embedded", func(k *kernelTypes) { k.list.Size = 16 }, []string{"struct foo", "struct list"}, []string{"struct foo", "struct list"}, true},
		{"inside a union", func(k *kernelTypes) { k.foo.Members[1].Type.(*btf.Union).Members[0].Name = "z" }, nil, []string{"struct foo"}, true},
		{"a dimension", func(k *kernelTypes) {
			k.foo.Members[1].Type.(*btf.Union).Members[1].Type.(*btf.Array).Nelems = 4
		}, nil, []string{"struct foo"}, true},
		{"dimensions in one", func(k *kernelTypes) {
			a := k.foo.Members[1].Type.(*btf.Union).Members[1].Type.(*btf.Array)
			a.Nelems, a.Type = 15, a.Type.(*btf.Array).Type
		}, nil, nil, true},
		{"a bit", func(k *kernelTypes) { k.foo.Members[3].Offset-- }, nil, []string{"struct foo"}, true},
		{"a width", func(k *kernelTypes) { k.foo.Members[2].BitfieldSize = 2 }, nil, []string{"struct foo"}, true},
		{"a parameter", func(k *kernelTypes) {
			p := k.foo.Members[6].Type.(*btf.Pointer).Target.(*btf.FuncProto)
			p.Params = p.Params[:1]
		}, nil, []string{"struct foo"}, true},
		{"an enumerator", func(k *kernelTypes) { k.kind.Values[1].Value = 8 }, nil, []string{"struct foo"}, false},
		{"another enumerator", func(k *kernelTypes) { k.kind.Values[0].Value = 3 }, nil, []string{"struct foo"}, true},
		{"no such type", func(k *kernelTypes) { k.bar.Name = "baz" }, []string{"struct bar", "struct foo"}, []string{"struct bar", "struct foo"}, true},
	} {
		for _, w := range []struct {
			words *Words
			want  []string
		}{{words, c.differs}, {&whole, c.whole}} {
			k := newKernelTypes()
			c.change(k)
			x, err := newComparer(dwarf.New(o.File), dwarf.New(o.File), []*btf.Spec{k.spec(t)})
			if err != nil {
				t.Fatal(err)
			}
			x.start(w.words)
			if got := x.differing(); !slices.Equal(got, w.want) {
				t.Errorf("%s, whole %v: %v %v, want %v", c.name, w.words.Whole, got, x.differs, w.want)
			}
			if two := x.enumerators()["TWO"]; two != c.two {
				t.Errorf("%s: TWO is the same: %v", c.name, two)
			}
		}
	}
}
