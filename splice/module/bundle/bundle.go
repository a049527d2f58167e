package bundle

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/splice/module"
)

// Schema is the version of the form of a [Bundle].
const Schema = 1

// A Bundle is the objects of an update, compared, and matched with no kernel yet.
type Bundle struct {
	Schema  int      `json:"schema"` // [Schema]
	Terms   Terms    `json:"terms"`
	Made    Made     `json:"made"`
	Objects []Object `json:"objects"`
}

// Terms are what was said about the update when it was made: see [module.Options] and
// elfdiff.Options.
type Terms struct {
	Name        string               `json:"name"`
	License     string               `json:"license"`
	Description string               `json:"description"`
	Fixes       []string             `json:"fixes"`
	Patches     []module.SourcePatch `json:"patches"`
	Accept      []Accepted           `json:"accept"`
	Unpin       string               `json:"unpin"`
	Replace     bool                 `json:"replace"`
	Probes      bool                 `json:"probes"`
	NoJumps     bool                 `json:"no_jumps"`
	InPlace     bool                 `json:"in_place"`
	Initials    bool                 `json:"initials"`
}

// Accepted is what a person has accepted.
type Accepted struct {
	Code   elfdiff.Code `json:"code"`
	Symbol string       `json:"symbol"`
	Reason string       `json:"reason"`
}

// Made says which build the objects were compiled for.
type Made struct {
	Release  string `json:"release"`
	Vermagic string `json:"vermagic"`
	BuildID  string `json:"build_id"` // of the kernel, hexadecimal
	// CRCs are those of what that kernel exports, of the names that the new code has.
	CRCs map[string]uint32 `json:"crcs"`
	// Functions are the prototypes that it has of such names, by the names of their types.
	Functions map[string]string `json:"functions"`
}

// An Object is one object without and with the patch.
type Object struct {
	Name  string   `json:"name"` // its path in the tree
	Parts []Part   `json:"parts"`
	Fixes []string `json:"fixes"`
	// Verdicts are what the comparison found to differ.
	Verdicts []Verdict `json:"verdicts"`
	// Words are what the new code has of its source; nil where that is not known.
	Words *Words `json:"words"`
	Pre   []byte `json:"-"` // ELF objects
	Post  []byte `json:"-"`
}

// A Part is what an object is part of.
type Part struct {
	Module  string `json:"module"`   // "" for the kernel itself
	BuildID string `json:"build_id"` // that it was compiled for, hexadecimal
}

// A Verdict is a function or a variable that differs.
type Verdict struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Status string `json:"status"`
}

// An Item is an object that a bundle is made of.
type Item struct {
	Name      string
	Diff      *elfdiff.Diff
	Pre, Post []byte           // the files that were compared
	Targets   []*module.Target // that it is part of; nil for the kernel itself
	Fixes     []string
	// Sources are the files that the patch changes in it, and its own; nil where they are not known.
	Sources []Source
}

// A Source is a file of the source.
type Source struct {
	Path      string // as the compiler has it, or the end of that
	Pre, Post []byte // nil where there is none
}

// New makes a bundle of objects that were compared with a kernel's build at hand. opt is what the
// update was made with there, and how what its objects were compared with.
func New(k *module.Kernel, release string, opt module.Options, how elfdiff.Options, items []Item) (*Bundle, error) {
	if k == nil || k.Run() == nil {
		return nil, fmt.Errorf("bundle %s: no kernel is given", opt.Name)
	}
	for i := range items {
		if d := items[i].Diff; d == nil || d.Pre == nil || d.Post == nil {
			return nil, fmt.Errorf("bundle %s: no comparison is given of %q", opt.Name, items[i].Name)
		}
	}
	if opt.Earlier != nil {
		return nil, fmt.Errorf("bundle %s: an update that replaces a certain other one is for one build (Options.Earlier)", opt.Name)
	}
	b := &Bundle{
		Schema: Schema,
		Terms: Terms{
			Name: opt.Name, License: opt.License, Description: opt.Description, Fixes: list(opt.Fixes), Patches: list(opt.Patches),
			Accept: []Accepted{}, Unpin: opt.Unpin, Replace: opt.Replace, Probes: opt.Probes, NoJumps: opt.NoJumps, InPlace: how.InPlace, Initials: how.Initials,
		},
		Made:    Made{Release: release, Vermagic: k.Vermagic(), BuildID: fmt.Sprintf("%x", k.BuildID()), CRCs: map[string]uint32{}, Functions: map[string]string{}},
		Objects: []Object{},
	}
	for _, a := range append(slices.Clone(opt.Accept), how.Accept...) {
		x := Accepted{a.Code, a.Symbol, a.Reason}
		if !slices.Contains(b.Terms.Accept, x) {
			b.Terms.Accept = append(b.Terms.Accept, x)
		}
	}
	types := loadTypes(k)
	for i := range items {
		it := &items[i]
		o := Object{Name: it.Name, Parts: []Part{}, Fixes: list(it.Fixes), Verdicts: verdicts(it.Diff), Words: wordsOf(it), Pre: it.Pre, Post: it.Post}
		for _, t := range it.Targets {
			p := Part{BuildID: b.Made.BuildID}
			if t != nil {
				p = Part{t.Name(), fmt.Sprintf("%x", t.BuildID())}
			}
			o.Parts = append(o.Parts, p)
		}
		if o.Words != nil {
			if err := b.Made.note(types, o.Words.Names); err != nil {
				return nil, err
			}
		}
		b.Objects = append(b.Objects, o)
	}
	return b, nil
}

// note keeps what a kernel says of some names.
func (m *Made) note(k *loadedTypes, names []string) error {
	for _, name := range names {
		if crc, ok := k.kernel.ExportCRC(name); ok {
			m.CRCs[name] = crc
		}
	}
	specs, err := k.specs(nil)
	if err != nil {
		return err
	}
	maps.Copy(m.Functions, protos(specs, names))
	return nil
}

// list is never nil, as JSON has it.
func list[T any](l []T) []T { return append([]T{}, l...) }

// verdicts lists what differs.
func verdicts(d *elfdiff.Diff) []Verdict {
	out := []Verdict{}
	for _, list := range [][]verdict.Change{d.Functions, d.Data} {
		for i := range list {
			if ch := &list[i]; ch.Status != verdict.Same {
				out = append(out, Verdict{ch.Name, ch.Kind.String(), ch.Status.String()})
			}
		}
	}
	return out
}

// Options returns what an update of the bundle is made with.
func (b *Bundle) Options() module.Options {
	t := &b.Terms
	return module.Options{
		Name: t.Name, License: t.License, Description: t.Description, Fixes: t.Fixes, Patches: t.Patches, Accept: b.accept(),
		Unpin: t.Unpin, Replace: t.Replace, Probes: t.Probes, NoJumps: t.NoJumps,
	}
}

func (b *Bundle) accept() []elfdiff.Acceptance {
	var out []elfdiff.Acceptance
	for _, a := range b.Terms.Accept {
		out = append(out, elfdiff.Acceptance{Code: a.Code, Symbol: a.Symbol, Reason: a.Reason})
	}
	return out
}

// open opens one side of an object.
func open(name string, text []byte) (*object.Object, error) {
	o, err := object.New(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("bundle: %s: %w", name, err)
	}
	return o, nil
}
