package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/lab/corpus"
)

// besides compares the verdicts about one compiler's objects with those about the
// objects of the compiler that made the kernel.
type besides struct {
	Pairs     int         `json:"pairs"` // that both have
	Otherwise []otherwise `json:"otherwise"`
}

// otherwise is a pair with another verdict.
type otherwise struct {
	Source string `json:"source"`
	Here   string `json:"here"`   // outcome, changed functions and codes, but for what both have
	Kernel string `json:"kernel"` // the same of the kernel's compiler
}

// beside judges a stage of the kernel's own compiler too, and keeps what differs.
func beside(ctx context.Context, c *corpus.Corpus, j *judged, s corpus.Stage, finish func(context.Context, string) error, opt *options) error {
	own, err := corpus.Open(ctx, opt.from, opt.to, corpus.How{})
	if err != nil {
		return err
	}
	pre, err := own.Build(ctx, corpus.Pre, finish)
	if err != nil {
		return err
	}
	own.Files = c.Files
	k, err := judgeStage(ctx, nil, own, pre, s, finish, opt)
	if err != nil {
		return err
	}
	j.Beside = compareJudged(j, k)
	return nil
}

func compareJudged(here, kernel *judged) *besides {
	b := &besides{Otherwise: []otherwise{}}
	for i := range here.Pairs {
		p := &here.Pairs[i]
		k := slices.IndexFunc(kernel.Pairs, func(v judgement) bool { return v.Source == p.Source })
		if k < 0 {
			continue
		}
		b.Pairs++
		x, y := p.words(), kernel.Pairs[k].words()
		if only, others := without(x, y), without(y, x); len(only)+len(others) > 0 {
			b.Otherwise = append(b.Otherwise, otherwise{p.Source, strings.Join(only, " "), strings.Join(others, " ")})
		}
	}
	return b
}

// words are what a verdict consists of. Copies that a compiler makes of a function count
// as that function.
func (v *judgement) words() []string {
	out := []string{string(v.Outcome)}
	for _, name := range v.changed {
		out = append(out, copyName.ReplaceAllString(name, ""))
	}
	for _, r := range v.Reasons {
		out = append(out, r.Severity+":"+r.Code)
	}
	for i := range v.Findings {
		out = append(out, v.Findings[i].Severity.String()+":"+string(v.Findings[i].Code))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// copyName is what compilers append to the names of what they make of a function.
var copyName = regexp.MustCompile(`(\.(part|isra|constprop|cold|llvm|localalias)(\.\d+)?)+$`)

// without returns what the first list has and the second has not.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

func (b *besides) print(w io.Writer) {
	if b == nil {
		return
	}
	fmt.Fprintf(w, "%d of %d pairs have the verdict of the kernel's compiler\n", b.Pairs-len(b.Otherwise), b.Pairs)
	for _, o := range b.Otherwise {
		fmt.Fprintf(w, "  %s: here %s; there %s\n", o.Source, o.Here, o.Kernel)
	}
}
