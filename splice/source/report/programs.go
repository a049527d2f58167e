package report

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/internal/visible"
	"github.com/gosplice/gosplice/internal/web"
	"github.com/gosplice/gosplice/splice/source"
)

// endUpdate is the end of the names of updates of programs and libraries.
const endUpdate = ".update"

// updateNames are the names of the files of the updates of programs, by their index: BASE.PROGRAM.update, with the
// start of the build-id where two programs are called the same. It is "" for one without.
func updateNames(base string, list []source.Program) []string {
	times := map[string]int{}
	for i := range list {
		times[list[i].Name]++
	}
	out := make([]string, len(list))
	for i := range list {
		x := &list[i]
		if x.Update == nil {
			continue
		}
		name := strings.Map(func(r rune) rune {
			if r == '/' || r <= ' ' || r == 0x7f {
				return '_'
			}
			return r
		}, x.Name)
		if times[x.Name] > 1 {
			name += "." + x.BuildID[:min(len(x.BuildID), 12)]
		}
		out[i] = base + "." + name + endUpdate
	}
	return out
}

// saveUpdates writes the updates of programs. On error none is left.
func (d *Document) saveUpdates(p Place) error {
	d.Updates = nil
	names := updateNames(p.Base, d.Result.Programs)
	for i := range d.Result.Programs {
		x := &d.Result.Programs[i]
		if x.Update == nil || p.NoModule {
			continue
		}
		var text bytes.Buffer
		_, err := x.Update.WriteTo(&text)
		if err == nil {
			err = files.Write(filepath.Join(p.Dir, names[i]), bytes.NewReader(text.Bytes()), p.Inputs...)
		}
		if err != nil {
			return d.removeUpdates(p, err)
		}
		d.Updates = append(d.Updates, UpdateFile{File{names[i], text.Len(), fmt.Sprintf("%x", sha256.Sum256(text.Bytes()))}, x.ID})
	}
	return nil
}

// removeUpdates takes back what was written before an error.
func (d *Document) removeUpdates(p Place, err error) error {
	for _, f := range d.Updates {
		if rerr := os.Remove(filepath.Join(p.Dir, f.Name)); rerr != nil {
			err = fmt.Errorf("%w; %w", err, rerr)
		}
	}
	d.Updates = nil
	return err
}

// An UpdateFile is a file with an update of a program or a library.
type UpdateFile struct {
	File
	ID string `json:"id"` // of the update
}

// written returns the file of an update, nil for one that was not written.
func (d *Document) written(id string) *UpdateFile {
	for i := range d.Updates {
		if d.Updates[i].ID == id {
			return &d.Updates[i]
		}
	}
	return nil
}

// programs says what the updates of programs and libraries do.
func (p *printer) programs(d *Document) {
	if d.Result.Update == nil { // else they are those of the module
		for i := range d.Result.Findings {
			p.finding("", &d.Result.Findings[i])
		}
	}
	for i := range d.Result.Programs {
		x := &d.Result.Programs[i]
		p.line("")
		of := ""
		if x.Package != "" {
			of = " of " + visible.Text(x.Package)
		}
		p.line("%s%s, build-id %.12s, %s", p.pen.Paint(visible.Bold, x.Name), of, visible.Text(x.BuildID), evidence(x))
		p.line("  %d of %s of %s found in it, byte by byte", x.Matched, count(x.Functions, "function"), visible.Text(listed(x.Objects)))
		for k := range x.Replaces {
			f := &x.Replaces[k]
			p.line("  replaces %s at %#x, found by %s: %s verified here and again when it is applied", p.pen.Paint(visible.Cyan, f.Function), f.Address, visible.Text(f.By), count(f.Size, "byte"))
		}
		if x.Update == nil {
			p.line("  no update: it is refused")
			continue
		}
		if f := d.written(x.ID); f != nil {
			p.line("  %s: %s, id %.12s", p.pen.Paint(visible.Green, "wrote "+f.Name), count(f.Size, "byte"), x.ID)
		} else {
			p.line("  nothing written, id %.12s", x.ID)
		}
	}
}

// listed are some names, and how many more there are.
func listed(list []string) string {
	if len(list) > maxListed {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:maxListed], ", "), len(list)-maxListed)
	}
	return strings.Join(list, ", ")
}

// evidences say in words what tells which file of the build a program is a copy of.
var evidences = map[source.Evidence]string{
	source.ByBuildID: "the same file as the build makes: %s",
	source.ByCode:    "the same code as the build makes: %s",
	source.ByName:    "called as the build calls it: %s",
	source.ByMatch:   "known by its code",
}

func evidence(x *source.Program) string {
	text, ok := evidences[x.By]
	if !ok {
		return string(x.By)
	}
	if strings.Contains(text, "%s") {
		text = fmt.Sprintf(text, visible.Text(x.Built))
	}
	return text
}

// programView is a program on a page.
type programView struct {
	badge
	Name, Path, Package, BuildID, By string
	Share                            string
	Replaces                         table[functionView]
	File, Digest, ID                 string
}

func programsOf(d *Document) []programView {
	var out []programView
	for i := range d.Result.Programs {
		x := &d.Result.Programs[i]
		l := outcomeLooks[source.OutcomeRefused]
		if x.Update != nil {
			l = outcomeLooks[source.OutcomeMade]
		}
		v := programView{
			badge: badge{l.class, l.word, l.text}, Name: web.Name(x.Name), Path: web.Name(x.Path), Package: web.Name(x.Package), BuildID: web.Name(x.BuildID), By: web.Text(evidence(x)),
			Share: web.Text(fmt.Sprintf("%d of %s of %s", x.Matched, count(x.Functions, "function"), listed(x.Objects))), ID: web.Name(x.ID),
		}
		if f := d.written(x.ID); f != nil && x.Update != nil {
			v.File, v.Digest = web.Name(f.Name), web.Name(f.SHA256)
		}
		for k := range x.Replaces {
			f := &x.Replaces[k]
			v.Replaces.add(functionView{Name: web.Name(f.Function), Where: fmt.Sprintf("%#x", f.Address), Method: web.Name(f.Object), By: web.Name(f.By), Verified: uint64(f.Size)})
		}
		out = append(out, v)
	}
	return out
}

// replaced counts the functions that updates replace.
func replaced(r *source.Result) int {
	n := 0
	if r.Update != nil {
		n = len(r.Update.Functions)
	}
	for i := range r.Programs {
		n += len(r.Programs[i].Replaces)
	}
	return n
}
