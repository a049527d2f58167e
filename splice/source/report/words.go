package report

import (
	"fmt"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/hint"
	"github.com/gosplice/gosplice/internal/visible"
	"github.com/gosplice/gosplice/internal/words"
	"github.com/gosplice/gosplice/splice/source"
)

// Outcomes of rows of a [Table] beside those of package source.
const (
	OutcomeError   source.Outcome = source.OutcomeError // something went wrong, or its report can't be read
	OutcomeMissing source.Outcome = "missing"           // it has left no report
)

// A look is how an outcome, a severity or a presence is shown.
type look struct {
	class string // of pages: a colour
	style visible.Style
	word  string
	text  string // what it means
}

// outcomes are all outcomes, from what is best.
var outcomes = []source.Outcome{
	source.OutcomeMade, source.OutcomeNoChange, source.OutcomeIgnored, source.OutcomeJudge, source.OutcomeRefused, source.OutcomeFailed,
	OutcomeError, OutcomeMissing,
}

var outcomeLooks = map[source.Outcome]look{
	source.OutcomeMade:     {"carried", visible.Green, "made", "there is an update"},
	source.OutcomeNoChange: {"same", "", "no change", "no code and no data that runs is another"},
	source.OutcomeIgnored:  {"same", "", "nothing to carry", "what changed is not running any more, or nobody asks for it"},
	source.OutcomeJudge:    {"judge", visible.Yellow, "to judge", "a person has to accept something first"},
	source.OutcomeRefused:  {"refused", visible.Red, "refused", "it can't be carried as it is"},
	source.OutcomeFailed:   {"refused", visible.Red, "failed", "it does not apply, or does not compile"},
	OutcomeError:           {"refused", visible.Red, "error", "something went wrong, so that nobody knows"},
	OutcomeMissing:         {"refused", visible.Red, "missing", "it has left no report"},
}

// outcomeLook is the look of an outcome, of another version too.
func outcomeLook(o source.Outcome) look {
	if l, ok := outcomeLooks[o]; ok {
		return l
	}
	return look{"same", "", string(o), ""}
}

var severityLooks = map[elfdiff.Severity]look{
	elfdiff.Refused:        {"refused", visible.Red, "refused", ""},
	elfdiff.NeedsJudgement: {"judge", visible.Yellow, "judge", ""},
	elfdiff.Carried:        {"carried", visible.Yellow, "carried", ""},
	elfdiff.Ignored:        {"same", visible.Yellow, "ignored", ""},
}

var presenceLooks = map[source.Presence]look{
	source.Whole:   {"carried", visible.Green, "whole", "in as a whole"},
	source.Partly:  {"judge", visible.Yellow, "part", "in in part"},
	source.Nothing: {"refused", visible.Red, "none", "not in"},
}

// ways are what a person is told to use: options in Go, or the flags of the command
// mkupdate.
type ways struct {
	accept string
	hint   func(string) string
}

var (
	goWays   = ways{"Options.Accept", func(s string) string { return s }}
	flagWays = ways{"-accept", hint.Flags}
)

// waysIn returns what a reader is told to use.
func waysIn(flags bool) *ways {
	if flags {
		return &flagWays
	}
	return &goWays
}

// count is a number with its noun.
func count(n int, noun string) string { return words.Count(n, noun) }

// short is a duration for people.
func short(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// target is the name of what an object is part of.
func target(name string) string {
	if name == "" {
		return "vmlinux"
	}
	return name
}
