package module

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/kernel"
)

// A Generation is what a kernel has of the facts that generations of kernels differ in, and
// that a module depends on: the forms of tables, of exports, and of structures.
type Generation struct {
	Path    string `json:"path"`
	Banner  string `json:"banner"`   // release, compiler, linker and version, see [Kernel.Banner]; "" when it can't be found
	Magic   string `json:"vermagic"` // see [Kernel.Vermagic]; "" when it can't be found
	BuildID string `json:"build_id"` // hexadecimal; "" for none
	Facts   []Fact `json:"facts"`
	// Traits are facts that no module depends on the form of, by name.
	Traits []Trait `json:"traits"`
}

// A Fact is one that a module depends on.
type Fact struct {
	Name     string   `json:"name"`
	Value    string   `json:"value"`
	Known    bool     `json:"known"`
	Versions string   `json:"versions"` // of Linux in which this form was seen; "" when it is not known
	Forms    []string `json:"forms"`    // those that are known, with versions of Linux
	Where    string   `json:"where"`    // what has to be added for another form, and where in this library
}

// A Trait is something else that is good to know of a kernel.
type Trait struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Probe tells what it finds of a kernel: of a vmlinux, with or without symbols, or of a
// vmlinuz. It needs nothing to be known of the kernel, and is for reports of those that
// [OpenKernel] refuses.
func Probe(ctx context.Context, path string) (*Generation, error) {
	k, err := kernel.OpenAny(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("probe kernel: %w", nameError(err, ErrNotKernel))
	}
	defer k.Close()
	l, err := k.Survey()
	if err != nil {
		l = nil // which the facts tell
	}
	g := generationOf(k, l)
	for _, t := range k.Traits(l) {
		g.Traits = append(g.Traits, Trait(t))
	}
	return g, ctx.Err()
}

func generationOf(k *kernel.Image, l kernel.Layout) *Generation {
	g := &Generation{Path: k.Path}
	g.Banner, _ = k.Banner()
	g.Magic, _ = k.Vermagic()
	if id, _, err := k.BuildID(); err == nil {
		g.BuildID = fmt.Sprintf("%x", id)
	}
	for _, f := range k.Facts(l) {
		out := Fact{Name: f.Name, Value: f.Value, Known: f.Form != nil, Where: f.Where}
		if out.Known {
			out.Versions = f.Form.Versions
		}
		for _, x := range f.Known {
			s := x.Value
			if x.Versions != "" {
				s += " (" + x.Versions + ")"
			}
			out.Forms = append(out.Forms, s)
		}
		g.Facts = append(g.Facts, out)
	}
	return g
}

// Err returns nil for a kernel of a generation that is known, or else a [*splice.Refusal] of
// [CodeGeneration] that names all that differs from every one that is.
func (g *Generation) Err() error {
	var differs, where []string
	for i := range g.Facts {
		if f := &g.Facts[i]; !f.Known {
			differs = append(differs, f.differs())
			if !slices.Contains(where, f.Where) {
				where = append(where, f.Where)
			}
		}
	}
	if len(differs) == 0 {
		return nil
	}
	r := refuse(CodeGeneration, g.release(), "", 0, "this kernel is of a generation that is not known: %s", strings.Join(differs, "; "))
	r.Hint = "report it with what mkupdate -probe prints; to be added: " + strings.Join(where, "; ")
	return r
}

// differs says how a fact differs from all known forms.
func (f *Fact) differs() string {
	if len(f.Forms) == 0 {
		return f.Name + ": " + f.Value
	}
	return f.Name + ": " + f.Value + ", where known kernels have " + strings.Join(f.Forms, ", or ")
}

// release is the release as the banner has it, or the path.
func (g *Generation) release() string {
	if w := strings.Fields(g.Banner); len(w) > 2 {
		return w[2]
	}
	return g.Path
}

// checkGeneration refuses a kernel of a generation that is not known. lack is why its
// structures can't be read, if they can't, which another refusal is better than.
func (k *Kernel) checkGeneration(lack error) error {
	l := k.layout
	if lack != nil {
		var err error
		if l, err = k.image.Survey(); err != nil {
			return lack
		}
	}
	err := generationOf(k.image, l).Err()
	if err != nil && k.image.IsLive() {
		r := refuse(CodeNeedsImage, "", "", 0, "the memory of this kernel does not say all that its vmlinux does, as a digest of its ORC rows that is not known")
		r.Err = err
		return r
	}
	if err != nil {
		return err
	}
	return lack
}
