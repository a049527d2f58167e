package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice/module"
)

// A candidate is what an object can be part of: the kernel itself, or a module.
type candidate struct {
	target *module.Target // nil for the kernel itself
	image  *image.Image
}

func targetName(t *module.Target) string {
	if t == nil {
		return ""
	}
	return t.Name()
}

func (r *candidate) name() string {
	if r.target == nil {
		return "vmlinux"
	}
	return r.target.Name()
}

func openRuns(opt *options, k *module.Kernel) ([]candidate, error) {
	runs := []candidate{{nil, k.Run()}}
	for _, t := range opt.targets {
		m, err := k.OpenModule(t.path)
		if err != nil {
			return nil, fmt.Errorf("-target %s=%s: %w", t.name, t.path, err)
		}
		if m.Name() != t.name {
			return nil, fmt.Errorf("-target %s=%s: that is the module %s", t.name, t.path, m.Name())
		}
		runs = append(runs, candidate{m, m.Run()})
	}
	return runs, nil
}

// chosen takes MODULE: off the path of an object, and returns what it may be
// part of.
func chosen(runs []candidate, path string) ([]candidate, string) {
	name, rest, ok := strings.Cut(path, ":")
	for i := range runs {
		if ok && runs[i].name() == name {
			return runs[i : i+1], rest
		}
	}
	return runs, path
}

// match finds the run that an object is part of: the one where all functions
// match that are going to be replaced. Where there is none, it is the one where
// most functions match, so that it is told what is wrong.
func match(ctx context.Context, d *elfdiff.Diff, runs []candidate) (module.Pair, error) {
	var fit []string
	var best module.Pair
	most := -1
	for i := range runs {
		m, err := reloc.Match(ctx, d.Pre, runs[i].image, reloc.Options{})
		if err != nil {
			return module.Pair{}, err
		}
		n, all := matches(d, m)
		if all {
			fit = append(fit, runs[i].name())
			n += len(m.Functions)
		}
		if n > most {
			best, most = module.Pair{Diff: d, Match: m, Target: runs[i].target}, n
		}
	}
	if len(fit) > 1 && d.Changes() > 0 {
		return best, fmt.Errorf("it fits %s: write MODULE:PRE.o to say which", strings.Join(fit, " and "))
	}
	return best, nil
}

// matches counts the functions that match, and tells whether the changed ones
// do, of which there has to be one.
func matches(d *elfdiff.Diff, m *reloc.Result) (n int, all bool) {
	for i := range m.Functions {
		if m.Functions[i].Verdict == reloc.Matched {
			n++
		}
	}
	changed := 0
	for i := range d.Functions {
		ch := &d.Functions[i]
		if ch.Status != verdict.Changed || ch.Pre == object.NoAtom {
			continue
		}
		changed++
		if f := m.Func(ch.Pre); f == nil || f.Verdict != reloc.Matched {
			return n, false
		}
	}
	return n, changed > 0
}
