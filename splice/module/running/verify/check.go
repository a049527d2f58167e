package verify

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice/module/internal/entries"
	"github.com/gosplice/gosplice/splice/module/running"
)

// Check looks at all livepatches of a kernel that runs, with the files that are given.
func Check(ctx context.Context, img *image.Image, files ...*running.File) (*Report, error) {
	if img == nil || len(img.Modules()) == 0 {
		return nil, errors.New("verify updates: no image of a kernel is given")
	}
	if slices.Contains(files, nil) {
		return nil, errors.New("verify updates: a file is missing")
	}
	c := &checker{img: img}
	var err error
	if c.live, err = img.Livepatches(); err != nil {
		return nil, fmt.Errorf("verify updates: %w", err)
	}
	c.moving = entries.InTransition(img)
	r := &Report{Schema: Schema, Kernel: fmt.Sprintf("%x", img.Modules()[0].BuildID), Updates: []Update{}}
	of, others, err := loadedFrom(img.Modules(), files)
	if err != nil {
		return nil, fmt.Errorf("verify updates: %w", err)
	}
	for i := range img.Modules() {
		f := of[i]
		if i == 0 || f == nil && !c.isLive(i) {
			continue
		}
		u, err := c.update(ctx, i, f)
		if err != nil {
			return nil, fmt.Errorf("verify %s: %w", img.Modules()[i].Name, err)
		}
		r.Updates = append(r.Updates, *u)
	}
	for _, f := range others {
		r.Updates = append(r.Updates, Update{Name: f.Name, ID: f.ID(), State: Inactive, Why: "it is not loaded"})
	}
	return r, nil
}

type checker struct {
	img    *image.Image
	live   map[uint64]image.Livepatch
	moving bool
}

// isLive reports whether livepatch leads to a module.
func (c *checker) isLive(module int) bool {
	for _, p := range c.live {
		if _, n := c.img.ModuleAt(p.New); n == module {
			return true
		}
	}
	return false
}

// loadedFrom returns the files that modules were loaded from, by their indices: those of the same name
// and build-id. Others are those of no module.
func loadedFrom(modules []image.Module, files []*running.File) (of map[int]*running.File, others []*running.File, err error) {
	of = map[int]*running.File{}
	for _, f := range files {
		id, err := buildID(f)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		i := slices.IndexFunc(modules, func(m image.Module) bool {
			return f.Name == m.Name && len(id) > 0 && bytes.Equal(id, m.BuildID)
		})
		switch {
		case i > 0 && of[i] == nil:
			of[i] = f
		case i > 0 && bytes.Equal(f.Bytes(), of[i].Bytes()): // it is given twice
		default:
			others = append(others, f)
		}
	}
	return of, others, nil
}

// buildID returns the build-id of a file (gABI, "Note Section"), nil when it has none.
func buildID(f *running.File) ([]byte, error) {
	obj, err := elfobj.Parse(f.Bytes())
	if err != nil {
		return nil, err
	}
	for s := range obj.SectionsNamed(kerneltab.BuildIDNote) {
		b, err := s.Data()
		if err != nil {
			return nil, err
		}
		const head = 16 // three words and "GNU"
		if len(b) < head || uint64(binary.LittleEndian.Uint32(b[4:])) > uint64(len(b)-head) {
			return nil, nil
		}
		return b[head:][:binary.LittleEndian.Uint32(b[4:])], nil
	}
	return nil, nil
}

// update checks one module.
func (c *checker) update(ctx context.Context, index int, f *running.File) (*Update, error) {
	m := &c.img.Modules()[index]
	u := &updating{checker: c, module: index, bases: map[elfobj.SectionIndex]uint64{}, Update: Update{Name: m.Name, ID: fmt.Sprintf("%x", m.BuildID)}}
	if f == nil {
		u.listed()
		u.State, u.Why = Unknown, "its file is not given"
		return &u.Update, nil
	}
	var err error
	if u.object, err = elfdiff.NewObject(bytes.NewReader(f.Bytes())); err != nil {
		return nil, err
	}
	if u.object, err = u.fill(f.Bytes()); err != nil {
		return nil, err
	}
	if u.match, err = reloc.Match(ctx, u.object, c.img, reloc.Options{Module: m.Name}); err != nil {
		return nil, err
	}
	u.late = f.Module != nil && f.Module.Origin != nil && slices.ContainsFunc(slices.Concat(f.Module.Origin.Functions, f.Module.Origin.Data), func(s string) bool { return strings.Contains(s, ":") })
	u.functions()
	u.references()
	if err := u.readOnly(); err != nil {
		return nil, err
	}
	if f.Module == nil || f.Module.Origin == nil {
		u.listed()
	} else {
		for _, name := range f.Module.Origin.Functions {
			u.entry(name)
		}
		u.constants(f.Module.Origin.Data)
	}
	u.conclude()
	return &u.Update, nil
}

// updating is an update that is being checked.
type updating struct {
	*checker
	Update
	module int
	object *object.Object
	match  *reloc.Result
	bases  map[elfobj.SectionIndex]uint64 // where sections are, 0 where no symbol tells
	// late is set when the update fills in addresses of modules by itself, which the file does
	// not have: what differs may be such an address, and is counted.
	late bool
	open int
}

func (u *updating) wrong(symbol string, addr uint64, format string, args ...any) {
	if u.late {
		u.open++
		return
	}
	u.Wrong = append(u.Wrong, Wrong{symbol, addr, fmt.Sprintf(format, args...)})
}

// conclude sums up.
func (u *updating) conclude() {
	count := map[State]int{}
	for i := range u.Entries {
		count[u.Entries[i].State]++
	}
	all := len(u.Entries) - count[Waiting]
	switch {
	case len(u.Wrong) > 0 || count[Differs] > 0:
		u.State = Differs
	case all > 0 && count[Inactive] == all:
		u.State, u.Why = Inactive, "nothing leads to it"
	case all > 0 && count[Replaced] > 0 && count[Replaced]+count[Inactive] == all:
		u.State, u.Why = Replaced, "other livepatches have taken its place"
	case count[Inactive] > 0:
		u.State = Differs // some do, and some do not
	case u.moving:
		u.State, u.Why = Unknown, "a transition is under way: some tasks run other code than others"
	case u.open > 0:
		u.State, u.Why = Unknown, fmt.Sprintf("it changes modules, whose addresses it fills in by itself: %d differences may be such", u.open)
	case count[Unknown] > 0:
		u.State, u.Why = Unknown, "not all that it changes can be told"
	case all == 0 && count[Waiting] > 0:
		u.State, u.Why = Waiting, "what it changes is not loaded"
	case all == 0:
		u.State, u.Why = Inactive, "nothing leads to it"
	default:
		u.State = Proven
	}
}

// listed takes the entries from livepatch's own list.
func (u *updating) listed() {
	for _, p := range u.live {
		if _, n := u.img.ModuleAt(p.New); n != u.module {
			continue
		}
		e := Entry{Address: p.Old, New: p.New}
		if s, off, ok := u.img.SymbolAt(p.Old); ok && off == 0 {
			e.Function = s.Name
		}
		if m, n := u.img.ModuleAt(p.Old); m != nil && n > 0 {
			e.Module = m.Name
		}
		u.follow(&e, "")
		u.Entries = append(u.Entries, e)
	}
	slices.SortFunc(u.Entries, func(a, b Entry) int { return int(min(max(int64(a.Address-b.Address), -1), 1)) })
}
