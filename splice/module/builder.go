package module

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"errors"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/internal/progress"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/internal/klink"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
	"github.com/gosplice/gosplice/splice/module/internal/sides"
)

func (b *builder) build(ctx context.Context, pairs []Pair) (*Module, error) {
	tell := progress.Func(b.opt.Progress)
	stage := tell.Begin("types", 1)
	if err := b.changedTypes(ctx, pairs); err != nil {
		return nil, err
	}
	b.elsewhere(pairs)
	b.between(pairs)
	stage.Done()
	stage = tell.Begin("link", 1)
	b.link(pairs)
	b.checkProbes()
	b.checkStackTypes(pairs)
	b.checkSignatures(pairs)
	stage.Done()
	if err := b.checkTransition(ctx); err != nil {
		return nil, err
	}
	stage = tell.Begin("write", 1)
	b.refuseNothing()
	b.checkPlain()
	b.checkPerCPU()
	b.checkEarlier()
	b.checkState(pairs)
	b.beginCode()
	b.accept(pairs)
	b.checks()
	b.patch()
	b.control()
	b.identity()
	if err := b.bothSides(ctx, pairs); err != nil {
		return nil, err
	}
	if err := b.refused.err(); err != nil {
		return nil, err
	}
	m, err := b.finish()
	stage.Done()
	return m, err
}

// builder is a module that grows.
type builder struct {
	references // and what is known of the kernel, and the file
	judgement
	types  kernelTypes
	whole  func(function string) bool // all that refers to it is given
	opt    Options
	code   *klink.Linker
	plain  bool // the kernel has no livepatch, see plain.go
	unseen bool // code that livepatch does not look for on stacks, see leave

	// What is collected of the patch.
	given     []Pair
	shared    map[string]offer // like offers: what was there before, for where only the object itself could reach it
	objects   []*kobject
	probes    []probed
	constants constants
	copies    []copied
	settings  []setting // members of variables that are set
	pins      pins
	names     *splice.Names
	offers    map[string]offer // symbols that an object brings along for others
	lent      []lent           // where others use them

	note *ko.Section // has the identity
	rows klink.Table // of exit functions
}

// bothSides has the file keep what it changes, without and with the change. Nothing of it is
// loaded.
func (b *builder) bothSides(ctx context.Context, pairs []Pair) error {
	var list []sides.Object
	for i := range pairs {
		p := &pairs[i]
		if p.Diff.Changes() == 0 {
			continue
		}
		name := ""
		if p.Target != nil {
			name = p.Target.Name()
		}
		o, err := sides.Of(ctx, p.Diff, name, p.Fixes)
		if err != nil {
			return err
		}
		list = append(list, *o)
	}
	data, err := sides.Bytes(list)
	b.Section(kerneltab.UpdateSides, elf.SHT_PROGBITS, 0, 1).Data = data
	return err
}

// refuseNothing refuses an update that does nothing.
func (b *builder) refuseNothing() {
	if len(b.refused) > 0 || len(b.probes)+len(b.constants.list)+len(b.settings) > 0 {
		return
	}
	for _, o := range b.objects {
		if len(o.patched)+len(o.jumps)+len(o.settings) > 0 || o.exit != nil {
			return
		}
	}
	b.refused.add(refuse(splice.CodeNothing, "", "", 0, "nothing is replaced"))
}

func newBuilder(k *Kernel, opt Options) (*builder, error) {
	if opt.License == "" {
		opt.License = "GPL"
	}
	opt.Replace = opt.Replace || opt.Earlier != nil
	if err := checkOptions(&opt); err != nil {
		return nil, err
	}
	if k.image.HasParameters(opt.Name, k.layout) {
		r := refuse(CodeName, opt.Name, kerneltab.Parameters, 0, "the kernel itself has /sys/module/%s, for the parameters of built-in code, and loads no module of that name", opt.Name)
		r.Hint = hintRename
		return nil, r
	}
	b := &builder{
		references: newReferences(k, ko.NewFile()), judgement: judgement{words: opt.Accept}, types: kernelTypes{image: k.image},
		opt: opt, plain: !k.image.HasLivepatch(), pins: pins{unpin: opt.Unpin}, offers: map[string]offer{},
	}
	_, thunk := k.exports[kerneltab.ReturnThunk]
	b.code = klink.New(b.File, opt.Name, klink.Kernel{Layout: k.layout, Thunk: thunk, ORCHeader: k.image.ORCHeader(), Symbol: b.kernelSymbol}, b.refuseCode)
	for _, name := range []string{"module_layout", k.anchor()} {
		if _, err := b.export(name); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// refuseCode refuses the module because its own code can't be linked.
func (b *builder) refuseCode(err error) {
	var lack *klink.LackError
	if errors.As(err, &lack) {
		err = refuse(CodeKernel, lack.Symbol, lack.Section, 0, "%s", lack.Text)
	}
	b.refused.add(err)
}

// finish writes the file twice: the digest of the first is the identity that
// the second carries.
func (b *builder) finish() (*Module, error) {
	first, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(first)
	copy(b.note.Data[buildIDNote:], sum[:buildIDSize])
	second, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	m := &Module{Schema: Schema, Origin: b.origin(), Kernel: fmt.Sprintf("%x", b.id), Name: b.opt.Name, ID: fmt.Sprintf("%x", sum[:buildIDSize]), image: second, Plain: b.plain, Pinned: b.pins.stays(), Pins: append([]Pin{}, b.pins.list...)}
	for _, o := range b.objects {
		for _, p := range o.patched {
			m.Functions = append(m.Functions, p.Function)
		}
		for _, j := range o.jumps {
			m.Functions = append(m.Functions, j.Function)
		}
		if o.exit != nil {
			m.Functions = append(m.Functions, o.exit.Function)
		}
	}
	for _, p := range b.probes {
		m.Functions = append(m.Functions, p.Function)
	}
	m.Initials = []Initial{}
	for i := range b.settings {
		m.Initials = append(m.Initials, b.settings[i].Initial)
	}
	for _, o := range b.objects {
		for i := range o.settings {
			m.Initials = append(m.Initials, o.settings[i].Initial)
		}
	}
	m.References, m.Data = b.sortedRefs(), append([]Data{}, b.constants.list...)
	m.Findings, m.Accepted = append(append(b.jumpFindings(), b.exitFindings()...), b.found...), append([]elfdiff.Finding{}, b.accepted...)
	return m, nil
}
