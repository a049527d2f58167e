package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/splice/module/running"
	"github.com/gosplice/gosplice/splice/module/store"
)

// kept is what the commands of the store take beside names.
type kept struct {
	dir    string
	beside string
	policy policyFlags
}

// policyFlags change the policy.
type policyFlags struct {
	signatures string
	mode       string
	seconds    int
	accept     []string // files of certificates
	refuse     []string // names of keys
}

// storeCommands are those behind the word store.
func storeCommands() []command {
	return []command{
		{"policy", "[-signatures required|optional] [-mode stacked|cumulative] [-seconds N] [-accept CERT.pem] [-refuse NAME]", "change the policy, and show it", policyFlag, exactly(0), storePolicy},
		{"add", "[-signature FILE.p7s] FILE.ko", "verify an update, and keep it", besideFlag, exactly(1), storeAdd},
		{"remove", "NAME...", "take updates out; those that are loaded stay so", nil, atLeast(1), eachStored((*store.Store).Remove)},
		{"enable", "NAME...", "have updates loaded at boot", nil, atLeast(1), eachStored(enable(true))},
		{"disable", "NAME...", "have updates not loaded at boot", nil, atLeast(1), eachStored(enable(false))},
		{"order", "NAME...", "put updates first, in this order", nil, atLeast(1), storeOrder},
		{"list", "", "verify and list all that the store has", nil, exactly(0), storeList},
		{"boot", "", "load what is for this kernel, as the machine starts", nil, exactly(0), storeRun((*store.Store).Boot)},
		{"apply", "", "load it now, while somebody watches", nil, exactly(0), storeRun((*store.Store).Apply)},
		{"good", "", "say that the machine has come up well with what was loaded at boot", nil, exactly(0), storeGood},
		{"allow", "NAME...", "load again what was left out after a boot that failed", nil, atLeast(1), storeAllow},
	}
}

func storeFlag(f *cli.Flags, s *session) {
	f.StringVar(&s.kept.dir, "store", cmp.Or(s.kept.dir, store.Default), "the `FOLDER` of the store")
}

func besideFlag(f *cli.Flags, s *session) {
	f.StringVar(&s.kept.beside, "signature", "", "a `FILE` with the signature, where it is not in the update")
}

func policyFlag(f *cli.Flags, s *session) {
	p := &s.kept.policy
	f.StringVar(&p.signatures, "signatures", "", "required or optional, as `WORD`")
	f.StringVar(&p.mode, "mode", "", "stacked or cumulative, as `WORD`")
	f.IntVar(&p.seconds, "seconds", 0, "how many `SECONDS` a transition may take at boot")
	f.List(&p.accept, "accept", "accept the key of a certificate, a `FILE` as PEM; it is named by the file")
	f.List(&p.refuse, "refuse", "accept the key with a `NAME` no longer")
}

// storeDo does a command of the store.
func storeDo(ctx context.Context, s *session, args []string) (int, error) {
	for _, c := range storeCommands() {
		if c.name == args[0] {
			own := c.flags
			c.name, c.flags = "store "+c.name, func(f *cli.Flags, s *session) {
				storeFlag(f, s)
				if own != nil {
					own(f, s)
				}
			}
			return s.do(ctx, &c, args[1:])
		}
	}
	t := &cli.Tool{Name: "livectl store", Statuses: tool().Statuses}
	for _, c := range storeCommands() {
		t.Forms = append(t.Forms, strings.TrimSpace("[-store FOLDER] "+c.name+" "+c.args))
		t.About += fmt.Sprintf("%-8s %s\n", c.name, c.about)
	}
	return exitError, t.Flags().Wrong("%q is no command of the store", args[0])
}

func (s *session) open() (*store.Store, *store.Machine, error) {
	m, err := store.MachineOf(cmp.Or(s.kernel.Root, "/"))
	if err != nil {
		return nil, nil, err
	}
	st, err := store.Open(s.kept.dir)
	return st, m, err
}

// What add, and good and allow, print as JSON.
type (
	stored struct {
		Schema int `json:"schema"`
		*store.Entry
	}
	named struct {
		Schema int      `json:"schema"`
		Names  []string `json:"names"`
	}
)

// tell prints what the store has, or what a command did.
func (s *session) tell(r any, format string, args ...any) (int, error) {
	if s.asJSON {
		return exitDone, cli.WriteJSON(s.stdout, r)
	}
	_, err := fmt.Fprintf(s.stdout, format, args...)
	return exitDone, err
}

func storePolicy(ctx context.Context, s *session, _ []string) (int, error) {
	st, err := store.Create(s.kept.dir)
	if err != nil {
		return exitError, err
	}
	o := &s.kept.policy
	var p *store.Policy
	if o.signatures == "" && o.mode == "" && o.seconds == 0 && len(o.accept)+len(o.refuse) == 0 {
		p, err = st.Policy(ctx)
	} else {
		p, err = st.SetPolicy(ctx, o.change)
	}
	if err != nil {
		return exitError, err
	}
	names := []string{}
	for i := range p.Keys {
		names = append(names, p.Keys[i].Name)
	}
	return s.tell(p, "signatures %s, %s, %v for each; keys: %s\n", p.Signatures, p.Mode, p.Limit(), cmp.Or(strings.Join(names, ", "), "none"))
}

func (o *policyFlags) change(p *store.Policy) error {
	p.Signatures, p.Mode = cmp.Or(store.Signatures(o.signatures), p.Signatures), cmp.Or(store.Mode(o.mode), p.Mode)
	p.Seconds = cmp.Or(o.seconds, p.Seconds)
	for _, name := range o.refuse {
		if !p.Refuse(name) {
			return fmt.Errorf("the policy has no key %q", name)
		}
	}
	for _, path := range o.accept {
		b, err := readFile(path)
		if err != nil {
			return err
		}
		base := filepath.Base(path)
		p.Keys = append(p.Keys, store.Key{Name: strings.TrimSuffix(base, filepath.Ext(base)), Certificate: string(b)})
	}
	return nil
}

func storeAdd(ctx context.Context, s *session, args []string) (int, error) {
	st, err := store.Create(s.kept.dir)
	if err != nil {
		return exitError, err
	}
	file, err := readFile(args[0])
	if err != nil {
		return exitError, err
	}
	var signature []byte
	if s.kept.beside != "" {
		if signature, err = readFile(s.kept.beside); err != nil {
			return exitError, err
		}
	}
	e, err := st.Add(ctx, file, signature)
	if err != nil {
		return exitError, err
	}
	by := "not signed by an accepted key"
	if e.Signer != "" {
		by = "signed by " + e.Signer
	}
	return s.tell(stored{store.Schema, e}, "%s: added, %.12s, for %s, %s\n", e.Name, e.Digest, e.Release, by)
}

func enable(on bool) func(*store.Store, context.Context, string) (*store.Entry, error) {
	return func(st *store.Store, ctx context.Context, name string) (*store.Entry, error) {
		return st.Enable(ctx, name, on)
	}
}

// eachStored does something with each update that is named, and lists the store.
func eachStored(do func(*store.Store, context.Context, string) (*store.Entry, error)) func(context.Context, *session, []string) (int, error) {
	return func(ctx context.Context, s *session, names []string) (int, error) {
		st, err := store.Open(s.kept.dir)
		for _, name := range names {
			if err == nil {
				_, err = do(st, ctx, name)
			}
		}
		if err != nil {
			return exitError, err
		}
		return storeList(ctx, s, nil)
	}
}

func storeOrder(ctx context.Context, s *session, names []string) (int, error) {
	st, err := store.Open(s.kept.dir)
	if err == nil {
		err = st.Order(ctx, names...)
	}
	if err != nil {
		return exitError, err
	}
	return storeList(ctx, s, nil)
}

func storeList(ctx context.Context, s *session, _ []string) (int, error) {
	st, m, err := s.open()
	if err != nil {
		return exitError, err
	}
	l, err := st.List(ctx, m)
	if err != nil {
		return exitError, err
	}
	return s.show(l, l.Well())
}

// storeRun loads, and shows what became of it.
func storeRun(do func(*store.Store, context.Context, store.Kernel, *store.Machine, store.Options) (*store.Report, error)) func(context.Context, *session, []string) (int, error) {
	return func(ctx context.Context, s *session, _ []string) (int, error) {
		st, m, err := s.open()
		if err != nil {
			return exitError, err
		}
		p := tool().Progress(s.stderr)
		r, err := do(st, ctx, &s.kernel, m, store.Options{Progress: func(name string, t *running.Transition) {
			if t.Total > 0 {
				p.Tell("load "+name, t.Done, t.Total)
			}
		}})
		p.Stop()
		if err != nil {
			return exitError, err
		}
		return s.show(r, r.Well())
	}
}

func storeGood(ctx context.Context, s *session, _ []string) (int, error) {
	st, m, err := s.open()
	if err != nil {
		return exitError, err
	}
	names, err := st.Good(ctx, m)
	if err != nil {
		return exitError, err
	}
	if len(names) == 0 {
		return s.tell(named{store.Schema, []string{}}, "nothing waits for that\n")
	}
	return s.tell(named{store.Schema, names}, "good: %s\n", strings.Join(names, ", "))
}

func storeAllow(ctx context.Context, s *session, names []string) (int, error) {
	st, err := store.Open(s.kept.dir)
	if err != nil {
		return exitError, err
	}
	all := []string{}
	for _, name := range names {
		did, err := st.Allow(ctx, name)
		if err != nil {
			return exitError, err
		}
		all = append(all, did...)
	}
	return s.tell(named{store.Schema, all}, "loaded again from the next boot on: %s\n", strings.Join(all, ", "))
}
