package splice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
)

// A Part is one object of an update: what changed in it, and where pre is in
// run.
type Part struct {
	Diff  *elfdiff.Diff
	Match *reloc.Result
	Image *image.Image
}

// Build makes an update of the changes in parts, all of which were matched
// against images of the same process or file. It reads the run bytes of the
// functions that it replaces, and compares nothing again: Match did.
//
// The error joins all refusals: each is a [*Refusal], or, when the diff itself
// has them, an [*elfdiff.RefusedError].
func Build(name string, parts ...Part) (*Update, error) {
	return BuildContext(context.Background(), name, parts...)
}

// BuildContext is Build with a context, which ends it between two parts.
func BuildContext(ctx context.Context, name string, parts ...Part) (*Update, error) {
	b := &builder{update: &Update{Format: UpdateFormat, Name: name, Modules: []Module{}, Objects: []Object{}}}
	var all []*Part
	for i := range parts {
		if err := Belongs(parts[i].Diff, parts[i].Match); err != nil {
			return nil, fmt.Errorf("build %s: %w", name, err)
		}
		all = append(all, &parts[i])
	}
	b.names = NewNames(all)
	for i := range parts {
		err := ctx.Err()
		if err == nil {
			err = b.part(&parts[i])
		}
		if err != nil {
			return nil, fmt.Errorf("build %s: %w", name, err)
		}
	}
	if err := twice(b.update); err != nil {
		b.refused = append(b.refused, err)
	}
	if len(b.refused) > 0 {
		return nil, fmt.Errorf("build %s: %w", name, errors.Join(b.refused...))
	}
	b.update.storable()
	return b.update, nil
}

// storable makes all names text, as JSON has it: symbols and paths are bytes, and what is stored and
// read again has to be the same update. Who looks for a name that was none does not find it.
func (u *Update) storable() {
	text := func(names ...*string) {
		for _, s := range names {
			*s = strings.ToValidUTF8(*s, string(utf8.RuneError))
		}
	}
	text(&u.Name)
	for i := range u.Modules {
		text(&u.Modules[i].Name, &u.Modules[i].Path)
	}
	for i := range u.Objects {
		o := &u.Objects[i]
		text(&o.Name)
		for k := range o.Imports {
			text(&o.Imports[k].Name)
		}
		for k := range o.Redirects {
			text(&o.Redirects[k].Function)
		}
	}
}

type builder struct {
	update  *Update
	names   *Names
	refused []error
}

func (b *builder) refuse(r *Refusal) { b.refused = append(b.refused, r) }

func (b *builder) part(p *Part) error {
	x, err := elfdiff.ExtractFor(p.Diff, located{p})
	if err != nil {
		return err
	}
	b.update.Accepted = append(b.update.Accepted, finding.Accepted(p.Diff.Findings)...)
	b.written(x)
	var elf bytes.Buffer
	if _, err := x.WriteTo(&elf); err != nil {
		return err
	}
	o := Object{Name: p.Diff.Pre.Name(), ELF: elf.Bytes(), Imports: []Import{}, Redirects: []Redirect{}}
	m := &matched{Part: p, builder: b}
	m.index()
	for i := range x.Replacements {
		if r, ok := m.redirect(&x.Replacements[i]); ok {
			if len(r.Pads) > 0 {
				b.update.Format = PadsFormat
			}
			o.Redirects = append(o.Redirects, r)
		}
	}
	for i := range x.Externals {
		o.Imports = append(o.Imports, m.importOf(&x.Externals[i]))
	}
	m.aligned(o.Imports, x.Alignments)
	for _, r := range append(p.Defined(), p.interposed()...) {
		b.refuse(r)
	}
	b.update.Objects = append(b.update.Objects, o)
	return nil
}

// written refuses what only a kernel module writes to.
func (b *builder) written(x *extract.Extracted) {
	for i := range x.InPlace {
		b.refuse(Refuse(CodeNotWritten, x.InPlace[i].Name, "", 0, "an update of a process overwrites no constants, as elfdiff.Options.InPlace asks for"))
	}
	for i := range x.Initials {
		b.refuse(Refuse(CodeNotWritten, x.Initials[i].Name, "", 0, "an update of a process sets no variables, as elfdiff.Options.Initials asks for"))
	}
}
