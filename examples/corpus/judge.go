package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/internal/lab/corpus"
	"github.com/gosplice/gosplice/internal/progress"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
)

// A judgement says what became of one pair. It is carried only if the whole way
// works: compared, matched with the running kernel, and built into a module.
type judgement struct {
	Source   string            `json:"source"`
	Outcome  elfdiff.Outcome   `json:"outcome"`
	Changed  int               `json:"changed"`  // functions
	Replaced int               `json:"replaced"` // functions of the running kernel
	Findings []elfdiff.Finding `json:"findings"` // of the comparison
	Reasons  []reason          `json:"reasons"`  // why it is not carried, or what has to be accepted
	changed  []string          // functions
	module   *module.Module
	pair     module.Pair
	together int // objects
}

// reason is one refusal, of any stage.
type reason struct {
	Code     string `json:"code"`
	Severity string `json:"severity"`
	Symbol   string `json:"symbol"`
	Section  string `json:"section"`
	Offset   uint64 `json:"offset"`
	Message  string `json:"message"`
	Hint     string `json:"hint"`
}

// schema is the version of what -json prints.
const schema = 1

// judged is what -json prints for a stage.
type judged struct {
	Schema   int                     `json:"schema"` // [schema]
	Stage    string                  `json:"stage"`
	Pairs    []judgement             `json:"pairs"`
	Outcomes map[elfdiff.Outcome]int `json:"outcomes"`
	Codes    map[string]int          `json:"codes"`  // pairs by the codes of what holds them up
	Loaded   []loaded                `json:"loaded"` // with -load
	Beside   *besides                `json:"beside"` // with -cc
}

// judge compares what was built in two folders, and builds a module of each pair
// that has changes, where there is a kernel.
func judge(ctx context.Context, k *module.Kernel, c *corpus.Corpus, pre, post string, opt *options) (*judged, error) {
	j := &judged{Schema: schema, Pairs: []judgement{}, Outcomes: map[elfdiff.Outcome]int{}, Codes: map[string]int{}}
	count := progress.Func(opt.progress.Tell).Begin("judge", len(c.Files))
	for p := range c.Pairs(pre, post) {
		count.Done()
		if !strings.Contains(p.Source, opt.only) {
			continue
		}
		v, err := judgePair(ctx, k, p, opt)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Source, err)
		}
		j.Pairs = append(j.Pairs, *v)
		j.Outcomes[v.Outcome]++
		codes := map[string]bool{}
		for _, r := range v.Reasons {
			codes[r.Code] = true
		}
		for code := range codes {
			j.Codes[code]++
		}
	}
	return j, nil
}

func judgePair(ctx context.Context, k *module.Kernel, p corpus.Pair, opt *options) (*judgement, error) {
	pre, err := elfdiff.Open(p.Pre)
	if err != nil {
		return nil, err
	}
	post, err := elfdiff.Open(p.Post)
	if err != nil {
		return nil, err
	}
	d, err := elfdiff.Compare(pre, post, elfdiff.Options{Tables: true, Accept: opt.accept, InPlace: opt.inPlace, Initials: opt.initials, Types: true})
	if err != nil {
		return nil, err
	}
	v := &judgement{Source: p.Source, Outcome: d.Outcome(), Findings: append([]elfdiff.Finding{}, d.Findings...), Reasons: []reason{}}
	for i := range d.Functions {
		if d.Functions[i].Status == verdict.Changed {
			v.Changed++
			v.changed = append(v.changed, d.Functions[i].Name)
		}
	}
	for i := range d.Refusals {
		v.Reasons = append(v.Reasons, reasonOf(&d.Refusals[i].Finding))
	}
	if k == nil || v.Outcome != elfdiff.OutcomeCarried && v.Outcome != elfdiff.OutcomeIgnored {
		return v, nil
	}
	match, err := reloc.Match(ctx, pre, k.Run(), reloc.Options{})
	if err != nil {
		return nil, err
	}
	v.pair = module.Pair{Diff: d, Match: match}
	if v.Outcome == elfdiff.OutcomeIgnored {
		return v, nil
	}
	m, err := module.BuildContext(ctx, k, module.Options{Name: moduleName(p.Source), Description: p.Source, Probes: opt.probes, Accept: opt.accept}, v.pair)
	if err != nil {
		v.Reasons = append(v.Reasons, refusals(err)...)
		v.Outcome = outcomeOf(v.Reasons)
		return v, nil
	}
	v.module, v.Replaced = m, len(m.Functions)
	return v, nil
}

// together makes one module of all pairs, as a cumulative update is: what one object
// brings along, others find. Left out are those that a person has to judge, and
// those that were refused for another reason than that they miss something.
func (j *judged) together(ctx context.Context, k *module.Kernel, opt *options) {
	all := judgement{Source: "all together", Outcome: elfdiff.OutcomeCarried, Findings: []elfdiff.Finding{}, Reasons: []reason{}}
	var pairs []module.Pair
	for i := range j.Pairs {
		v := &j.Pairs[i]
		missing := !slices.ContainsFunc(v.Reasons, func(r reason) bool {
			return r.Code != string(splice.CodeNotLocated) && r.Code != string(module.CodeUndefined)
		})
		if v.pair.Diff != nil && (v.Outcome != elfdiff.OutcomeRefused || missing) {
			pairs = append(pairs, v.pair)
			all.Changed += v.Changed
		}
	}
	m, err := module.BuildContext(ctx, k, module.Options{Name: "fix_all", Description: fmt.Sprintf("%d objects", len(pairs)), Probes: true, Accept: opt.accept}, pairs...)
	if err != nil {
		all.Reasons = refusals(err)
		all.Outcome = outcomeOf(all.Reasons)
	} else {
		all.module, all.Replaced = m, len(m.Functions)
	}
	all.Source, all.together = fmt.Sprintf("%d objects together", len(pairs)), len(pairs)
	j.Pairs = append(j.Pairs, all)
}

// moduleName makes the name of a module of that of a source: the end, since a
// name has 55 bytes.
func moduleName(source string) string {
	name := "fix_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.TrimSuffix(source, ".c"))
	return name[max(0, len(name)-55):]
}

// outcomeOf sums up why no module was made: when a person can accept every reason, that
// is what it needs.
func outcomeOf(why []reason) elfdiff.Outcome {
	if slices.ContainsFunc(why, func(r reason) bool { return r.Severity == elfdiff.Refused.String() }) {
		return elfdiff.OutcomeRefused
	}
	return elfdiff.OutcomeJudge
}

func reasonOf(f *elfdiff.Finding) reason {
	return reason{string(f.Code), f.Severity.String(), f.Symbol, f.Section, f.Offset, f.Message, f.Hint}
}

// refusals takes an error of several apart.
func refusals(err error) []reason {
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		var out []reason
		for _, e := range list.Unwrap() {
			out = append(out, refusals(e)...)
		}
		return out
	}
	if r, ok := err.(*elfdiff.Refusal); ok {
		return []reason{{string(r.Code), r.Severity.String(), r.Symbol, r.Section, r.Offset, r.Text(), r.Hint}}
	}
	if inner := errors.Unwrap(err); inner != nil {
		return refusals(inner)
	}
	return []reason{{Code: "error", Severity: elfdiff.Refused.String(), Message: err.Error()}}
}

// differing counts the pairs that have changes at all.
func (j *judged) differing() int { return j.count() - j.Outcomes[elfdiff.OutcomeSame] }

// count counts the pairs, without what was made of all of them.
func (j *judged) count() int {
	n := 0
	for _, of := range j.Outcomes {
		n += of
	}
	return n
}

// pinned counts the modules whose addresses others may keep.
func (j *judged) pinned() int {
	n := 0
	for i := range j.Pairs {
		if m := j.Pairs[i].module; m != nil && m.Pinned {
			n++
		}
	}
	return n
}

// print writes a stage for people: a line for each pair that is not simply
// carried, and the counts.
func (j *judged) print(w io.Writer, all bool) {
	for i := range j.Pairs {
		v := &j.Pairs[i]
		if !all && v.together == 0 && (v.Outcome == elfdiff.OutcomeSame || v.Outcome == elfdiff.OutcomeCarried) {
			continue
		}
		fmt.Fprintf(w, "%-8s %s: %d functions changed, %d replaced\n", v.Outcome, v.Source, v.Changed, v.Replaced)
		for _, r := range v.Reasons {
			fmt.Fprintf(w, "           %s %s: %s: %s\n", r.Severity, r.Code, r.Symbol, r.Message)
		}
		for k := range v.Findings {
			fmt.Fprintf(w, "           %s %s\n", v.Findings[k].Severity, &v.Findings[k])
		}
	}
	fmt.Fprintf(w, "%s: %d pairs, %d with differences:", j.Stage, j.count(), j.differing())
	for _, o := range []elfdiff.Outcome{elfdiff.OutcomeCarried, elfdiff.OutcomeIgnored, elfdiff.OutcomeJudge, elfdiff.OutcomeRefused} {
		fmt.Fprintf(w, " %d %s", j.Outcomes[o], o)
		if n := j.differing(); n > 0 {
			fmt.Fprintf(w, " (%.1f %%)", 100*float64(j.Outcomes[o])/float64(n))
		}
	}
	fmt.Fprintln(w)
	if n := j.pinned(); n > 0 {
		fmt.Fprintf(w, "%d of the modules can be disabled, but not removed\n", n)
	}
	if j.Loaded != nil {
		bad := 0
		for _, l := range j.Loaded {
			if l.Err != "" {
				bad++
				fmt.Fprintf(w, "not loaded: %s: %s\n", l.Source, l.Err)
			}
		}
		fmt.Fprintf(w, "%d of %d modules loaded, took effect, and were disabled, and removed unless they are pinned\n", len(j.Loaded)-bad, len(j.Loaded))
	}
	j.Beside.print(w)
	codes := slices.SortedFunc(maps.Keys(j.Codes), func(a, b string) int {
		return cmp.Or(cmp.Compare(j.Codes[b], j.Codes[a]), strings.Compare(a, b))
	})
	for _, code := range codes {
		fmt.Fprintf(w, "  %3d %s\n", j.Codes[code], code)
	}
}

func (j *judged) json(w io.Writer) error { return cli.WriteJSON(w, j) }
