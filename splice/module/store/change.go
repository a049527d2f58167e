package store

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
)

// Add verifies an update by the policy, and has the store keep it behind the others, enabled.
// signature is one that stands beside the file, nil for none. Besides the refusals of this package
// there are those of the readers of files.
func (s *Store) Add(ctx context.Context, file, signature []byte) (e *Entry, err error) {
	err = s.change(ctx, "add", func() error {
		e, err = s.add(file, signature)
		return err
	})
	return e, err
}

func (s *Store) add(file, signature []byte) (*Entry, error) {
	if len(file) > maxUpdate {
		return nil, refuse(CodeUnsafe, "", "the update has %d bytes, more than %d", len(file), maxUpdate)
	}
	p, err := s.policy()
	if err != nil {
		return nil, err
	}
	x, err := s.index()
	if err != nil {
		return nil, err
	}
	e, _, err := read(file)
	if err != nil {
		return nil, err
	}
	e.Beside = signature != nil
	if e.Signer, err = p.signer(e.Name, file, signature); err != nil {
		return nil, err
	}
	if r := p.mayJoin(e); r != nil {
		return nil, r
	}
	for i := range x.Entries {
		if o := &x.Entries[i]; o.Digest == e.Digest || o.Name == e.Name && o.Kernel == e.Kernel && o.Release == e.Release {
			return nil, refuse(CodeThere, e.Name, "it has %.12s of that name for that kernel", o.Digest)
		}
	}
	if err := s.keep(e, file, signature); err != nil {
		return nil, err
	}
	x.Entries = append(x.Entries, *e)
	return e, s.commit(x)
}

// keep has the files of an entry on the disk.
func (s *Store) keep(e *Entry, file, signature []byte) error {
	if err := s.disk.mkdir(updates); err != nil {
		return err
	}
	if err := s.disk.sync("."); err != nil {
		return err
	}
	if e.Beside {
		if err := put(s.disk, e.beside(), signature); err != nil {
			return err
		}
	}
	return put(s.disk, e.file(), file)
}

// commit writes the index, and then removes what it does not name: what was taken out, and what
// a change left behind that did not come to its end.
func (s *Store) commit(x *index) error {
	if err := s.save(indexName, x); err != nil {
		return err
	}
	list, err := s.disk.names(updates)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	named := map[string]bool{}
	for i := range x.Entries {
		e := &x.Entries[i]
		named[path.Base(e.file())] = true
		named[path.Base(e.beside())] = e.Beside
	}
	removed := false
	for _, name := range list {
		ours := strings.TrimSuffix(name, fresh)
		ext := path.Ext(ours)
		if named[name] || len(ours) != digestSize+len(ext) || ext != updateExt && ext != besideExt {
			continue // what somebody else put there stays
		}
		if err := s.disk.remove(path.Join(updates, name)); err != nil {
			return err
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return s.disk.sync(updates)
}

// edit changes the index by what is found by a name.
func (s *Store) edit(ctx context.Context, what, name string, do func(x *index, i int)) (e *Entry, err error) {
	err = s.change(ctx, what, func() error {
		x, err := s.index()
		if err != nil {
			return err
		}
		i, err := x.find(name)
		if err != nil {
			return err
		}
		found := x.Entries[i]
		e = &found
		do(x, i)
		return s.commit(x)
	})
	return e, err
}

// Remove takes an update out of the store: by its name, or by the beginning of its digest or ID,
// of 8 letters or more. Where it is loaded it stays so.
func (s *Store) Remove(ctx context.Context, name string) (*Entry, error) {
	return s.edit(ctx, "remove", name, func(x *index, i int) { x.Entries = slices.Delete(x.Entries, i, i+1) })
}

// Enable says whether an update is loaded at boot.
func (s *Store) Enable(ctx context.Context, name string, enabled bool) (*Entry, error) {
	return s.edit(ctx, "enable", name, func(x *index, i int) { x.Entries[i].Enabled = enabled })
}

// Order puts updates first, in the order in which they are named. The others follow, as they were.
func (s *Store) Order(ctx context.Context, names ...string) error {
	return s.change(ctx, "order", func() error {
		x, err := s.index()
		if err != nil {
			return err
		}
		var front []Entry
		for _, name := range names {
			i, err := x.find(name)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(front, func(e Entry) bool { return e.Digest == x.Entries[i].Digest }) {
				return errors.New(name + " is named twice")
			}
			front = append(front, x.Entries[i])
		}
		rest := slices.DeleteFunc(slices.Clone(x.Entries), func(e Entry) bool {
			return slices.ContainsFunc(front, func(o Entry) bool { return o.Digest == e.Digest })
		})
		x.Entries = append(front, rest...)
		return s.commit(x)
	})
}
