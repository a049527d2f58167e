package bundle

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/dwarf"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice/module"
)

// prover holds what new code takes from its source against a kernel of another build.
type prover struct {
	b      *Bundle
	o      *Object
	pair   *module.Pair
	kernel *module.Kernel
	types  *comparer
	from   string // what is said of both builds

	functions map[string]bool // of pre, that match
	data      map[string]bool // variables of pre, whose place is known
	protos    map[string]string
	enums     map[string]bool // enumerators: whether the kernel has the same
}

// unproven returns what nothing proves.
func (b *Bundle) unproven(o *Object, pair *module.Pair, k *loadedTypes) ([]finding.Finding, error) {
	p := &prover{b: b, o: o, pair: pair, kernel: k.kernel, from: fmt.Sprintf("the new code was compiled for %s", b.Made.Release)}
	if o.Words == nil {
		f := finding.New(finding.CodeOtherSource)
		f.Symbol, f.Message = o.Name, p.from+", and the bundle does not say what it takes from its source"
		return []finding.Finding{f}, nil
	}
	specs, err := k.specs(pair.Target)
	if err != nil {
		return nil, err
	}
	if p.types, err = newComparer(dwarf.New(pair.Diff.Post.File), dwarf.New(pair.Diff.Pre.File), specs); err != nil {
		return nil, err
	}
	p.matched()
	p.protos = protos(specs[:1], o.Words.Names)
	p.enums = p.types.enumerators()
	var out []finding.Finding
	for _, name := range o.Words.Names {
		if p.proven(name) {
			continue
		}
		f := finding.New(finding.CodeOtherSource)
		f.Symbol, f.Message = name, fmt.Sprintf("%s, and takes this from its source, which no old code that matches does (%s)", p.from, o.Name)
		out = append(out, f)
	}
	return append(out, p.layouts()...), nil
}

// loadedTypes are the types of a kernel and of its modules, each read once.
type loadedTypes struct {
	kernel *module.Kernel
	base   *btf.Spec
	split  map[string]*btf.Spec // by module
}

func loadTypes(k *module.Kernel) *loadedTypes {
	return &loadedTypes{kernel: k, split: map[string]*btf.Spec{}}
}

// specs are the types of the kernel and, where there is one, of a module.
func (k *loadedTypes) specs(t *module.Target) ([]*btf.Spec, error) {
	if k.base == nil {
		b, err := k.kernel.BTF()
		if err != nil {
			return nil, err
		}
		if k.base, err = btf.LoadSpecFromReader(bytes.NewReader(b)); err != nil {
			return nil, fmt.Errorf("types of the kernel: %w", err)
		}
	}
	if t == nil {
		return []*btf.Spec{k.base}, nil
	}
	if k.split[t.Name()] == nil {
		b, err := t.BTF()
		if err != nil {
			return nil, err
		}
		split, err := btf.LoadSplitSpecFromReader(bytes.NewReader(b), k.base)
		if err != nil {
			return nil, fmt.Errorf("types of %s: %w", t.Name(), err)
		}
		k.split[t.Name()] = split
	}
	return []*btf.Spec{k.base, k.split[t.Name()]}, nil
}

// matched notes which names of pre the kernel is known to have.
func (p *prover) matched() {
	p.functions, p.data = map[string]bool{}, map[string]bool{}
	pre := p.pair.Diff.Pre
	for i := range p.pair.Match.Functions {
		if f := &p.pair.Match.Functions[i]; f.Verdict == reloc.Matched {
			p.functions[f.Name] = true
		}
	}
	for i := range pre.Atoms {
		a := &pre.Atoms[i]
		if _, ok := p.pair.Match.AtomAddr(a.ID); ok && a.Kind != object.Func && a.Name != "" {
			p.data[a.Name] = true
		}
	}
}

// proven reports whether a name of new code means the same in this build.
func (p *prover) proven(name string) bool {
	if p.functions[name] || p.data[name] {
		return true
	}
	if slices.ContainsFunc(p.o.Words.Uses[name], func(f string) bool { return p.functions[f] }) {
		return true
	}
	if crc := p.b.Made.CRCs[name]; crc != 0 {
		if now, ok := p.kernel.ExportCRC(name); ok && now == crc {
			return true
		}
	}
	if text := p.b.Made.Functions[name]; text != "" && p.protos[name] == text {
		return true
	}
	if same, ok := p.enums[name]; ok {
		return same
	}
	return p.types.typed[name] // their layouts are compared
}

// layouts compares the types that new code reaches by its variables and the members that it names.
func (p *prover) layouts() []finding.Finding {
	w := p.o.Words
	c := p.types
	c.start(w)
	var out []finding.Finding
	for _, name := range c.differing() {
		f := finding.New(finding.CodeOtherLayout)
		f.Symbol, f.Message = name, fmt.Sprintf("%s, where this is not what this kernel says of it: %s (%s)", p.from, c.differs[name], p.o.Name)
		out = append(out, f)
	}
	return out
}
