package module

import (
	"debug/elf"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kernel"
)

// FuzzOptions has options either refused or fit for a module.
func FuzzOptions(f *testing.F) {
	f.Add("fix", "GPL", "a fix")
	f.Add("a-b", "Proprietary", "x\x00y=z")
	f.Fuzz(func(t *testing.T, name, license, text string) {
		opt := Options{Name: name, License: license, Description: text}
		if checkOptions(&opt) != nil {
			return
		}
		if len(name) > maxName || name == "" || license == "" {
			t.Errorf("%q, %q passed", name, license)
		}
		for _, c := range []byte(text) {
			if c == 0 {
				t.Error("a NUL passed, which begins another key of .modinfo")
			}
		}
	})
}

// TestCode decodes what init and exit are made of, instruction by instruction,
// and checks that jumps lead to instructions.
func TestCode(t *testing.T) {
	b := &builder{
		Kernel: &Kernel{layout: kernel.Layout{}, exports: map[string]kernel.Export{}}, secs: map[string]*section{}, strings: map[string]uint64{},
		imports: map[string]elfobj.SymbolIndex{}, crcs: map[string]uint32{}, refs: map[Reference]bool{},
	}
	for _, name := range []string{anchor, "klp_enable_patch", "mutex_lock", "mutex_unlock", "cpus_read_lock", "cpus_read_unlock", "msleep", "__module_get"} {
		b.exports[name] = kernel.Export{Name: name}
	}
	a := b.asm()
	b.function(a, "fill", elf.STB_LOCAL, func(b *builder, a *asm) { b.fill(a) })
	b.function(a, "copy", elf.STB_LOCAL, func(b *builder, a *asm) { b.copier(a) })
	b.copies = []copied{{}}
	mod := &kernel.Module{Name: "x"}
	for range 5 { // the most that any version has
		mod.Parts = append(mod.Parts, kernel.Part{Field: 8})
	}
	cb := callback{object: &object{target: &Target{mod: mod}}, late: 1, user: &target{}}
	b.function(a, "pre_patch", elf.STB_LOCAL, cb.write)
	b.opt.Replace = true // so that there is all the code
	j := &jumper{user: map[string]target{"pre_patch": {}, "post_patch": {}, "post_unpatch": {}}, stack: stackLayout{16384, 168}}
	for _, to := range []*kernel.Struct{&j.task, &j.signal, &j.thread, &j.patch, &j.state} {
		to.Offsets = map[string]uint64{}
	}
	j.write(b, a)
	b.jumper = j
	b.function(a, "init_module", elf.STB_GLOBAL, func(b *builder, a *asm) { b.init(a, 0) })
	for at, to := range a.jumps {
		if d := int64(a.labels[to]) - int64(at) - 1; d != int64(int8(d)) {
			t.Errorf("the jump to %s is too far: %d", to, d)
		}
	}
	if !a.link() {
		t.Error("a jump is too far")
	}
	starts := map[uint64]bool{}
	for off := uint64(0); off < a.len(); {
		in, err := amd64.Decode(a.data[off:])
		if err != nil {
			t.Fatalf("at %#x: %v", off, err)
		}
		starts[off] = true
		off += uint64(in.Len)
	}
	for off := range starts {
		in, _ := amd64.Decode(a.data[off:])
		if to, ok := in.Target(a.data[off:], off); ok && in.PCRelLen == 1 && !starts[to] {
			t.Errorf("the jump at %#x leads to %#x, between instructions", off, to)
		}
	}
	disassembled(t, a.data)
	for _, r := range a.orc {
		if r.off < a.len() && !starts[r.off] {
			t.Errorf("an unwinding row begins at %#x, between instructions", r.off)
		}
	}
	for _, name := range []string{"pre_patch", "init_module", "gate", "jump_pre", "jump_post"} { // called through pointers
		if at := b.out.Symbol(a.calls[name]).Value; string(a.data[at:at+4]) != "\xf3\x0f\x1e\xfa" {
			t.Errorf("%s does not begin with endbr64", name)
		}
	}
}
