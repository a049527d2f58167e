package report

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gosplice/gosplice/internal/files"
)

// A Place says where the files of a document go, and how they are called.
type Place struct {
	Dir   string // the folder, "" for the current one
	Base  string // of the names: BASE.ko, BASE.json, BASE.html; "" is the name of the module
	Index string // a link from the page to that of a table, "" for none
	Flags bool   // see [HTMLOptions]
	// NoModule has the module not written, though there is one.
	NoModule bool
	// Inputs are files that must not be written to.
	Inputs []string
}

// ends are those of the names of what is written: the report comes last, so that where it
// is, all is.
const (
	endModule = ".ko"
	endPage   = ".html"
	endReport = ".json"
)

// path is the path of one of the files.
func (p Place) path(end string) string { return filepath.Join(p.Dir, p.Base+end) }

// Check reports whether all files can be written there, as far as that can be known before:
// the folder, which it makes, and with a Base the files.
func (p Place) Check() error {
	if p.Dir != "" {
		if err := os.MkdirAll(p.Dir, 0o777); err != nil {
			return err
		}
	}
	if p.Base == "" {
		return nil
	}
	for _, end := range []string{endModule, endPage, endReport} {
		if err := files.Output(p.path(end), p.Inputs...); err != nil {
			return err
		}
	}
	return nil
}

// Save writes the module, when there is one, or the updates of programs, as BASE.PROGRAM.update, the page, and the report beside each other.
// Each is there as a whole or not at all, never in the place of an input, and the report is
// the last: where it can't be written, the others are removed. It sets Module and Page of the document. Where there is no module, one that
// another run has left there is not touched: see [Place.Stale].
func (d *Document) Save(p Place) error {
	if d.Result == nil {
		return errors.New("the document has no result")
	}
	if p.Base == "" {
		p.Base = d.Result.Name
	}
	if filepath.Base(p.Base) != p.Base {
		return fmt.Errorf("%q is no name for a file", p.Base)
	}
	if err := p.Check(); err != nil {
		return err
	}
	d.Module, d.Page = File{}, p.Base+endPage
	if m := d.Result.Update; m != nil && !p.NoModule {
		if err := files.Write(p.path(endModule), m, p.Inputs...); err != nil {
			return err
		}
		d.Module = File{p.Base + endModule, len(m.Bytes()), fmt.Sprintf("%x", sha256.Sum256(m.Bytes()))}
	}
	err := d.saveUpdates(p)
	if err == nil {
		if err = d.saveReport(p); err == nil {
			return nil
		}
		err = d.removeUpdates(p, err)
	}
	for _, end := range []string{endModule, endPage} { // a half of what belongs together
		if end == endPage || d.Module.Name != "" {
			if rerr := os.Remove(p.path(end)); !errors.Is(rerr, fs.ErrNotExist) {
				err = errors.Join(err, rerr)
			}
		}
	}
	d.Module, d.Page = File{}, ""
	return err
}

// saveReport writes the page and the report.
func (d *Document) saveReport(p Place) error {
	page, err := NewPage(d, HTMLOptions{Index: p.Index, Flags: p.Flags})
	if err != nil {
		return err
	}
	if err := files.Write(p.path(endPage), page, p.Inputs...); err != nil {
		return err
	}
	return files.Write(p.path(endReport), d, p.Inputs...)
}

// Stale returns the path of a module that another run has left where the one of a document
// would be that has none, "" when there is no such file.
func (p Place) Stale(d *Document) string {
	d = given(d)
	if p.Base == "" {
		p.Base = d.Result.Name
	}
	name := p.path(endModule)
	if _, err := os.Lstat(name); err != nil || d.Module.Name != "" {
		return ""
	}
	return name
}

// IndexName is the name of the page of a table in a folder of reports, without its end.
const IndexName = "index"

// Save writes the table as a page and as JSON into a folder: index.html and index.json. The
// second is the last, so that where it is, both are; where it can't be written, the page is removed.
func (t *Table) Save(dir string) error {
	page, err := NewTablePage(t)
	if err != nil {
		return err
	}
	p := Place{Dir: dir, Base: IndexName}
	if err := files.Write(p.path(endPage), page); err != nil {
		return err
	}
	if err := files.Write(p.path(endReport), t); err != nil {
		return errors.Join(err, os.Remove(p.path(endPage)))
	}
	return nil
}
