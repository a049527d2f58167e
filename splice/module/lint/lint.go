package lint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/splice/module/internal/kofile"
	"github.com/gosplice/gosplice/splice/module/internal/signature"
)

// maxFile bounds a file, in bytes; maxFindings what is kept of one code.
const (
	maxFile     = 256 << 20
	maxFindings = 100
)

// Check looks at the file of a module, and holds it against a kernel; without one (nil), what takes
// none is looked at. What is wrong with the file is in the report; the error is that of the context.
func Check(ctx context.Context, file []byte, k *Kernel) (*Report, error) {
	c := &checker{file: file, kernel: k, out: newReport(), count: map[finding.Code]int{}}
	if k != nil {
		c.out.Kernel = k.Name()
	}
	for _, step := range steps {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("lint: %w", err)
		}
		if !step(c) {
			break
		}
	}
	c.finish()
	return c.out, nil
}

// steps are what is looked at, in the order in which it depends on each other: one that returns
// false is the last.
var steps = []func(*checker) bool{
	(*checker).seal, (*checker).parse, (*checker).sections, (*checker).symbols, (*checker).decode, (*checker).relocations,
	(*checker).branches, (*checker).tables, (*checker).info, (*checker).versions, (*checker).thisModule, (*checker).livepatch,
	(*checker).imports,
}

// A checker is a check under way.
type checker struct {
	file   []byte
	kernel *Kernel // nil for none
	out    *Report
	count  map[finding.Code]int

	obj   *elfobj.File
	syms  []elfobj.Symbol
	ko    *kofile.File
	code  map[elfobj.SectionIndex]*code
	relas map[elfobj.SectionIndex][]rela // sorted by offset
	facts map[string]string              // of .modinfo
	// alternatives are where instructions may be replaced; nil until it is asked for.
	alternatives map[elfobj.SectionIndex][]span
	filled       map[place]bool // see filledIn; nil until it is asked for
}

// add reports something. Of one code so many are kept as tell what is the matter.
func (c *checker) add(f Finding) {
	c.count[f.Code]++
	if c.count[f.Code] > maxFindings {
		c.out.More++
		return
	}
	if f.Hint == "" {
		f.Hint = hints[f.Code]
	}
	c.out.Findings = append(c.out.Findings, f)
}

// wrong reports what is wrong with a place in a section.
func (c *checker) wrong(code finding.Code, section string, off uint64, symbol, format string, args ...any) {
	c.add(Finding{Code: code, Level: Wrong, Section: section, Offset: off, Symbol: symbol, Message: fmt.Sprintf(format, args...)})
}

// doubt reports what is unusual.
func (c *checker) doubt(code finding.Code, section string, off uint64, symbol, format string, args ...any) {
	c.add(Finding{Code: code, Level: Doubtful, Section: section, Offset: off, Symbol: symbol, Message: fmt.Sprintf(format, args...)})
}

// unchecked reports what could not be looked at.
func (c *checker) unchecked(symbol, format string, args ...any) {
	c.add(Finding{Code: CodeUnchecked, Level: Unchecked, Symbol: symbol, Message: fmt.Sprintf(format, args...)})
}

// finish sorts what was found.
func (c *checker) finish() {
	order := []Level{Wrong, Doubtful, Unchecked}
	slices.SortStableFunc(c.out.Findings, func(a, b Finding) int {
		return cmp.Compare(slices.Index(order, a.Level), slices.Index(order, b.Level))
	})
}

// seal compares the digest of a module of package module.
func (c *checker) seal() bool {
	ours, err := checkSeal(c.file)
	c.out.Ours = ours
	if err != nil {
		c.wrong(CodeDamaged, "", 0, "", "%v", err)
	}
	c.out.Sealed = ours && err == nil
	return true
}

// parse reads the file. What can't be read can't be loaded either.
func (c *checker) parse() bool {
	err := errors.New("it is larger than any module")
	if len(c.file) <= maxFile {
		content, _, cut := signature.Cut(c.file)
		if cut == nil {
			c.obj, err = elfobj.Parse(content)
		} else {
			err = cut
		}
	}
	if err == nil {
		c.syms, err = c.obj.Symbols()
	}
	if err == nil {
		c.ko, err = kofile.Parse(c.file)
	}
	if err == nil {
		err = c.readRelas()
	}
	if err != nil {
		c.wrong(CodeDamaged, "", 0, "", "%v", err)
	}
	return err == nil
}

// section returns a section that is loaded, nil for others.
func (c *checker) section(i elfobj.SectionIndex) *elfobj.Section {
	if s := c.obj.Section(i); s != nil && isLoaded(s) {
		return s
	}
	return nil
}
