package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
)

// Default is where a store is by default: state that lasts and that no other program changes
// (Filesystem Hierarchy Standard 3.0, 5.8).
const Default = "/var/lib/gosplice"

// A Store is one that was opened. Its methods may be called at the same time, by several
// processes: each waits for the others, until its context is done ([CodeLocked]).
type Store struct {
	disk disk
	lock func(ctx context.Context, shared bool) (unlock func(), err error)
}

// errNotOpen is for a store that nobody opened.
var errNotOpen = errors.New("the store was not opened")

// errNoMachine is for what asks about a machine, or has it loaded there.
var errNoMachine = errors.New("no machine is given, or no kernel")

// Open opens the store in a folder. The error is [fs.ErrNotExist] where none is, and a refusal
// [CodeUnsafe] where others may write to it. It is for Linux; elsewhere the error is
// [errors.ErrUnsupported].
func Open(dir string) (*Store, error) {
	f, err := openFolder(dir)
	if err != nil {
		return nil, within("open", err)
	}
	return &Store{f, f.lock}, nil
}

// Create opens the store in a folder, and makes that where it is missing.
func Create(dir string) (*Store, error) {
	if err := create(dir); err != nil {
		return nil, within("create", err)
	}
	return Open(dir)
}

// change does something while nobody else does.
func (s *Store) change(ctx context.Context, what string, do func() error) error {
	return s.locked(ctx, what, false, do)
}

// look does something while nobody changes the store.
func (s *Store) look(ctx context.Context, what string, do func() error) error {
	return s.locked(ctx, what, true, do)
}

func (s *Store) locked(ctx context.Context, what string, shared bool, do func() error) error {
	if s.lock == nil {
		return within(what, errNotOpen)
	}
	unlock, err := s.lock(ctx, shared)
	if err != nil {
		return within(what, err)
	}
	defer unlock()
	return within(what, do())
}

// load reads JSON of the store. It is whole, and has nothing that this version does not know.
func (s *Store) load(name string, v any) error {
	b, err := s.disk.read(name, maxJSON)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err = d.Decode(v)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something stands behind its end")
		}
	}
	if err != nil {
		return refuseBy(err, CodeDamaged, name, "it is not what the store wrote")
	}
	return nil
}

// save writes JSON of the store.
func (s *Store) save(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return err
	}
	return put(s.disk, name, append(b, '\n'))
}

// Policy returns the policy.
func (s *Store) Policy(ctx context.Context) (p *Policy, err error) {
	err = s.look(ctx, "policy", func() error {
		p, err = s.policy()
		return err
	})
	return p, err
}

// SetPolicy changes the policy. The updates that the store has stay; those that the new policy
// does not take are refused when they would be loaded. A policy that is damaged is replaced by
// what change makes of [DefaultPolicy].
func (s *Store) SetPolicy(ctx context.Context, change func(*Policy) error) (p *Policy, err error) {
	err = s.change(ctx, "set the policy", func() error {
		if p, err = s.policy(); errors.Is(err, CodeDamaged) {
			*p = DefaultPolicy()
		} else if err != nil {
			return err
		}
		if err := change(p); err != nil {
			return err
		}
		if err := p.Check(); err != nil {
			return err
		}
		return s.save(policyName, p)
	})
	return p, err
}

// missing reports whether a file is not there.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
