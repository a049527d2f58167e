package elfobj

import "errors"

// walk uses every part of a file, and returns all errors.
func walk(f *File) error {
	var errs []error
	note := func(_ any, err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	for _, s := range f.Sections {
		note(s.Data())
		note(s.Uncompressed())
		note(f.Relas(s.Index))
	}
	note(f.Symbols())
	note(f.DynSymbols())
	note(f.Groups())
	for _, p := range f.Progs {
		var b [16]byte
		f.ReadAddr(b[:], p.Vaddr)
		f.ReadAddr(b[:], p.Vaddr+p.Memsz-8)
	}
	return errors.Join(errs...)
}
