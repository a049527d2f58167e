package splice

import (
	"cmp"
	"debug/elf"
	"fmt"
	"math"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// Check reports whether the parts of the update fit together: whether indices
// exist, no symbol has two values, no two redirects replace the same code, and the
// objects have the bytes that their headers speak of. The error wraps
// [ErrUpdateFormat] or [ErrUpdateDamaged].
func (u *Update) Check() error {
	if !knownFormat(u.Format) {
		return fmt.Errorf("update %q: %w", u.Name, formatError(&u.Format))
	}
	damaged := func(err error) error { return fmt.Errorf("update %q: %w: %w", u.Name, ErrUpdateDamaged, err) }
	for i := range u.Objects {
		o := &u.Objects[i]
		err := u.checkObject(o)
		if err == nil {
			err = checkELF(o.ELF)
		}
		if err != nil {
			return damaged(fmt.Errorf("object %q: %w", o.Name, err))
		}
	}
	if err := u.checkOverlap(); err != nil {
		return damaged(err)
	}
	return nil
}

// checkELF checks that an object is relocatable, and has the bytes of its
// sections: nothing will be allocated for what it does not have.
func checkELF(b []byte) error {
	f, err := elfobj.Parse(b)
	if err != nil {
		return err
	}
	if f.Type != elf.ET_REL {
		return fmt.Errorf("%w: it is %v", object.ErrNotRelocatable, f.Type)
	}
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC == 0 {
			continue
		}
		if _, err := s.Data(); err != nil {
			return err
		}
	}
	return nil
}

func (u *Update) checkObject(o *Object) error {
	seen := make(map[uint32]bool, len(o.Imports))
	for i := range o.Imports {
		im := &o.Imports[i]
		if seen[im.Symbol] {
			return fmt.Errorf("import %s: symbol %d has two values", im.Name, im.Symbol)
		}
		seen[im.Symbol] = true
		for _, p := range []*Place{im.Address, im.PLT, im.GOT, im.TLSSlot, im.TLSBlock} {
			if p == nil {
				continue
			}
			if err := u.checkPlace(*p); err != nil {
				return fmt.Errorf("import %s: %w", im.Name, err)
			}
		}
	}
	for i := range o.Redirects {
		if err := u.checkRedirect(&o.Redirects[i]); err != nil {
			return fmt.Errorf("redirect %s: %w", o.Redirects[i].Function, err)
		}
	}
	return nil
}

func (u *Update) checkPlace(p Place) error {
	if p.Module < 0 || p.Module >= len(u.Modules) {
		return fmt.Errorf("module %d of %d", p.Module, len(u.Modules))
	}
	return nil
}

func (u *Update) checkRedirect(r *Redirect) error {
	if len(r.Old) == 0 {
		return fmt.Errorf("no old function")
	}
	for k := range r.Old {
		s := &r.Old[k]
		if err := u.checkPlace(s.Place); err != nil {
			return err
		}
		if len(s.Bytes) == 0 || uint64(len(s.Bytes)) > math.MaxUint64-s.Addr {
			return fmt.Errorf("%d bytes at %#x", len(s.Bytes), s.Addr)
		}
		if s.Module != r.Old[0].Module {
			return fmt.Errorf("in modules %d and %d", r.Old[0].Module, s.Module)
		}
	}
	return u.checkPads(r)
}

// checkPads checks that padding is near the function, and filling.
func (u *Update) checkPads(r *Redirect) error {
	if len(r.Pads) > maxPads || len(r.Pads) > 0 && u.Format != PadsFormat {
		return fmt.Errorf("%d stretches of padding in format %d", len(r.Pads), u.Format)
	}
	for i := range r.Pads {
		s, entry := &r.Pads[i], r.Old[0].Addr
		size := uint64(len(s.Bytes))
		switch {
		case s.Module != r.Old[0].Module:
			return fmt.Errorf("in modules %d and %d", r.Old[0].Module, s.Module)
		case size == 0, size > maxPad, s.Addr > math.MaxUint64-size, !isPad(s.Bytes):
			return fmt.Errorf("%d bytes of padding at %#x", size, s.Addr)
		case s.Addr <= entry && s.Addr+size > entry, max(s.Addr, entry)-min(s.Addr, entry) > nearPads+maxPad+uint64(len(r.Old[0].Bytes)):
			return fmt.Errorf("padding at %#x for a function at %#x", s.Addr, entry)
		}
	}
	return nil
}

// checkOverlap compares all old code by place.
func (u *Update) checkOverlap() error {
	type old struct {
		*Span
		function string
	}
	var all []old
	for i := range u.Objects {
		for k := range u.Objects[i].Redirects {
			r := &u.Objects[i].Redirects[k]
			for j := range r.Old {
				all = append(all, old{&r.Old[j], r.Function})
			}
		}
	}
	slices.SortFunc(all, func(a, b old) int { return cmp.Or(cmp.Compare(a.Module, b.Module), cmp.Compare(a.Addr, b.Addr)) })
	for i := 1; i < len(all); i++ {
		a, b := all[i-1], all[i]
		if a.Module == b.Module && b.Addr-a.Addr < uint64(len(a.Bytes)) {
			return fmt.Errorf("redirects %s and %s share code at %#x", a.function, b.function, b.Addr)
		}
	}
	return nil
}
