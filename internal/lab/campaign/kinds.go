package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/listing"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
	splicing "github.com/gosplice/gosplice/splice"
)

// kind is a kind of input.
type kind struct {
	name   string
	mutate func(*rand.Rand, []byte) []byte
	run    func(*input) string // returns the outcome; a failure begins with a capital letter
}

// kinds are all of them.
var kinds = []*kind{
	{"object", mutateELF, runObject},
	{"kobject", mutateELF, runObject},
	{"image", mutateELF, runImage},
	{"kernel", mutateELF, runImage},
	{"packed", mutateBytes, runImage},
	{"module", mutateELF, runImage},
	{"update", mutateJSON, runUpdate},
	{"record", mutateJSON, runRecord},
	{"symvers", mutateText, runSymvers},
}

// kindsOf returns the kinds that the flags ask for.
func kindsOf(opt *options) []*kind {
	if opt.onlyKinds == "" {
		return kinds
	}
	var out []*kind
	for _, k := range kinds {
		for _, name := range strings.Split(opt.onlyKinds, ",") {
			if k.name == name {
				out = append(out, k)
			}
		}
	}
	if len(out) == 0 {
		return kinds
	}
	return out
}

// names are the errors that an importer can name, by what they are called in the
// totals. The first that an error is counts.
var names = []struct {
	text string
	err  error
}{
	{"not ELF", object.ErrNotELF},
	{"wrong machine", object.ErrMachine},
	{"not relocatable", object.ErrNotRelocatable},
	{"refused", elfdiff.ErrRefused},
	{"format of update", splicing.ErrUpdateFormat},
	{"damaged update", splicing.ErrUpdateDamaged},
	{"truncated", object.ErrTruncated},
	{"damaged", object.ErrDamaged},
	{"unsupported", errors.ErrUnsupported},
	{"not a kernel", image.ErrNotKernel},
	{"symvers", kernel.ErrSymvers},
}

// outcomeOf names an error.
func outcomeOf(err error) string {
	for _, n := range names {
		if errors.Is(err, n.err) {
			return n.text
		}
	}
	return "UNNAMED " + err.Error()
}

// runObject compares the objects, lists what changed, and extracts.
func runObject(in *input) string {
	a, b := in.changed, in.other
	if in.swap {
		a, b = b, a
	}
	pre, err := elfdiff.NewObject(bytes.NewReader(a))
	if err != nil {
		return outcomeOf(err)
	}
	post, err := elfdiff.NewObject(bytes.NewReader(b))
	if err != nil {
		return outcomeOf(err)
	}
	d, err := elfdiff.Compare(pre, post, elfdiff.Options{Tables: in.rng.IntN(2) == 0, Types: in.rng.IntN(2) == 0, InPlace: in.rng.IntN(2) == 0})
	if err != nil {
		return outcomeOf(err)
	}
	for _, list := range [][]verdict.Change{d.Functions, d.Data} {
		for i := range list {
			if list[i].Status == verdict.Same {
				continue
			}
			d.Explain(&list[i])
			d.DataMembers(&list[i])
			if err := listing.Write(io.Discard, d, &list[i], listing.Options{Context: 3}); err != nil {
				return "LISTING " + err.Error()
			}
		}
	}
	return extract(d)
}

func extract(d *elfdiff.Diff) string {
	x, err := elfdiff.Extract(d)
	if err != nil {
		return outcomeOf(err)
	}
	var out bytes.Buffer
	if _, err := x.WriteTo(&out); err != nil {
		return "WRITE " + err.Error()
	}
	if _, err := elfdiff.NewObject(bytes.NewReader(out.Bytes())); err != nil {
		return "REREAD " + err.Error()
	}
	return fmt.Sprint(d.Outcome())
}

// runImage opens the file as what it is, and matches an object with it.
func runImage(in *input) string {
	f, err := os.CreateTemp("", "campaign-image-")
	if err != nil {
		return "BROKEN " + err.Error()
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(in.changed); err != nil {
		return "BROKEN " + err.Error()
	}
	f.Close()
	img, err := image.Open(f.Name(), image.ModuleOptions{})
	if err != nil {
		return outcomeOf(err)
	}
	defer img.Close()
	pre, err := elfdiff.NewObject(bytes.NewReader(in.other))
	if err != nil {
		return outcomeOf(err)
	}
	m, err := reloc.Match(context.Background(), pre, img, reloc.Options{NoSymbols: in.rng.IntN(3) == 0})
	if err != nil {
		return outcomeOf(err)
	}
	for i := range m.Functions {
		if f := &m.Functions[i]; f.Mismatch != nil {
			_ = fmt.Sprintf("%+v", f.Mismatch)
		}
		if m.Functions[i].Verdict != reloc.Matched {
			return "mismatch"
		}
	}
	return "match"
}

// runUpdate reads an update and links it.
func runUpdate(in *input) string {
	u, err := splicing.ReadUpdate(bytes.NewReader(in.changed))
	if err != nil {
		return outcomeOf(err)
	}
	var out bytes.Buffer
	if _, err := u.WriteTo(&out); err != nil {
		return "WRITE " + err.Error()
	}
	if again, err := splicing.ReadUpdate(bytes.NewReader(out.Bytes())); err != nil || again.ID() != u.ID() {
		return fmt.Sprint("REREAD ", err)
	}
	l, err := splicing.NewLinker(u)
	if err != nil {
		return outcomeOf(err)
	}
	if l.Size().Total() > 1<<30+1<<20 {
		return "SIZE"
	}
	k, err := l.Link(splicing.Layout{Const: 0x500000, Code: 0x600000, Data: 0x700000}, func(*splicing.Import) (splicing.Resolved, error) {
		return splicing.Resolved{Address: 0x400000, GOT: 0x401000, PLT: 0x402000}, nil
	})
	if err != nil {
		return outcomeOf(err)
	}
	k.Functions()
	return "linked"
}

// runSymvers reads the exports of a kernel.
func runSymvers(in *input) string {
	if _, err := kernel.ReadSymvers(bytes.NewReader(in.changed)); err != nil {
		return outcomeOf(err)
	}
	return "read"
}
